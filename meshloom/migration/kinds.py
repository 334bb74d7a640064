"""Which kinds are looked at, and where the API server keeps them.

Law: a table; a kind that is not in it is neither read nor changed.
"""

from collections.abc import Mapping
from typing import Final

from mesh import resources
from mesh.problems import Ref
from meshloom.gateways import plan
from meshloom.migration import facts
from watchers import api_server

_REGISTRATION: Final = "admissionregistration.k8s.io/v1"

WRITTEN: Final[Mapping[str, tuple[str, str]]] = {
    name: (resources.API_VERSION, kind.plural) for name, kind in resources.KINDS.items()
}
"""The nine kinds: version and plural of each."""

BESIDE: Final[Mapping[str, tuple[str, str]]] = {
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
    facts.WEBHOOK_KINDS[0]: (_REGISTRATION, "validatingwebhookconfigurations"),
    facts.WEBHOOK_KINDS[1]: (_REGISTRATION, "mutatingwebhookconfigurations"),
    "ConfigMap": ("v1", "configmaps"),
    "Namespace": ("v1", "namespaces"),
    "Pod": ("v1", "pods"),
    **plan.KINDS,
}
"""The others."""

ALL: Final[Mapping[str, tuple[str, str]]] = {**WRITTEN, **BESIDE}


def collection(kind: str) -> str:
    """Return where all objects of a kind are."""
    return api_server.path(*ALL[kind])


def place(ref: Ref, subresource: str = "") -> str:
    """Return where an object is."""
    return api_server.path(*ALL[ref.kind], ref.namespace, ref.name, subresource)
