"""How well a kind is followed: what readiness, metrics and problems say of it.

Law: pure values; a fault is said in words that stay the same while it lasts.
"""

from dataclasses import dataclass

from mesh import problems
from mesh.problems import Problem, Ref
from watchers import kinds
from watchers.reflector import Fault

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 401, 403, 404, 429
REFUSALS = (UNAUTHORIZED, FORBIDDEN, NOT_FOUND)
"""These do not pass by themselves, so they are said at once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How well one kind is followed: everywhere, in one namespace, or one object of a name. Where that may not be
    known, one is synced too: nothing waits for it, it counts as absent.

    `fault` is empty while all is well; `since` and `contact` are seconds since the epoch, of the first fault in a row
    and of the last word of the server, 0 where there was none.
    """

    kind: kinds.Kind
    namespace: str = ""
    name: str = ""
    is_synced: bool = False
    objects: int = 0
    fault: str = ""
    since: float = 0.0
    contact: float = 0.0
    lists: int = 0
    watches: int = 0
    events: int = 0
    faults: int = 0

    def __str__(self) -> str:
        is_named = self.namespace and self.kind is not kinds.SECRET
        return f"{self.kind.resource} in {self.namespace}" if is_named else self.kind.resource


def words(fault: Fault) -> str:
    """Return what went wrong in few words, none of which the server chose freely."""
    return f"{fault.status} {fault.reason}" if fault.status else "no answer"


def problem(of: Standing, fault: Fault) -> Problem:
    """Return what is wrong and what to do; the same for every kind where it is the same fault of the server."""
    subject = Ref(of.kind.name, of.namespace, of.name) if of.name else Ref("Resource", of.namespace, of.kind.resource)
    meanwhile = "what was seen last is served" if of.is_synced else "nothing is served before it has been listed"
    meanwhile = "it counts as absent unless it was seen before" if of.name else meanwhile
    match fault.status:
        case 403:
            said = f"meshloom may not list and watch it, so {meanwhile}"
            return problems.error(subject, "", said, "give its ServiceAccount the verbs get, list and watch for it")
        case 404:
            remedy = f"apply its CustomResourceDefinition, {of.kind.resource}" if of.kind.is_ours else "enable its API"
            return problems.error(subject, "", f"the API server does not know it, so {meanwhile}", remedy)
        case 401:
            said = f"does not accept meshloom's credentials, so {meanwhile}"
            return _of_server(said, "renew the kubeconfig, or see whether the ServiceAccount of meshloom exists")
        case 0:
            said = f"does not answer ({fault.message.partition(': ')[2] or fault.message}), so {meanwhile}"
            return _of_server(said, "see whether it runs and can be reached from here")
        case 429:
            return _of_server(f"turns requests away, so {meanwhile}", "see what overloads it; meshloom goes on asking")
        case status:
            return _of_server(
                f"answers {status} {fault.reason}, so {meanwhile}", "see its log; meshloom goes on asking"
            )


def _of_server(fault: str, remedy: str) -> Problem:
    return problems.error(Ref("Server", "", "Kubernetes API"), "", fault, remedy)
