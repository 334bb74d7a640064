"""When each maker of pods may lose the next one: one at a time, and slower where it was in vain.

Law: pure; times are seconds of one clock. That of the API server, which says when pods were created, may be another, so
whether one was made since is told by the others. Who has lost a pod is remembered, so that one that is made again and
again the same way is not evicted again and again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mesh.problems import Ref
from meshloom.eviction.needs import Reason
from meshloom.eviction.views import Candidate

SETTLE: Final = 3.0
"""After an eviction it takes so long, at least, until it is known what became of it."""
FIRST, LONGEST = 2.0, 60.0
"""Between two looks at one that waits: after the first, and after many."""
REST: Final = 300.0
"""Until the next look at one of which evictions would change nothing."""
VAIN, LONGEST_VAIN = 60.0, 3600.0
"""Until the next eviction where what was made in the place of the last pod needs to be made anew again."""
OVERLAP: Final = 600.0
"""For so long two versions of the control plane may run beside each other, whose proxies have different images."""


@dataclass(frozen=True, slots=True)
class _Turn:
    due: float
    waits: int = 0


@dataclass(frozen=True, slots=True)
class _Past:
    """The last eviction: when, of which pod, who needed one then, when the newest of those was created, and how many
    before it were in vain.
    """

    at: float
    uid: str
    known: frozenset[str]
    newest: float
    vain: int = 0


class Turns:
    """The turns of all. One owner."""

    def __init__(self) -> None:
        self._turns: dict[Ref, _Turn] = {}
        self._past: dict[Ref, _Past] = {}

    def want(self, due: Mapping[Ref, Sequence[Candidate]], now: float) -> None:
        """Take note of who has pods to lose now."""
        self._past = {key: one for key, one in self._past.items() if now - one.at < 2 * LONGEST_VAIN}
        self._turns = {key: self._turns.get(key) or _Turn(self._earliest(key, now)) for key in due}

    def _earliest(self, key: Ref, now: float) -> float:
        past = self._past.get(key)
        return now if past is None else max(now, past.at + SETTLE)

    def next(self) -> tuple[Ref, float] | None:
        """Return whose turn is first, and when."""
        if not self._turns:
            return None
        key = min(self._turns, key=lambda key: (self._turns[key].due, key))
        return key, self._turns[key].due

    def is_pending(self, key: Ref, candidates: Collection[Candidate]) -> bool:
        """Return whether the pod that was evicted last has not begun to end yet."""
        past = self._past.get(key)
        return past is not None and any(one.uid == past.uid for one in candidates)

    def vain_until(self, key: Ref, candidates: Collection[Candidate]) -> float:
        """Return before when none of these may be evicted: the last eviction was in vain if one was made since."""
        past = self._past.get(key)
        if past is None or not any(one.created >= past.newest and one.uid not in past.known for one in candidates):
            return 0.0
        return past.at + min(LONGEST_VAIN, VAIN * 2.0 ** min(past.vain, 8))

    def evicted(self, key: Ref, candidates: Collection[Candidate], uid: str, now: float) -> None:
        """Note an eviction of one of these."""
        vain = self._past[key].vain + 1 if self.vain_until(key, candidates) else 0
        newest = max((one.created for one in candidates), default=now)
        self._past[key] = _Past(now, uid, frozenset(one.uid for one in candidates), newest, vain)
        self._turns[key] = _Turn(now + SETTLE)

    def wait(self, key: Ref, now: float, at_least: float = 0.0) -> None:
        """Note that it cannot be now."""
        turn = self._turns.get(key, _Turn(now))
        pause = max(at_least, min(LONGEST, FIRST * 2.0 ** min(turn.waits, 8)))
        self._turns[key] = replace(turn, due=now + pause, waits=turn.waits + 1)

    def put_off(self, key: Ref, until: float) -> None:
        """Note when it can be."""
        self._turns[key] = _Turn(until)


def settled(candidates: Sequence[Candidate], since: float, now: float) -> tuple[Candidate, ...]:
    """Return those that another version of the control plane has not just made with its own image.

    `since` is when the image is the wanted one everywhere: before, a new pod might get the old one again.
    """

    def is_settled(created: float) -> bool:
        return now >= since and (created < since or now - created > OVERLAP)

    return tuple(one for one in candidates if one.need.reason is not Reason.IMAGE or is_settled(one.created))
