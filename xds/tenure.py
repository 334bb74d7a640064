"""How long one stream is served: as long as its session runs, and never longer than its proof holds.

Law: a stream ends somewhat before its proof, each at its own moment, so that not all peers return at once; it ends then
only if it was answered (rule C14), and with its proof in any case. A proof withdrawn ends it at once, whether or not
the peer reads what it is sent.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from xds import cache, effects, ports, session

SPREAD: Final = 300.0
"""Seconds before the end of a proof over which the ends of streams are spread; at most a tenth of what is left."""
_LOOK: Final = 600.0
"""Seconds between looks at the clock, which may be set while a proof is waited for."""

_OVER: Final = ports.Refusal(
    "UNAUTHENTICATED", "the proof of identity has expired; bring a new token or certificate", "expired"
)


def leaving(until: float, now: float, chance: float) -> float:
    """Return when a stream ends whose proof holds until then; `chance` is a number from 0 to 1."""
    return until - (1 + chance) / 2 * min(SPREAD, max(0.0, until - now) / 10)


class Tenure:
    """`until` and `now` are in seconds of the server's clock, `farewell` is how long a write may last that is under way
    when the proof is withdrawn, `chance` is a number from 0 to 1.
    """

    def __init__(
        self, running: session.Session, until: float | None, now: Callable[[], float], farewell: float, chance: float
    ) -> None:
        self._session, self._until, self._now, self._farewell = running, until, now, farewell
        self._leaving = None if until is None else leaving(until, now(), chance)
        self._loop = asyncio.get_running_loop()
        self._limit: asyncio.Timeout | None = None
        self._withdrawn: ports.Refusal | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def withdraw(self, why: ports.Refusal) -> None:
        """End the stream: its proof does not hold any more."""
        if self._withdrawn is None:
            self._withdrawn = why
            self._session.stop()
            self._hurry()

    async def run(self, watch: cache.Watch) -> ports.Refusal | None:
        """Serve the stream to its end; return why it was refused, None if it was not."""
        refused: effects.Refuse | None = None
        try:
            async with asyncio.timeout(None) as self._limit:
                self._hurry()
                self._look()
                refused = await self._session.run(watch)
        except TimeoutError:
            if self._withdrawn is None:
                raise
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
        if self._withdrawn is None and refused is not None:
            return ports.Refusal(refused.code, refused.message)
        return self._withdrawn

    def _hurry(self) -> None:
        if self._withdrawn is not None and self._limit is not None:
            self._limit.reschedule(self._loop.time() + self._farewell)

    def _look(self) -> None:
        """Do what is due, and come back when the next is."""
        if self._until is None or self._leaving is None:
            return
        now = self._now()
        if now >= self._until:
            self.withdraw(_OVER)
            return
        if now >= self._leaving:
            self._session.leave()
        due = (self._leaving if now < self._leaving else self._until) - now
        self._alarm = self._loop.call_later(min(due, _LOOK), self._look)
