"""Whether a namespace lets pods in that have a proxy: what captures needs more than most Pod Security Standards allow.

Law: pure; read from the labels of the namespace (https://kubernetes.io/docs/concepts/security/pod-security-admission/).
What a cluster exempts from its standards is not known here.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from mesh import problems
from mesh.problems import Problem
from meshloom.injector import contract
from meshloom.injector.pods import Pod

LABEL: Final = "pod-security.kubernetes.io/enforce"
_FORBIDDING: Final = ("baseline", "restricted")


def doubts(pod: Pod, namespace: Mapping[str, str]) -> Iterator[Problem]:
    """Yield why a pod would be refused once it has a proxy; `namespace` are the labels of its namespace."""
    standard = namespace.get(LABEL)
    if standard in _FORBIDDING:
        fault = (
            f"namespace {pod.namespace} enforces the Pod Security Standard {standard}, so Kubernetes refuses the "
            f"container {contract.INIT} that comes with a proxy, and the pod with it"
        )
        remedy = f"label the namespace {LABEL}=privileged, or the pod {contract.LABEL}={contract.DISABLED}"
        yield problems.warning(pod.ref, "spec", fault, remedy)
