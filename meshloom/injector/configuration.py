"""What the API server is told of the webhook that injects: which pods it is asked about, and what if it is silent.

Law: pure. The bundle of roots is left out, as in `meshloom.admission.configuration`.
"""

from collections.abc import Mapping
from typing import Any, Final

from meshloom.admission import configuration as admission
from meshloom.injector import contract

Json = dict[str, Any]

NAME: Final = admission.NAME
"""Of the MutatingWebhookConfiguration."""
WEBHOOK: Final = "injection.meshloom.dev"
PATH: Final = "/mutate"
SECONDS: Final = 5
"""How long the API server waits for an answer; then the pod goes without a proxy, and the audit lists it."""

SYSTEM: Final = "kube-system"
_NAME_OF_NAMESPACE: Final = "kubernetes.io/metadata.name"


def configuration(namespace: str) -> Json:
    """Return the MutatingWebhookConfiguration of a control plane in this namespace."""
    reached = {"service": {"name": admission.SERVICE, "namespace": namespace, "path": PATH, "port": 443}}
    return configured(reached, namespace)


def configured(client: Mapping[str, Any], namespace: str) -> Json:
    """Return the MutatingWebhookConfiguration of a webhook that is reached so (`clientConfig`)."""
    labelled = {"key": contract.LABEL, "operator": "In", "values": [contract.ENABLED, contract.DISABLED]}
    elsewhere = {"key": _NAME_OF_NAMESPACE, "operator": "NotIn", "values": [namespace, SYSTEM]}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    webhook = {
        "name": WEBHOOK,
        "clientConfig": dict(client),
        "rules": [{**rule, "scope": "Namespaced"}],
        "namespaceSelector": {"matchExpressions": [labelled, elsewhere]},
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "Never",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": SECONDS,
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME, "labels": dict(admission.LABELS)},
        "webhooks": [webhook],
    }
