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
    step = plan.step("u1", WANTED, ending)
    assert step == plan.Leave("Service shop/front-service is being deleted; then it is made anew")
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


def test_a_fingerprint_tells_changes_but_not_the_number_of_pods_nor_what_others_note() -> None:
    def printed(**more: Any) -> str:
        return plan.fingerprint({**owned(), **more}, WANTED)

    metadata = owned()["metadata"]
    assert printed(status={"x": 1}, spec={"type": "NodePort", "replicas": 7}) == printed()
    assert printed(metadata={**metadata, "annotations": {"a": "b"}, "resourceVersion": "8"}) == printed()
    assert printed(spec={"type": "ClusterIP"}) != printed()
    assert printed(metadata={**metadata, "ownerReferences": []}) != printed()


def test_a_fingerprint_tells_when_labels_that_we_applied_are_changed() -> None:
    body = {**WANTED, "metadata": {"labels": {"ours": "x"}}}
    one, other = ({**WANTED, "metadata": {"labels": {"ours": said, "others": "y"}}} for said in "xz")
    assert plan.fingerprint(one, body) != plan.fingerprint(other, body)
    assert plan.fingerprint(one, body) == plan.fingerprint({**one, "metadata": {"labels": {"ours": "x"}}}, body)


def test_versions_tell_which_state_is_older_where_they_can_be_compared() -> None:
    old, new, odd = ({"metadata": {"resourceVersion": version}} for version in ("99", "100", "x"))
    assert plan.is_older(old, new)
    assert not plan.is_older(new, old)
    assert not plan.is_older(odd, new)
    assert not plan.is_older(new, None)
