"""Who may take a lease, and what is written into it: no clock but one's own is believed."""

import datetime

import pytest

from meshloom.cluster import election

TERMS = election.Terms(duration=15, lead=10, retry=2)
WALL = datetime.datetime(2026, 1, 31, 12, 0, 0, 250_000, datetime.UTC)


def lease(version: str = "1", **spec: object) -> dict[str, object]:
    return {
        "metadata": {"resourceVersion": version},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, **spec},
    }


def free(of: election.Seen, me: str, now: float) -> bool:
    return election.is_free(of, me, now, TERMS)


def test_a_lease_is_taken_when_nothing_has_changed_in_it_for_as_long_as_it_promises() -> None:
    first = election.seen(None, lease(), 100)
    again = election.seen(first, lease(), 110)
    assert again.at == 100
    assert [free(again, "b", now) for now in (100, 114.9, 115)] == [False, False, True]


def test_a_renewed_lease_lasts_from_the_moment_at_which_that_was_seen() -> None:
    first = election.seen(None, lease(), 100)
    renewed = election.seen(first, lease("2", renewTime="x"), 114)
    assert [free(renewed, "b", now) for now in (115, 128.9, 129)] == [False, False, True]


@pytest.mark.parametrize("written", ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z", "nonsense", None])
def test_times_that_others_wrote_count_for_nothing(written: str | None) -> None:
    seen = election.seen(None, lease(renewTime=written, acquireTime=written), 0)
    assert [free(seen, "b", now) for now in (14.9, 15)] == [False, True]


def test_nobodys_lease_is_free_and_ones_own_too() -> None:
    for holder in ("", None):
        assert free(election.seen(None, lease(holderIdentity=holder), 0), "b", 0)
    assert free(election.seen(None, lease(), 0), "a", 0)


@pytest.mark.parametrize(("said", "lasts"), [(60, 60), (1, 15), (0, 15), (-5, 15), (10**9, 15), ("x", 15), (None, 15)])
def test_a_promise_is_kept_if_anybody_would_make_it(said: object, lasts: float) -> None:
    seen = election.seen(None, lease(leaseDurationSeconds=said), 0)
    assert [free(seen, "b", now) for now in (lasts - 0.1, lasts)] == [False, True]


@pytest.mark.parametrize("broken", [{}, {"metadata": None, "spec": None}, {"metadata": 3, "spec": []}])
def test_what_is_no_lease_is_free(broken: dict[str, object]) -> None:
    assert free(election.seen(None, broken, 0), "b", 0)


def test_the_first_claim_has_no_transitions_and_the_next_holder_counts_one() -> None:
    first = election.claim(None, "a", WALL, TERMS)
    assert first == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-31T12:00:00.250000Z",
        "renewTime": "2026-01-31T12:00:00.250000Z",
        "leaseTransitions": 0,
    }
    held = election.seen(None, {"spec": first}, 0)
    later = WALL + datetime.timedelta(seconds=2)
    renewed = election.claim(held, "a", later, TERMS)
    assert renewed == {**first, "renewTime": "2026-01-31T12:00:02.250000Z"}
    taken = election.claim(held, "b", later, TERMS)
    assert (taken["acquireTime"], taken["leaseTransitions"]) == ("2026-01-31T12:00:02.250000Z", 1)


def test_a_released_lease_is_nobodys() -> None:
    held = election.seen(None, {"spec": election.claim(None, "a", WALL, TERMS)}, 0)
    assert free(election.seen(None, {"spec": election.release(held, WALL)}, 0), "b", 0)


def test_a_leader_stops_before_others_may_begin() -> None:
    assert TERMS.lead < TERMS.duration
    assert election.Terms().lead + election.Terms().retry < election.Terms().duration
