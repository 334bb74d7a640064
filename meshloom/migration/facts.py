"""What there is of the original operator: objects as the API server, or a file, writes them.

Law: pure; nothing is judged here. What cannot be read is none of these facts.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh import identity, resources
from mesh.problems import Ref
from meshloom import errors
from meshloom import settings as settings_model
from meshloom.install import workload

Document = Mapping[str, Any]

OPERATOR_NAMESPACE: Final = "oci-service-operator-system"
OPERATOR: Final = "oci-service-operator"
"""What the original calls itself: in names of its objects, and in that of its image."""
CONFIG_MAP: Final = "oci-service-operator-servicemesh-config"
WEBHOOK_KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")

OURS: Final = ".meshloom.."
"""In every id that meshloom issues."""


DEFAULT: Final = settings_model.Settings()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found. `unread` says what could not be looked at; `settings` are those of meshloom.

    `has_our_definitions`: the definitions of the nine kinds are those of meshloom, which judge changes by themselves.
    """

    documents: tuple[Document, ...]
    unread: tuple[str, ...] = ()
    has_our_definitions: bool = False
    settings: settings_model.Settings = DEFAULT

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
        return filter(is_staying, self.written)


def facts(
    documents: Iterable[Document], unread: tuple[str, ...] = (), chosen: settings_model.Settings | None = None
) -> Facts:
    """Return the facts of these documents; they are in order of kind, namespace and name.

    `chosen` are settings that go before those of an installation among the documents.
    """
    listed = tuple(sorted((one for one in documents if _is_object(one)), key=ref))
    is_ours = any("x-kubernetes-validations" in str(one) for one in listed if one["kind"] == _DEFINITION)
    return Facts(listed, unread, is_ours, chosen or next(_settings(listed), DEFAULT))


_DEFINITION: Final = "CustomResourceDefinition"


def _settings(documents: Iterable[Document]) -> Iterator[settings_model.Settings]:
    """Yield the settings of installations; one that cannot be read is for the control plane to complain about."""
    for one in documents:
        is_ours = workload.SELECTOR.items() <= dict(one["metadata"].get("labels") or {}).items()
        if one["kind"] == "ConfigMap" and is_ours and one["metadata"]["name"] == workload.SETTINGS:
            with contextlib.suppress(errors.UserError):
                yield settings_model.parsed(str((one.get("data") or {}).get(workload.SETTINGS_FILE, "")), str(ref(one)))


def is_staying(document: Document) -> bool:
    """Return whether an object is not being deleted."""
    return not document["metadata"].get("deletionTimestamp")


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
