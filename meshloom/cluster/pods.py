"""Which proxies run in which pods, as the newest pass has it (`meshloom.identity.proofs.Pods`).

Law: the index is made in the worker thread and replaced as a whole; an answer is looked up. A pod that is gone, or that
has the name of another one, is nobody's.
"""

from collections.abc import Callable

from mesh import resolve
from mesh.problems import Problem, Ref
from meshloom.cluster import ownership
from meshloom.identity import proofs


def _nothing() -> None:
    pass


class Pods:
    """Looks at each pass (`meshloom.worker.Onlooker`). What `when_lost` is given is called, in the worker thread,
    whenever a pod is no more what it was.
    """

    def __init__(self) -> None:
        self._index = ownership.Index()
        self._lost: Callable[[], None] = _nothing

    def when_lost(self, told: Callable[[], None]) -> None:
        """Say who is told that pods are not what they were."""
        self._lost = told

    def passed(self, resolution: resolve.Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Take in what a pass has found."""
        before, self._index = self._index, ownership.index(resolution, self._index)
        if ownership.lost(before, self._index):
            self._lost()

    def owners(self, pod: proofs.Pod) -> frozenset[Ref]:
        """Return the VirtualDeployments and IngressGateways whose proxies run in a pod, none if it is gone."""
        found = self._found(pod)
        return found.owners if found is not None else ownership.NOBODY

    def deployment(self, pod: proofs.Pod) -> Ref | None:
        """Return the IngressGatewayDeployment for which a gateway's pod was made, None for all others."""
        found = self._found(pod)
        return found.deployment if found is not None else None

    def _found(self, pod: proofs.Pod) -> ownership.Owned | None:
        found = self._index.pods.get(Ref("Pod", pod.namespace, pod.name))
        return found if found is not None and found.uid == pod.uid else None
