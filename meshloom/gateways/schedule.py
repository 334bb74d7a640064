"""When each gateway is next seen to: at once, unless that was in vain or has been done again and again.

Law: pure; times are seconds of one clock. What is due is seen to in the order in which it became due.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

FIRST: Final = 0.5
LONGEST: Final = 30.0
"""Seconds between two attempts after the first fault, and after many; both are halved or not by chance."""
CALM: Final = 60.0
"""What has not been seen to for so long begins anew."""
AT_ONCE: Final = 8
"""So often in a row something is put right without a pause."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Turn:
    """How often something was seen to in a row, when it was last, and when it is next; None: not until it is called."""

    count: int = 0
    last: float = float("-inf")
    due: float | None = None


class Schedule(Generic[K]):
    """The turns of all. One owner."""

    def __init__(self) -> None:
        self._turns: dict[K, _Turn] = {}

    def call(self, key: K, now: float) -> None:
        """Say that something is to be seen to as soon as it may be."""
        turn = self._turns.get(key, _Turn())
        earliest = now if now - turn.last >= CALM else max(now, turn.last + _pause(turn.count - AT_ONCE))
        self._turns[key] = replace(turn, due=earliest if turn.due is None else min(turn.due, earliest))

    def next(self) -> tuple[K, float] | None:
        """Return what is due first, and when."""
        due = [(turn.due, place, key) for place, (key, turn) in enumerate(self._turns.items()) if turn.due is not None]
        if not due:
            return None
        when, _, key = min(due, key=lambda one: one[:2])
        return key, when

    def begin(self, key: K, now: float) -> None:
        """Note that something is being seen to."""
        turn = self._turns.get(key, _Turn())
        count = 1 if now - turn.last >= CALM else turn.count + 1
        self._turns[key] = _Turn(count, now)

    def again(self, key: K, now: float, wait: float, dice: float) -> None:
        """Note that it was in vain: it is tried again after a while, and not before `wait`; `dice` is in [0, 1)."""
        turn = self._turns.get(key, _Turn())
        pause = max(wait, _pause(turn.count) * (0.5 + dice / 2))
        self._turns[key] = replace(turn, due=now + pause)

    def drop(self, key: K) -> None:
        """Forget something."""
        self._turns.pop(key, None)


def _pause(count: int) -> float:
    """Return how long to wait after so many times."""
    return min(LONGEST, FIRST * 2.0 ** min(count - 1, 16)) if count > 0 else 0.0
