"""Events about pods that go without their proxies: of whom they are, and what they say."""

import pytest

from meshloom.cluster import missed
from meshloom.injector import patch
from meshloom.injector.pods import Pod
from tests.meshloom.injector import golden

SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "pets-5d4f", "uid": "1c", "controller": True}


def outcome(case: str) -> patch.Outcome:
    [(_, found)] = golden.outcomes(case)
    return found


def pod(**metadata) -> Pod:
    return Pod({"metadata": metadata, "spec": {}}, "shop")


def test_whoever_makes_a_pod_is_told_of_it():
    made = missed.event(pod(generateName="pets-5d4f-", ownerReferences=[SET]), outcome("host-network"), "replica-1")
    assert made is not None
    assert made["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "namespace": "shop",
        "name": "pets-5d4f",
        "uid": "1c",
    }
    assert (made["type"], made["reason"]) == ("Warning", "ProxyHostNetwork")
    assert made["message"].startswith("A pod has no proxy: Pod shop/pets spec.hostNetwork: is true")


def test_a_pod_that_nobody_makes_is_told_of_itself():
    made = missed.event(pod(name="pets", ownerReferences=[{**SET, "controller": False}]), outcome("user-1337-pod"), "r")
    assert made is not None
    assert made["involvedObject"] == {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "pets"}
    assert made["message"].startswith("A pod is refused: ")


def test_a_pod_without_name_and_maker_is_nobody():
    assert missed.event(pod(generateName="pets-"), outcome("host-network"), "r") is None


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (pod(name="pets"), pod(name="pets"), True),
        (pod(name="pets"), pod(name="dogs"), False),
        (pod(ownerReferences=[SET]), pod(ownerReferences=[{**SET, "uid": "2d"}]), False),
    ],
)
def test_what_is_the_same_has_one_name(one, other, is_same):
    made = [missed.event(each, outcome("host-network"), "r") for each in (one, other)]
    names = {each["metadata"]["name"] for each in made if each}
    assert (len(names) == 1) == is_same
