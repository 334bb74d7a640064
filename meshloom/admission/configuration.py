"""What the API server is told of the webhook: which changes it is asked about, where, and what holds if it is silent.

Law: pure. The bundle of roots is left out: the program itself keeps it, and nobody who applies this takes it away.
"""

from collections.abc import Mapping
from typing import Any, Final

from mesh import resources

Json = dict[str, Any]

NAME: Final = "meshloom"
"""Of the ValidatingWebhookConfiguration."""

CHANGES, REMOVALS = "admission.meshloom.dev", "removal.admission.meshloom.dev"
"""The webhooks: kubectl names them before each refusal."""

PATH: Final = "/validate"
SECONDS: Final = 5
"""How long the API server waits for an answer."""

SERVICE: Final = "meshloom"
PORT: Final = 9443
"""Of the pods of the Service, whose own is 443."""
LABELS: Mapping[str, str] = {"app.kubernetes.io/name": "meshloom", "app.kubernetes.io/managed-by": "meshloom"}

SPEC_CHANGES: Final = (
    'request.operation != "UPDATE" || has(object.spec) != has(oldObject.spec) || '
    "(has(object.spec) && object.spec != oldObject.spec)"
)
"""Rule 2.2.1, in CEL: what leaves the spec as it is needs nobody's leave, not even while nobody answers."""


def configuration(namespace: str) -> Json:
    """Return the ValidatingWebhookConfiguration of a control plane in this namespace."""
    reached = {"service": {"name": SERVICE, "namespace": namespace, "path": PATH, "port": 443}}
    return configured(reached)


def configured(client: Mapping[str, Any]) -> Json:
    """Return the ValidatingWebhookConfiguration of a webhook that is reached so (`clientConfig`)."""
    changes = {
        **_webhook(CHANGES, ("CREATE", "UPDATE"), "Fail", client),
        "matchConditions": [{"name": "the-spec-changes", "expression": SPEC_CHANGES}],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME, "labels": dict(LABELS)},
        "webhooks": [changes, _webhook(REMOVALS, ("DELETE",), "Ignore", client)],
    }


def _webhook(name: str, operations: tuple[str, ...], silent: str, client: Mapping[str, Any]) -> Json:
    group, version = resources.API_VERSION.split("/")
    rule = {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(operations),
        "resources": plurals(),
        "scope": "Namespaced",
    }
    return {
        "name": name,
        "clientConfig": dict(client),
        "rules": [rule],
        "failurePolicy": silent,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": SECONDS,
        "admissionReviewVersions": ["v1"],
    }


def plurals() -> list[str]:
    """Return the names of the nine kinds in paths of the API."""
    return sorted(kind.plural for kind in resources.KINDS.values())
