"""When each maker of pods may lose the next one."""

import pytest

from mesh.problems import Ref
from meshloom.eviction import turns
from meshloom.eviction.needs import Need, Reason
from meshloom.eviction.views import Candidate

ONE, TWO = Ref("Deployment", "shop", "one"), Ref("Deployment", "shop", "two")


def candidate(name="a", created=0.0, reason=Reason.NO_PROXY):
    return Candidate(Ref("Pod", "shop", name), f"uid-{name}", created, Need(reason, "words", True))


@pytest.fixture
def of():
    made = turns.Turns()
    made.want({ONE: [candidate()], TWO: [candidate("b")]}, 100.0)
    return made


def test_everybody_has_a_turn_at_once(of):
    assert of.next() == (ONE, 100.0)
    of.evicted(ONE, [candidate()], "uid-a", 100.0)
    assert of.next() == (TWO, 100.0)


def test_the_next_pod_of_one_waits_until_it_is_known_what_became_of_the_last(of):
    of.evicted(ONE, [candidate()], "uid-a", 100.0)
    assert of.is_pending(ONE, [candidate(), candidate("c")])
    assert not of.is_pending(ONE, [candidate("c")])
    of.want({ONE: [candidate("c")]}, 101.0)
    assert of.next() == (ONE, 100.0 + turns.SETTLE)


def test_who_had_nothing_to_lose_for_a_while_is_remembered(of):
    of.evicted(ONE, [candidate()], "uid-a", 100.0)
    of.want({}, 100.5)
    assert of.next() is None
    of.want({ONE: [candidate("c")]}, 101.0)
    assert of.next() == (ONE, 100.0 + turns.SETTLE)


def test_one_that_waits_is_asked_ever_more_seldom(of):
    pauses, now = [], 100.0
    for _ in range(7):
        of.wait(ONE, now)
        of.want({ONE: [candidate()]}, now)
        pauses.append(of.next()[1] - now)
        now = of.next()[1]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_who_is_told_when_to_come_again_does_so(of):
    of.want({ONE: [candidate()]}, 100.0)
    of.wait(ONE, 100.0, at_least=10.0)
    assert of.next() == (ONE, 110.0)


def test_what_is_made_the_same_way_again_is_evicted_ever_more_seldom(of):
    now, created, pauses = 100.0, 0.0, []
    for number in range(9):
        given = [candidate(str(number), created)]
        until = of.vain_until(ONE, given)
        pauses.append(max(0.0, until - now))
        now = max(now, until)
        of.evicted(ONE, given, f"uid-{number}", now)
        created = now + 0.5
    assert pauses == [0.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]


def test_one_that_was_there_before_is_no_sign_that_it_was_in_vain(of):
    of.evicted(ONE, [candidate(), candidate("c", 50.0)], "uid-a", 100.0)
    assert of.vain_until(ONE, [candidate("c", 50.0)]) == 0.0
    assert of.vain_until(ONE, [candidate("c", 100.0)]) == 0.0, "made in the same second, before"
    assert of.vain_until(ONE, [candidate("c", 50.0), candidate("d", 100.0)]) == 160.0
    assert of.vain_until(ONE, [candidate("e", 49.0)]) == 0.0, "it was older, and needed none then"


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
def test_a_clock_that_is_not_that_of_the_api_server_hides_nothing(of, ahead):
    of.evicted(ONE, [candidate(created=90.0)], "uid-a", 100.0 + ahead)
    assert of.vain_until(ONE, [candidate("b", 101.0)]) == 160.0 + ahead


@pytest.mark.parametrize(
    ("created", "reason", "now", "is_settled"),
    [
        (99.0, Reason.IMAGE, 101.0, True),
        (90.0, Reason.IMAGE, 99.0, False),
        (90.0, Reason.NO_PROXY, 99.0, True),
        (101.0, Reason.IMAGE, 102.0, False),
        (101.0, Reason.IMAGE, 101.0 + turns.OVERLAP + 1, True),
        (101.0, Reason.NO_PROXY, 102.0, True),
        (101.0, Reason.MOVED, 102.0, True),
    ],
)
def test_what_another_version_of_the_control_plane_has_just_made_is_left_to_it(created, reason, now, is_settled):
    assert bool(turns.settled([candidate(created=created, reason=reason)], 100.0, now)) is is_settled
