"""Pods that should have a proxy and have none."""

import pytest

from mesh import documents, inventory, resolve
from meshloom.injector import audit, facts, terms
from tests.meshloom.injector import golden

TERMS = terms.Terms("meshloom-proxy:test", "meshloom.meshloom-system.svc:15012")
LABEL = "servicemesh.oci.oracle.com/sidecar-injection"
BOUND = {"servicemesh.oci.oracle.com/virtual-deployment-binding-ref": "shop/pets-v1"}


def pod(name="pets", labels=None, annotations=None, status=None, spec=None, **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"app": "pets", **(labels or {})},
            "annotations": annotations or {},
            **metadata,
        },
        "spec": {"containers": [{"name": "app", "image": "app"}], **(spec or {})},
        "status": status or {},
    }


def there(*pods):
    written = [*golden.yaml.safe_load_all((golden.HERE / "mesh.yaml").read_text()), *pods]
    return resolve.resolve(inventory.inventory_of(item for one in written if (item := documents.parsed(one).resource)))


STANDARD = {"pod-security.kubernetes.io/enforce": "restricted"}


def found(*pods):
    return [(one.pod.name, one.reason) for one in audit.findings(pods, facts.facts(there()), TERMS)]


def test_a_pod_that_would_get_one_now_lacks_it():
    [finding] = audit.findings([pod()], facts.facts(there()), TERMS)
    assert finding.why.startswith("would get its proxy if it were created now")
    assert finding.reason == "NotInjected"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (pod("dogs", {"app": "dogs"}), "NoBinding"),
        (pod(spec={"hostNetwork": True}), "HostNetwork"),
        (pod(spec={"securityContext": {"runAsUser": 1337}}), "ProxyUser"),
    ],
)
def test_what_keeps_it_from_others_is_named(given, reason):
    assert found(given) == [(given["metadata"]["name"], reason)]


def test_a_pod_that_would_be_refused_with_its_proxy_is_not_to_be_deleted():
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    space["metadata"]["labels"] = {LABEL: "enabled", **STANDARD}
    [finding] = audit.findings([pod()], facts.facts(there(space)), TERMS)
    assert finding.reason == "PodSecurity"
    assert "label the namespace pod-security.kubernetes.io/enforce=privileged" in finding.why
    assert "delete" not in finding.why


def test_a_proxy_of_the_original_is_none_of_ours():
    has_one = {"initContainers": [{"name": "oci-sm-proxy", "image": "proxy"}]}
    ours = {**BOUND, "meshloom.dev/proxy-image": "proxy"}
    assert found(pod("old", annotations=BOUND, spec=has_one), pod("new", annotations=ours, spec=has_one)) == [
        ("old", "OriginalProxy")
    ]


def test_pods_that_have_one_want_none_or_have_ended_are_not_listed():
    assert not found(
        pod(spec={"initContainers": [{"name": "oci-sm-proxy", "image": "proxy"}]}),
        pod(labels={LABEL: "disabled"}),
        pod(status={"phase": "Succeeded"}),
        pod(status={"phase": "Failed"}),
        pod(deletionTimestamp="2026-01-01T00:00:00Z"),
    )


def test_pods_are_counted_by_what_injection_leaves_at_them():
    pods = [
        pod("a"),
        pod("b", annotations=BOUND),
        pod("c", {LABEL: "disabled"}),
        pod("d", deletionTimestamp="2026-01-01T00:00:00Z"),
    ]
    assert audit.lacking(there(*pods)) == 1
