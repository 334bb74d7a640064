"""What is said of an IngressGatewayDeployment while its pods are on their way, or cannot come."""

import json

import pytest

from meshloom.gateways.states import Standing, State
from meshloom.status import deployed, known, progress, rounds
from meshloom.status.concerns import Group
from tests.meshloom.status import shop


def active(states: deployed.States | None, groups: rounds.Groups | None = None) -> tuple[str, str, str] | None:
    """Return status, reason and message of the condition Active of the deployment, None where nothing is said."""
    resolution = shop.resolved()
    of = known.known(known.Known(), resolution, resolution.problems)
    written = {shop.DOOR_PODS: rounds.NOTHING_WRITTEN}
    found = rounds.judged(of, groups or {}, written, shop.NOW, states).changes
    if not found:
        return None
    (told,) = [one for one in found[0].after["conditions"] if one["type"] == "ServiceMeshActive"]
    return told["status"], told["reason"], told["message"]


@pytest.mark.parametrize(
    ("standing", "status", "reason"),
    [(Standing.WAITING, "Unknown", "LifecycleStateChanged"), (Standing.FAULTY, "False", "DependenciesNotResolved")],
)
def test_while_its_pods_are_not_there_their_state_is_what_is_said(standing: Standing, status: str, reason: str) -> None:
    assert active({shop.DOOR_PODS: State(standing, "words")}) == (status, reason, "words")


def test_when_its_pods_are_there_proxies_have_the_word() -> None:
    states = {shop.DOOR_PODS: State(Standing.AVAILABLE, "words")}
    assert active(states) == ("True", "Successful", progress.NO_PROXY)
    assert active(states, {Group(shop.DOOR): progress.proxy(progress.NEVER)}) == (
        "True",
        "Successful",
        progress.NO_PROXY,
    )
    waiting = {Group(shop.DOOR_PODS): progress.proxy(progress.NEVER)}
    assert active(states, waiting) == ("Unknown", "LifecycleStateChanged", "0 of 1 proxies have accepted it")


def test_a_leader_that_does_not_know_yet_says_nothing() -> None:
    assert active({}) is None


def test_where_nobody_deploys_gateways_proxies_have_the_word() -> None:
    assert active(None) == ("True", "Successful", progress.NO_PROXY)


def test_only_deployments_whose_state_is_another_are_looked_at_again() -> None:
    before = {shop.DOOR_PODS: State(Standing.WAITING, "a"), shop.DOOR: State(Standing.WAITING, "a")}
    after = {**before, shop.DOOR_PODS: State(Standing.AVAILABLE, "b")}
    assert deployed.changed(before, after) == {shop.DOOR_PODS}
    assert deployed.changed(before, dict(before)) == frozenset()
    assert deployed.changed(before, {}) == before.keys()


def test_other_objects_are_said_whatever_is_known_of_gateways() -> None:
    resolution = shop.resolved()
    of = known.known(known.Known(), resolution, resolution.problems)
    (change,) = rounds.judged(of, {}, {shop.PETS: rounds.NOTHING_WRITTEN}, shop.NOW, {}).changes
    assert json.loads(rounds.encoded(change.after))["conditions"]
