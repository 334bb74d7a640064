"""Where the API server keeps each object of an installation.

Law: pure; a kind that is not in the table is none that an installation has.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from watchers import api_server

Document = Mapping[str, Any]

PLURALS: Mapping[str, tuple[str, str]] = {
    "Namespace": ("v1", "namespaces"),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "ConfigMap": ("v1", "configmaps"),
    "Service": ("v1", "services"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "Deployment": ("apps/v1", "deployments"),
    "MutatingWebhookConfiguration": ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations"),
    "ValidatingWebhookConfiguration": ("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
}
"""The version and the plural of each kind."""


class Place(NamedTuple):
    """The address of an object; no namespace where the kind has none."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def path(self) -> str:
        """Where it is in the API."""
        version, plural = PLURALS[self.kind]
        return api_server.path(version, plural, self.namespace, self.name)


def place(document: Document) -> Place:
    """Return the address of an object."""
    metadata = document["metadata"]
    return Place(document["kind"], metadata.get("namespace", ""), metadata["name"])


def collection(kind: str, namespace: str = "") -> str:
    """Return where all objects of a kind are, those of all namespaces where none is named."""
    version, plural = PLURALS[kind]
    return api_server.path(version, plural, namespace)
