"""What is done about one object, from what is wanted and what is there."""

import copy
from typing import Any

import pytest

from mesh.problems import Ref
from meshloom.gateways import plan

OWNER = Ref("IngressGatewayDeployment", "shop", "front")
WANTED = {"kind": "Service", "metadata": {"name": "front-service", "namespace": "shop"}, "spec": {"type": "NodePort"}}


def owned(kind: str = "IngressGatewayDeployment", name: str = "front", uid: str = "u1") -> dict[str, Any]:
    held = {"kind": kind, "name": name, "uid": uid, "controller": True}
    return {**WANTED, "metadata": {**WANTED["metadata"], "ownerReferences": [held]}}


def test_what_is_wanted_and_not_there_is_made() -> None:
    assert plan.step("u1", WANTED, None) == plan.Apply(WANTED)


def test_what_is_wanted_and_ours_is_applied_over_what_there_is() -> None:
    assert plan.step("u1", WANTED, owned()) == plan.Apply(WANTED, owned())


def test_what_is_ours_and_not_wanted_is_removed() -> None:
    assert plan.step("u1", None, owned()) == plan.Remove(owned())


def test_what_is_neither_wanted_nor_there_needs_nothing() -> None:
    assert plan.step("u1", None, None) is None


@pytest.mark.parametrize("found", [WANTED, owned(uid="u0"), owned("Deployment", "other", "u7")])
def test_what_is_of_somebody_else_is_never_removed(found: dict[str, Any]) -> None:
    assert plan.step("u1", None, found) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (WANTED, "Service shop/front-service is there already and belongs to nobody; rename or delete it"),
        (owned("Gateway", "x", "u7"), "belongs to Gateway x; one of the two needs another name"),
        (owned(uid="u0"), "is of a former IngressGatewayDeployment front, and Kubernetes removes it"),
    ],
)
def test_what_is_of_somebody_else_is_left_and_it_is_said_whose_it_is(found: dict[str, Any], words: str) -> None:
    step = plan.step("u1", WANTED, found)
    assert isinstance(step, plan.Leave)
    assert words in step.words


def test_what_is_ending_is_waited_for() -> None:
    ending = copy.deepcopy(owned())
    ending["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    assert plan.step("u1", WANTED, ending) is None
    assert plan.step("u1", None, ending) is None


def test_an_object_belongs_to_whom_its_controller_or_else_its_label_names() -> None:
    assert plan.owner(owned()) == OWNER
    label = {"servicemesh.oci.oracle.com/ingress-gateway-deployment": "front"}
    assert plan.owner({"metadata": {"namespace": "shop", "labels": label}}) == OWNER
    assert plan.owner({"metadata": {"namespace": "shop"}}) is None


@pytest.mark.parametrize("name", ["a" * 63, "front", "front.example"])
def test_objects_of_one_deployment_have_names_of_their_own(name: str) -> None:
    places = plan.places(Ref("IngressGatewayDeployment", "shop", name))
    assert [place.kind for place in places] == list(plan.KINDS)
    assert len({place.name for place in places}) == len(places)


def test_a_fingerprint_tells_changes_but_not_the_number_of_pods_nor_what_is_said_of_them() -> None:
    first = plan.fingerprint(owned())
    assert plan.fingerprint({**owned(), "status": {"x": 1}, "spec": {"type": "NodePort", "replicas": 7}}) == first
    assert plan.fingerprint({**owned(), "spec": {"type": "ClusterIP"}}) != first
    assert plan.fingerprint({**owned(), "metadata": {**owned()["metadata"], "labels": {"a": "b"}}}) != first
