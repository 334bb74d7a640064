"""What there is of the original operator: objects as the API server, or a file, writes them.

Law: pure; nothing is judged here. What cannot be read is none of these facts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh import identity, inventory, resolve, resources
from mesh.documents import parsed
from mesh.problems import Problem, Ref

Document = Mapping[str, Any]

OPERATOR_NAMESPACE: Final = "oci-service-operator-system"
OPERATOR: Final = "oci-service-operator"
"""What the original calls itself: in names of its objects, and in that of its image."""
CONFIG_MAP: Final = "oci-service-operator-servicemesh-config"
WEBHOOK_KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")

OURS: Final = ".meshloom.."
"""In every id that meshloom issues."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found, and what it means to meshloom. `unread` says what could not be looked at.

    `has_our_definitions`: the definitions of the nine kinds are those of meshloom, which judge changes by themselves.
    """

    documents: tuple[Document, ...]
    resolution: resolve.Resolution
    problems: tuple[Problem, ...]
    unread: tuple[str, ...] = ()
    has_our_definitions: bool = False

    def of(self, *kinds: str) -> Iterator[Document]:
        """Yield the documents of some kinds."""
        return (document for document in self.documents if document.get("kind") in kinds)

    @property
    def written(self) -> Iterator[Document]:
        """The objects of the nine kinds."""
        return (document for document in self.of(*resources.KINDS) if document["apiVersion"] == resources.API_VERSION)

    @property
    def staying(self) -> Iterator[Document]:
        """Those of them that are not being deleted."""
        return (document for document in self.written if not document["metadata"].get("deletionTimestamp"))


def facts(documents: Iterable[Document], unread: tuple[str, ...] = ()) -> Facts:
    """Return the facts of these documents; they are in order of kind, namespace and name."""
    listed = tuple(sorted((one for one in documents if _is_object(one)), key=ref))
    found = [parsed(one) for one in listed if one["apiVersion"].startswith(f"{resources.GROUP}/") or _is_read(one)]
    resolution = resolve.resolve(inventory.inventory_of(one.resource for one in found if one.resource))
    told = (*(problem for one in found for problem in one.problems), *resolution.problems)
    definitions = (one for one in listed if one["kind"] == "CustomResourceDefinition")
    return Facts(listed, resolution, told, unread, any("x-kubernetes-validations" in str(one) for one in definitions))


def ref(document: Document) -> Ref:
    """Return the address of a document."""
    metadata = document["metadata"]
    return Ref(str(document["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"]))


def own_id(document: Document) -> str:
    """Return the id that an object says in its status to have, empty if it says none."""
    status = document.get("status")
    found = status.get(identity.OWN_ID.get(document["kind"], "")) if isinstance(status, Mapping) else None
    return found if isinstance(found, str) else ""


def is_foreign(identifier: str) -> bool:
    """Return whether this is an id that somebody else issued."""
    return bool(identifier) and OURS not in identifier


def containers(document: Document) -> Iterator[Document]:
    """Yield the containers of a pod, or of the template of one."""
    spec = document.get("spec") or {}
    inner = (spec.get("template") or {}).get("spec") or spec
    yield from (*(inner.get("containers") or ()), *(inner.get("initContainers") or ()))


def controller(document: Document) -> Document:
    """Return the reference to who controls an object, empty if nobody does."""
    owners = document["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def _is_object(document: Any) -> bool:
    match document:
        case {"apiVersion": str(), "kind": str(), "metadata": {"name": str()}}:
            return True
        case _:
            return False


_READ: Final = ("Service", "Secret", "Namespace", "EndpointSlice")


def _is_read(document: Document) -> bool:
    return document["kind"] in _READ and document["apiVersion"] in ("v1", "discovery.k8s.io/v1")
