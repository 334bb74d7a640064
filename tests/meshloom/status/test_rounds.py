"""Rounds of statuses: what there is news of, and what is to be written."""

import json

import pytest

from mesh import resolve
from mesh.problems import Ref
from meshloom.status import known, progress, replicas, rounds
from meshloom.status.concerns import Group
from tests.meshloom.status import shop


def passed(of: resolve.Resolution, before: known.Known | None = None) -> known.Known:
    return known.known(before or known.Known(), of, of.problems)


def written(of: known.Known, groups: rounds.Groups | None = None) -> dict[Ref, bytes]:
    """Return the statuses after one round."""
    blank = {draft.ref: rounds.NOTHING_WRITTEN for draft in of.drafts}
    found = rounds.judged(of, groups or {}, blank, shop.NOW)
    return {change.ref: rounds.encoded(change.after) for change in found.changes}


def test_the_first_round_tells_of_everything_and_the_second_of_nothing() -> None:
    first = passed(shop.resolved())
    assert rounds.touched(known.Known(), first, {}, {}) == set(shop.OBJECTS)
    told = written(first)
    assert told.keys() == set(shop.OBJECTS)
    assert rounds.judged(first, {}, told, "2030-01-01T00:00:00Z") == rounds.Judged((), frozenset())


def test_a_status_that_somebody_wrote_over_is_written_again() -> None:
    first = passed(shop.resolved())
    told = written(first)
    foreign = {shop.PETS: rounds.encoded({"conditions": [], "meshId": "other", "theirs": 1})}
    (change,) = rounds.judged(first, {}, {**told, **foreign}, shop.NOW).changes
    assert (change.ref, change.uid) == (shop.PETS, "uid-of-virtualservice-pets")
    assert change.before == {"conditions": [], "meshId": "other"}


def test_what_is_gone_or_not_seen_yet_is_passed_over() -> None:
    first = passed(shop.resolved(without=(shop.TABLE,)))
    assert rounds.judged(first, {}, {shop.TABLE: rounds.NOTHING_WRITTEN}, shop.NOW).changes == ()


def test_what_proxies_have_yet_to_accept_stays_open_until_they_do() -> None:
    first = passed(shop.resolved())
    group = Group(shop.PETS_V1)
    waiting = {group: progress.proxy(progress.NEVER)}
    told = written(first, waiting)
    assert rounds.judged(first, waiting, told, shop.NOW).open == {shop.PETS_V1, shop.BINDING}
    accepted = {group: progress.proxy(first.number)}
    found = rounds.judged(first, accepted, told, shop.NOW)
    assert found.open == frozenset()
    assert {change.ref for change in found.changes} == {shop.PETS_V1, shop.BINDING}


def test_only_objects_whose_proxies_reject_or_are_the_first_are_looked_at_again() -> None:
    first = passed(shop.resolved())
    none, one = {}, {Group(shop.DOOR): progress.proxy(1)}
    assert rounds.touched(first, first, one, {Group(shop.DOOR): progress.proxy(2)}) == frozenset()
    gateways = {shop.DOOR, shop.DOOR_TABLE, shop.PETS, shop.PETS_V1, shop.TABLE, shop.POLICY}
    assert rounds.touched(first, first, none, one) == gateways
    pods = {Group(shop.DOOR_PODS): progress.proxy(1)}
    assert rounds.touched(first, first, none, pods) == {shop.DOOR_PODS}


# ---------------------------------------------------------------------------- passes


def test_an_object_is_as_it_is_since_the_pass_that_brought_it() -> None:
    first = passed(shop.resolved())
    second = passed(shop.resolved(shop.item(shop.PETS, generation=2)), first)
    assert (first.number, second.number) == (1, 2)
    assert {ref: since for ref, since in second.since.items() if since == 2} == {shop.PETS: 2}
    third = passed(shop.resolved(shop.item(shop.PETS, generation=2), without=(shop.TABLE,)), second)
    assert shop.TABLE not in third.since
    assert third.since[shop.PETS] == 2


def test_what_became_sound_by_another_object_is_new_since_then() -> None:
    first = passed(shop.resolved(without=(shop.MESH,)))
    second = passed(shop.resolved(), first)
    assert second.since[shop.PETS] == 2
    assert second.since[shop.DOOR_TABLE] == 2


def test_replicas_that_saw_the_same_objects_agree_whatever_came_between() -> None:
    one = passed(shop.resolved())
    other = passed(shop.resolved(), passed(shop.resolved(shop.item(shop.PETS, generation=7))))
    assert (one.digest, other.digest_since) == (other.digest, 2)
    assert passed(shop.resolved(shop.item(shop.PETS, generation=2))).digest != one.digest
    assert passed(shop.resolved(shop.item(shop.PETS, uid="other"))).digest != one.digest
    again = passed(shop.resolved(), other)
    assert (again.number, again.digest_since) == (3, 2)


# ---------------------------------------------------------------------------- replicas


OWNERS = {
    shop.PETS_V1: progress.together([progress.proxy(1), progress.proxy(progress.NEVER)]),
    shop.DOOR: progress.proxy(0, "gateway/shop/door: no"),
}


def test_what_a_replica_tells_is_understood_by_one_that_knows_the_same() -> None:
    of = passed(shop.resolved())
    told = replicas.read(replicas.report(of, OWNERS), of)
    assert told == {
        shop.PETS_V1: progress.Proxies({1: 1, progress.NEVER: 1}),
        shop.DOOR: progress.Proxies({progress.NEVER: 1}, 1, "gateway/shop/door: no"),
    }


def test_proxies_of_a_replica_that_knows_something_else_have_accepted_nothing() -> None:
    behind = passed(shop.resolved(shop.item(shop.PETS, generation=2)))
    told = replicas.read(replicas.report(behind, OWNERS), passed(shop.resolved()))
    assert told[shop.PETS_V1] == progress.Proxies({progress.NEVER: 2})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        '{"digest": 3}',
        '{"digest":"x","proxies":[]}',
        '{"digest":"x","proxies":{"a":1}}',
        '{"digest":"x","proxies":{"a/b/c":[1,2]}}',
        '{"digest":"x","proxies":{"a/b":[1,1,1,""]}}',
        "[" * 100_000,
    ],
)  # fmt: skip - one table
def test_what_is_no_report_tells_nothing(text: str) -> None:
    assert replicas.read(text, known.Known()) == {}


def test_a_fault_that_befalls_all_of_a_large_mesh_fits_into_a_report() -> None:
    words = progress.rejection("node", "\N{SNOWMAN}" * 1000)
    owners = {Ref("VirtualDeployment", "n" * 63, f"{number:0>63}"): progress.proxy(0, words) for number in range(3000)}
    of = passed(shop.resolved())
    text = replicas.report(of, owners)
    assert len(text) < 2**20
    found = replicas.read(text, of)
    assert all(one.rejecting == 1 and one.words for one in found.values())
    assert sum(one.words == words for one in found.values()) == replicas.MOST_WORDS


def test_a_report_that_lies_is_bounded() -> None:
    lie = {"digest": "0" * 16, "proxies": {"a/b/c": [10**30, -4, 10**30, "w" * 10**5]}}
    (found,) = replicas.read(json.dumps(lie), known.Known()).values()
    assert found.connected == found.rejecting == 1_000_000
    assert len(found.words) == progress.LONGEST_WORDS
