"""Pods that should have a proxy of meshloom and have none, whatever has kept it from them.

Law: pure; whether a pod should have one is decided as for a pod that is created.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from mesh import workloads
from mesh.problems import Ref
from mesh.resolve import Resolution
from meshloom.injector import contract, decision, patch, standards
from meshloom.injector.decision import Reason
from meshloom.injector.facts import Facts
from meshloom.injector.pods import Object, Pod, mapping
from meshloom.injector.terms import Terms

_ENDED: Final = ("Succeeded", "Failed")
_FINE: Final = (Reason.ALREADY_INJECTED, Reason.NOT_WANTED)

WOULD_HAVE: Final = "would get its proxy if it were created now: delete it, and whoever made it makes another"
ORIGINAL: Final = (
    "has the proxy of the original operator, which cannot speak with those of meshloom: restart whoever makes it, and "
    "all others of its mesh with it"
)


class Finding(NamedTuple):
    """A pod without a proxy, the reason by name, and why, with what to do."""

    pod: Ref
    reason: str
    why: str


def findings(pods: Iterable[Object], known: Facts, terms: Terms) -> Iterator[Finding]:
    """Yield of these pods, as the API server tells of them, those that should have a proxy and have none."""
    for document in pods:
        metadata = mapping(document.get("metadata"))
        pod = Pod(document, str(metadata.get("namespace") or "default"))
        if not metadata.get("deletionTimestamp") and mapping(document.get("status")).get("phase") not in _ENDED:
            yield from _finding(pod, known, terms)


def _finding(pod: Pod, known: Facts, terms: Terms) -> Iterator[Finding]:
    outcome = patch.patch(pod, known, terms)
    if outcome.reason is Reason.INJECTED:
        refused = next(standards.doubts(pod, known.namespaces.get(pod.namespace, {})), None)
        yield Finding(pod.ref, "PodSecurity", str(refused)) if refused else Finding(pod.ref, "NotInjected", WOULD_HAVE)
    elif outcome.reason is Reason.ALREADY_INJECTED and _is_of_the_original(pod):
        yield Finding(pod.ref, "OriginalProxy", ORIGINAL)
    elif outcome.reason not in _FINE and outcome.problem is not None:
        yield Finding(pod.ref, outcome.reason.value, str(outcome.problem))


def _is_of_the_original(pod: Pod) -> bool:
    """Return whether somebody else's injection was there before: it says the binding, and not the image."""
    return contract.BINDING in pod.annotations and contract.IMAGE not in pod.annotations


def lacking(resolution: Resolution) -> int:
    """Return how many pods were created without the proxy that their labels ask for."""
    spaces = {ref.name: one.metadata.labels for ref, one in resolution.inventory.of(workloads.Namespace).items()}
    return sum(
        _lacks(one, spaces.get(ref.namespace, {})) for ref, one in resolution.inventory.of(workloads.Pod).items()
    )


def _lacks(pod: workloads.Pod, space: object) -> bool:
    of_namespace = mapping(space).get(contract.LABEL)
    if not decision.is_wanted(of_namespace, pod.metadata.labels.get(contract.LABEL)):
        return False
    return contract.BINDING not in pod.metadata.annotations and not pod.is_terminating
