"""What the API server is told of the webhook."""

from meshloom.admission import configuration as admission
from meshloom.injector import configuration


def test_pods_of_labelled_namespaces_are_asked_about_and_those_of_the_system_never():
    [webhook] = configuration.configuration("meshloom-system")["webhooks"]
    assert webhook["rules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
    ]
    label = {"key": "servicemesh.oci.oracle.com/sidecar-injection", "operator": "In", "values": ["enabled", "disabled"]}
    system = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["meshloom-system", "kube-system"]}
    assert webhook["namespaceSelector"] == {"matchExpressions": [label, system]}
    assert "objectSelector" not in webhook


def test_pods_are_created_while_the_webhook_is_down():
    [webhook] = configuration.configuration("meshloom-system")["webhooks"]
    assert (webhook["failurePolicy"], webhook["sideEffects"]) == ("Ignore", "NoneOnDryRun")
    assert webhook["timeoutSeconds"] <= 10


def test_both_webhooks_are_served_at_one_place():
    [webhook] = configuration.configuration("meshloom-system")["webhooks"]
    theirs = admission.configuration("meshloom-system")["webhooks"][0]["clientConfig"]["service"]
    assert webhook["clientConfig"]["service"] == {**theirs, "path": "/mutate"}
