"""What is still missing of an installation, in words, and what goes when it is removed."""

from typing import Any

import pytest

from meshloom.install import applying, removing


def definition(established: str, accepted: str = "True") -> dict[str, Any]:
    names = {"type": "NamesAccepted", "status": accepted, "message": "taken by another"}
    return {"status": {"conditions": [names, {"type": "Established", "status": established}]}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (definition("True"), ""),
        (definition("False"), "is not established"),
        (definition("False", "False"), "is not established: taken by another"),
        ({}, "is not established"),
        ({"status": {"conditions": None}}, "is not established"),
    ],
)
def test_a_definition_is_usable_once_it_is_established(document: dict[str, Any], words: str) -> None:
    assert applying.unestablished(document) == words


def deployment(**status: int) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": 2, **status}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (deployment(updatedReplicas=2, availableReplicas=2, replicas=2), ""),
        (
            deployment(observedGeneration=1, updatedReplicas=2, availableReplicas=2),
            "has not been taken up by the cluster",
        ),
        (deployment(updatedReplicas=1, availableReplicas=2, replicas=3), "has 1 of 2 replicas ready"),
        (deployment(updatedReplicas=2, availableReplicas=1, replicas=2), "has 1 of 2 replicas ready"),
        (deployment(updatedReplicas=2, availableReplicas=2, replicas=3), "has 1 old replicas left"),
        ({"metadata": {"generation": 1}, "spec": {}}, "has not been taken up by the cluster"),
    ],
)
def test_a_control_plane_is_ready_once_all_new_replicas_are_and_no_old_one_is_left(
    document: dict[str, Any], words: str
) -> None:
    assert applying.unready(document) == words


def test_a_former_replica_answers_until_it_has_ended() -> None:
    stays: Any = {"metadata": {}}
    goes: Any = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert applying.leaving({"items": [stays, goes]}) == "has 1 old replicas that are ending"
    assert applying.leaving({"items": [stays]}) == ""
    assert removing.running({"items": [stays, goes]}) == "still has 2 pods"
    assert removing.running({"items": []}) == ""


def test_a_webhook_can_be_asked_once_all_its_parts_have_an_authority() -> None:
    bare, bundled = {"clientConfig": {}}, {"clientConfig": {"caBundle": "LS0t"}}
    assert applying.unbundled({"webhooks": [bundled, bare]}) == "has no certificate authority"
    assert applying.unbundled({"webhooks": [bundled, bundled]}) == ""


def test_our_finalizers_go_and_those_of_others_stay() -> None:
    ours = ["finalizers.servicemesh.oci.oracle.com/mesh-resources", "finalizers.oci.oracle.com/oci-resources"]
    assert removing.without_ours("Mesh", ["a.example.com/b", *ours]) == ["a.example.com/b"]
    assert removing.without_ours("Mesh", ours) == []
    assert removing.without_ours("Mesh", ["a.example.com/b"]) is None
    assert removing.without_ours("Mesh", []) is None
    assert removing.without_ours("AccessPolicy", ours[:1]) is None


def test_the_webhooks_go_first_then_the_control_plane_then_what_it_needed() -> None:
    first = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "Deployment"]
    assert [place.kind for place in removing.first("mesh")] == first
    after = [place.kind for place in removing.rest("mesh")]
    assert after[-1] == "ServiceAccount"
    assert not {"Namespace", "CustomResourceDefinition", "Deployment", "Secret"} & set(after)


def test_kinds_and_keys_go_only_where_that_is_asked_for() -> None:
    kept, purged = removing.described("mesh", purge=False), removing.described("mesh", purge=True)
    assert not [line for line in kept if line.startswith(("Namespace", "CustomResourceDefinition"))]
    assert purged[-1] == "Namespace mesh"
    assert sum(line.startswith("CustomResourceDefinition") for line in purged) == 9
    assert purged[: len(kept)] == kept
