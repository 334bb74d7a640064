"""What the conditions of each kind say: the tables of the reference of statuses, row by row."""

import pytest

from mesh import problems, resolve, resources
from mesh.problems import Ref
from meshloom.status import documents, judgements, progress
from tests.meshloom.status import shop

SEVEN = [
    shop.MESH,
    shop.PETS,
    shop.PETS_V1,
    shop.TABLE,
    shop.POLICY,
    shop.DOOR,
    shop.DOOR_TABLE,
]  # fmt: skip - one table
TWO = [shop.BINDING, shop.DOOR_PODS]
ENDING = {"deletion_timestamp": "2026-01-31T12:00:00Z"}

RESOLVED = ("True", "Successful", "all that it refers to is there")
CONFIGURED = ("True", "Successful", "it is part of what proxies are given")
UNSEEN = ("True", "Successful", "no proxy that it concerns was connected")
KEPT = ("Unknown", "LifecycleStateChanged", "proxies keep what they have until it is configured")
WAITS = ("Unknown", "DependenciesNotResolved", "it waits for what it refers to; proxies keep what they have")


def said(ref: Ref, of: resolve.Resolution, *more: problems.Problem) -> dict[str, tuple[str, str, str]]:
    return shop.said(shop.status(ref, of, problems=more))


@pytest.mark.parametrize("ref", SEVEN, ids=str)
def test_what_is_as_it_should_be_has_three_true_conditions_in_order(ref: Ref) -> None:
    found = said(ref, shop.resolved())
    assert found == {"DependenciesActive": RESOLVED, "Configured": CONFIGURED, "Active": UNSEEN}
    assert list(found) == ["DependenciesActive", "Configured", "Active"]


@pytest.mark.parametrize("ref", TWO, ids=str)
def test_the_two_kinds_that_kubernetes_alone_knows_have_two(ref: Ref) -> None:
    assert list(said(ref, shop.resolved()).items()) == [("DependenciesActive", RESOLVED), ("Active", UNSEEN)]


PARENTS = [
    (shop.PETS, shop.MESH),
    (shop.DOOR, shop.MESH),
    (shop.POLICY, shop.MESH),
    (shop.PETS_V1, shop.PETS),
    (shop.TABLE, shop.PETS),
    (shop.TABLE, shop.PETS_V1),
    (shop.POLICY, shop.PETS),
    (shop.POLICY, shop.DOOR),
    (shop.DOOR_TABLE, shop.DOOR),
    (shop.DOOR_TABLE, shop.PETS),
    (shop.BINDING, shop.PETS_V1),
    (shop.DOOR_PODS, shop.DOOR),
]  # fmt: skip - one table


@pytest.mark.parametrize(("ref", "parent"), PARENTS, ids=str)
def test_a_reference_to_what_is_not_there_is_false_and_named(ref: Ref, parent: Ref) -> None:
    found = said(ref, shop.resolved(without=(parent,)))
    status, reason, message = found["DependenciesActive"]
    assert (status, reason) == ("False", "DependenciesNotResolved")
    assert f"{parent} does not exist; create" in message
    if ref in SEVEN:
        assert found["Configured"] == WAITS
        assert found["Active"] == KEPT
    else:
        assert found["Active"] == WAITS


@pytest.mark.parametrize(("ref", "parent"), PARENTS, ids=str)
def test_a_reference_to_what_is_being_deleted_is_false_and_it_is_served_until_then(ref: Ref, parent: Ref) -> None:
    found = said(ref, shop.resolved(shop.item(parent, **ENDING)))
    assert found["DependenciesActive"] == ("False", "DependenciesNotResolved", f"{parent} is being deleted")
    assert found["Active"] == UNSEEN


@pytest.mark.parametrize(("ref", "parent"), PARENTS, ids=str)
def test_a_reference_to_what_is_not_ready_is_open_and_says_what_is_missing(ref: Ref, parent: Ref) -> None:
    fault = problems.error(parent, "spec.x", "is broken", "mend it")
    found = said(ref, shop.resolved(), fault)
    status, reason, message = found["DependenciesActive"]
    assert (status, reason) == ("Unknown", "DependenciesNotResolved")
    assert message.startswith(f"{parent} is not ready: its ServiceMeshConfigured is False")


def test_a_dependency_that_is_not_ready_is_passed_on_step_by_step() -> None:
    of = shop.resolved(without=(shop.MESH,))
    expected = f"{shop.PETS} is not ready: its ServiceMeshDependenciesActive is False"
    assert said(shop.PETS_V1, of)["DependenciesActive"] == ("Unknown", "DependenciesNotResolved", expected)


def test_a_service_of_kubernetes_that_is_not_there_leaves_a_binding_open() -> None:
    found = said(shop.BINDING, shop.resolved(without=(shop.SERVICE.ref,)))
    status, reason, message = found["DependenciesActive"]
    assert (status, reason) == ("Unknown", "DependenciesNotResolved")
    assert "Service shop/pets does not exist" in message
    assert found["Active"] == ("Unknown", "DependenciesNotResolved", judgements.WAITS)


def test_a_reference_that_the_settings_refuse_is_false() -> None:
    abroad = shop.item(shop.PETS, "mesh: {ref: {name: main, namespace: zoo}}\nhosts: [pets]")
    same = resolve.Settings(crossings=resolve.Crossings(resolve.CrossNamespace.SAME))
    of = resolve.resolve(shop.resolved(abroad).inventory, settings=same)
    status, reason, message = said(shop.PETS, of)["DependenciesActive"]
    assert (status, reason) == ("False", "DependenciesNotResolved")
    assert "so this reference is refused" in message


@pytest.mark.parametrize("ref", [*SEVEN, *TWO], ids=str)
def test_what_is_wrong_with_an_object_is_said_in_the_words_of_the_problem(ref: Ref) -> None:
    faults = [problems.error(ref, f"spec.x[{index}]", "is broken", "mend it") for index in range(7)]
    found = said(ref, shop.resolved(), *faults)
    told = found["Configured" if ref in SEVEN else "Active"]
    listed = "; ".join(f"spec.x[{index}]: is broken; mend it" for index in range(5))
    assert told == ("False", "InvalidParameter", f"{listed}; and 2 more")
    if ref in SEVEN:
        assert found["Active"] == KEPT


def test_a_warning_changes_nothing() -> None:
    assert (
        said(shop.PETS, shop.resolved(), problems.warning(shop.PETS, "", "is odd", "look"))["Configured"] == CONFIGURED
    )


def test_an_object_without_a_spec_is_not_configured() -> None:
    of = shop.resolved(shop.item(shop.MESH).model_copy(update={"spec": None}))
    status, reason, message = said(shop.MESH, of)["Configured"]
    assert (status, reason) == ("False", "InvalidParameter")
    assert "spec" in message


GUARDED = {
    shop.MESH: {shop.PETS, shop.POLICY, shop.DOOR},
    shop.PETS: {shop.PETS_V1, shop.TABLE, shop.POLICY, shop.DOOR_TABLE},
    shop.PETS_V1: {shop.TABLE, shop.BINDING},
    shop.DOOR: {shop.DOOR_TABLE, shop.DOOR_PODS, shop.POLICY},
}


@pytest.mark.parametrize("ref", GUARDED, ids=str)
def test_what_is_being_deleted_waits_for_who_refers_to_it(ref: Ref) -> None:
    found = said(ref, shop.resolved(shop.item(ref, **ENDING)))
    status, reason, message = found["DependenciesActive"]
    assert (status, reason) == ("Unknown", "DependenciesNotResolved")
    assert message.startswith("is still referred to by ")
    assert all(str(one) in message for one in GUARDED[ref])
    assert found["Active"] == ("Unknown", "LifecycleStateChanged", "it is being deleted, and served until it is gone")


def test_who_is_being_deleted_too_is_not_waited_for() -> None:
    everything = [shop.item(ref, **ENDING) for ref in shop.OBJECTS]
    told = shop.drafted(shop.resolved(*everything))
    assert told.held == {}
    assert told.free == set(shop.OBJECTS)


@pytest.mark.parametrize("ref", [shop.TABLE, shop.POLICY, shop.DOOR_TABLE, shop.BINDING, shop.DOOR_PODS], ids=str)
def test_what_nothing_refers_to_need_not_wait(ref: Ref) -> None:
    of = shop.resolved(shop.item(ref, **ENDING))
    told = shop.drafted(of)
    assert (told.held, told.free) == ({}, {ref})
    expected = ("True", "Successful", "nothing refers to it any more")
    assert said(ref, of)["DependenciesActive"] == expected


# ---------------------------------------------------------------------------- proxies


def active(since: int, *of: progress.Proxies, before: dict[str, object] | None = None) -> tuple[str, str, str]:
    proxies = {shop.PETS_V1: progress.together(of)}
    return shop.said(shop.status(shop.PETS, shop.resolved(), proxies, before, since=since))["Active"]


def test_proxies_that_have_yet_to_accept_are_counted() -> None:
    ready = [progress.proxy(5)] * 2
    waiting = ("Unknown", "LifecycleStateChanged", "2 of 3 proxies have accepted it")
    assert active(5, *ready, progress.proxy(4)) == waiting
    assert active(5, *ready, progress.proxy(progress.NEVER)) == waiting
    assert active(5, *ready, progress.proxy(7)) == ("True", "Successful", "3 of 3 proxies have accepted it")
    assert active(5, progress.proxy(6)) == ("True", "Successful", "1 of 1 proxies have accepted it")


def test_a_proxy_that_rejects_is_quoted_and_nothing_is_true_any_more() -> None:
    words = progress.rejection("sidecar/shop/pets-v1", "Error adding listener: \x1b[31mno\nsecond line")
    before = shop.status(shop.PETS, shop.resolved())
    told = active(0, progress.proxy(0), progress.proxy(9, words), before=before)
    expected = r"1 of 2 proxies reject what they were sent; sidecar/shop/pets-v1: Error adding listener: \x1b[31mno"
    assert told == ("False", "LifecycleStateChanged", expected)


def test_the_words_of_a_proxy_are_bounded() -> None:
    assert len(progress.rejection("n" * 50, "x" * 100_000)) == progress.LONGEST_WORDS
    assert progress.rejection("a", " \n\n") == "a: it gave no reason"


def test_what_was_accepted_stays_so_until_it_is_written_anew() -> None:
    before = shop.status(shop.PETS, shop.resolved(), {shop.PETS_V1: progress.proxy(3)}, since=3)
    accepted = ("True", "Successful", "1 of 1 proxies have accepted it")
    assert shop.said(before)["Active"] == accepted
    assert active(3, *[progress.proxy(0)] * 9, before=before) == accepted
    assert active(3, before=before) == accepted
    anew = shop.resolved(shop.item(shop.PETS, generation=2))
    later = shop.status(shop.PETS, anew, {shop.PETS_V1: progress.proxy(3)}, before, since=4)
    assert shop.said(later)["Active"] == ("Unknown", "LifecycleStateChanged", "0 of 1 proxies have accepted it")


def test_the_first_proxies_are_news_once_all_have_accepted() -> None:
    before = shop.status(shop.PETS, shop.resolved())
    assert shop.said(before)["Active"] == UNSEEN
    assert active(3, progress.proxy(2), before=before) == UNSEEN
    assert active(3, progress.proxy(3), before=before) == ("True", "Successful", "1 of 1 proxies have accepted it")


# ---------------------------------------------------------------------------- what is kept of before


def test_a_status_written_anew_is_the_same() -> None:
    for ref in (*SEVEN, *TWO):
        before = {**shop.status(ref, shop.resolved()), "opcRetryToken": "x"}
        dated = shop.status(ref, shop.resolved(), before=before)
        assert dated == documents.owned(before)


def test_the_time_of_a_condition_changes_with_its_status_alone() -> None:
    first = shop.status(shop.PETS, shop.resolved())
    old = {**first, "conditions": [{**one, "lastTransitionTime": shop.EARLIER} for one in first["conditions"]]}
    again = shop.status(shop.PETS, shop.resolved(without=(shop.MESH,)), before=old)
    assert [one["lastTransitionTime"] for one in again["conditions"]] == [shop.NOW] * 3
    anew = shop.status(shop.PETS, shop.resolved(shop.item(shop.PETS, generation=2)), before=old)
    assert [one["lastTransitionTime"] for one in anew["conditions"]] == [shop.EARLIER] * 3
    assert [one["observedGeneration"] for one in anew["conditions"]] == [2, 2, 2]


def test_an_open_question_keeps_the_generation_of_the_last_answer() -> None:
    first = shop.status(shop.PETS, shop.resolved())
    anew = shop.item(shop.PETS, generation=2)
    later = shop.status(shop.PETS, shop.resolved(anew), {shop.PETS_V1: progress.proxy(0)}, first, since=1)
    assert [(one["status"], one["observedGeneration"]) for one in later["conditions"]] == [
        ("True", 2),
        ("True", 2),
        ("Unknown", 1),
    ]


def test_the_time_of_the_last_change_is_that_of_the_last_one_accepted() -> None:
    first = {**shop.status(shop.PETS, shop.resolved()), "lastUpdatedTime": shop.EARLIER}
    assert shop.status(shop.PETS, shop.resolved(), before=first)["lastUpdatedTime"] == shop.EARLIER
    anew = shop.item(shop.PETS, generation=2)
    assert shop.status(shop.PETS, shop.resolved(anew), before=first)["lastUpdatedTime"] == shop.NOW
    broken = problems.error(shop.PETS, "", "is broken", "mend it")
    refused = shop.status(shop.PETS, shop.resolved(anew), before=first, problems=(broken,))
    assert refused["lastUpdatedTime"] == shop.EARLIER
    assert "lastUpdatedTime" not in shop.status(shop.BINDING, shop.resolved())


@pytest.mark.parametrize(
    "strange",
    [
        {"conditions": "none"},
        {"conditions": [1, None, {"type": 3, "observedGeneration": "x"}]},
        {"conditions": [{"type": "ServiceMeshActive", "status": True, "message": {}, "lastTransitionTime": 4}]},
        {"lastUpdatedTime": 12},
    ],
)
def test_whatever_stood_there_before_is_replaced(strange: dict[str, object]) -> None:
    assert shop.status(shop.PETS, shop.resolved(), before=strange) == shop.status(shop.PETS, shop.resolved())


def test_news_are_other_statuses_and_other_faults_but_not_waiting() -> None:
    good = shop.status(shop.PETS, shop.resolved())
    assert [name for name, _ in documents.news({}, good)] == ["ServiceMeshActive"]
    assert list(documents.news(good, good)) == []
    bad = shop.status(shop.PETS, shop.resolved(without=(shop.MESH,)), before=good)
    assert [name for name, _ in documents.news(good, bad)] == ["ServiceMeshDependenciesActive", "ServiceMeshConfigured"]
    mended = shop.status(shop.PETS, shop.resolved(), before=bad)
    assert [name for name, _ in documents.news(bad, mended)] == [one["type"] for one in good["conditions"]]
    late = {**bad, "conditions": [{**one, "lastTransitionTime": shop.EARLIER} for one in bad["conditions"]]}
    assert list(documents.news(bad, late)) == []


def test_what_is_waited_for_is_open() -> None:
    told = shop.drafted(shop.resolved())
    draft = told.get(shop.PETS)
    assert draft is not None
    for through, is_open in ((0, True), (1, False)):
        moment = documents.Moment(progress.proxy(through), 1, shop.NOW)
        assert documents.is_open(draft, moment, documents.document(draft, moment, {})) is is_open


def test_kinds_are_told_of_in_full() -> None:
    assert {ref.kind for ref in shop.OBJECTS} == set(resources.KINDS)
