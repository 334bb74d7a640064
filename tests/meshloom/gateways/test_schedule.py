"""When a gateway is seen to."""

from meshloom.gateways.schedule import AT_ONCE, CALM, LONGEST, Schedule


def taken(turns: "Schedule[str]", now: float) -> str:
    due = turns.next()
    assert due is not None
    assert due[1] <= now
    turns.begin(due[0], now)
    return due[0]


def test_what_is_called_is_due_at_once_and_in_order() -> None:
    turns: Schedule[str] = Schedule()
    turns.call("b", 1.0)
    turns.call("a", 1.0)
    assert [taken(turns, 1.0), taken(turns, 1.0), turns.next()] == ["b", "a", None]


def test_what_is_called_again_and_again_has_to_wait_longer_and_longer_but_not_for_ever() -> None:
    turns: Schedule[str] = Schedule()
    now, pauses = 0.0, []
    for _ in range(AT_ONCE + 10):
        turns.call("a", now)
        due = turns.next()
        assert due is not None
        pauses.append(due[1] - now)
        now = due[1]
        turns.begin("a", now)
    assert pauses[: AT_ONCE + 3] == [0.0] * (AT_ONCE + 1) + [0.5, 1.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST


def test_what_was_left_in_peace_for_a_while_is_due_at_once_again() -> None:
    turns: Schedule[str] = Schedule()
    for _ in range(AT_ONCE + 5):
        turns.begin("a", 0.0)
    turns.call("a", CALM)
    assert turns.next() == ("a", CALM)


def test_what_failed_is_tried_again_after_a_while_that_grows_and_not_before_the_server_says() -> None:
    turns: Schedule[str] = Schedule()
    turns.begin("a", 0.0)
    turns.again("a", 0.0, 0.0, dice=0.5)
    assert turns.next() == ("a", 0.375)
    turns.begin("a", 1.0)
    turns.again("a", 1.0, 0.0, dice=0.5)
    assert turns.next() == ("a", 1.75)
    turns.again("a", 1.0, 60.0, dice=0.5)
    assert turns.next() == ("a", 61.0)


def test_what_is_called_while_it_waits_for_another_attempt_comes_earlier() -> None:
    turns: Schedule[str] = Schedule()
    turns.begin("a", 0.0)
    turns.again("a", 0.0, 20.0, dice=0.0)
    turns.call("a", 1.0)
    assert turns.next() == ("a", 1.0)


def test_what_is_dropped_is_forgotten() -> None:
    turns: Schedule[str] = Schedule()
    turns.call("a", 0.0)
    turns.drop("a")
    assert turns.next() is None
