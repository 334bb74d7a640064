"""What is to be written to the API server: at a bounded rate, a few at a time, again where that helps.

Law: of what is to be written under one key the newest counts. Nothing that the API server answers is raised.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from watchers import api_server

_CHANCE = random.SystemRandom()
"""So that not all come at once."""

FINAL: Final = frozenset({400, 404, 410, 413, 422})
"""Answers that will be the same again."""
_GONE: Final = 404
_CONFLICT: Final = 409
"""Somebody else was faster, which is nothing to speak of."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

_log = structlog.get_logger()

Write = Callable[[], Awaitable[None]]
"""Writes something. Raises ApiError."""


class Observer(Protocol):
    """Who counts."""

    def wrote(self, what: str, outcome: str) -> None:
        """Note a write that ended: `done`, `failed` (and comes again) or `refused`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """So many writes a second, after `burst` at once, `together` at a time; what comes while `most` are due is lost."""

    rate: float = 50.0
    burst: int = 100
    together: int = 8
    most: int = 1_000_000


@dataclass(frozen=True, slots=True)
class _Due:
    write: Write
    failures: int = 0


class Writes:
    """Writes of one sort. On one event loop."""

    def __init__(self, what: str, pace: Pace, observer: Observer) -> None:
        """`what` is said in the log, and counted by: it is one of few."""
        self._what, self._pace, self._observer = what, pace, observer
        self._due: dict[Hashable, _Due] = {}
        self._resting: dict[Hashable, _Due] = {}
        self._news = asyncio.Event()
        self._tokens, self._filled = float(pace.burst), 0.0
        self._said = ""

    def put(self, key: Hashable, write: Write) -> None:
        """Have something written, in the place of what is due under this key, which says in the log what it is."""
        self._resting.pop(key, None)
        if key in self._due or len(self._due) < self._pace.most:
            self._due[key] = _Due(write)
            self._news.set()

    @property
    def count(self) -> int:
        """How many are due, or rest before they come again."""
        return len(self._due) + len(self._resting)

    async def run(self) -> None:
        """Write what is due until cancelled; what is due then is forgotten."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._pace.together)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._due.clear()
            self._resting.clear()

    async def _work(self) -> None:
        while True:
            await self._news.wait()
            if not self._due:
                self._news.clear()
                continue
            key = next(iter(self._due))
            due = self._due.pop(key)
            await self._turn()
            await self._write(key, self._due.pop(key, due))

    async def _turn(self) -> None:
        """Wait until one more write is within the rate."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._tokens = min(self._pace.burst, self._tokens + (now - self._filled) * self._pace.rate)
        self._filled = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._pace.rate)

    async def _write(self, key: Hashable, due: _Due) -> None:
        try:
            await due.write()
        except api_server.ApiError as fault:
            self._failed(key, due, fault)
        else:
            self._observer.wrote(self._what, "done")
            self._said = ""

    def _failed(self, key: Hashable, due: _Due, fault: api_server.ApiError) -> None:
        if fault.status in FINAL:
            self._observer.wrote(self._what, "refused")
            if fault.status != _GONE:
                _log.error(f"the {self._what} of {key} is refused by the API server: {fault.message}")
            return
        self._observer.wrote(self._what, "failed")
        if fault.status != _CONFLICT and fault.message != self._said:
            self._said = fault.message
            _log.warning(f"the {self._what} of {key} cannot be written, and is tried again: {fault.message}")
        if key not in self._due:
            self._rest(key, _Due(due.write, due.failures + 1), fault.retry_after)

    def _rest(self, key: Hashable, due: _Due, at_least: float) -> None:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(due.failures, 10))
        seconds = max(at_least, pause * (0.5 + _CHANCE.random() / 2))
        self._resting[key] = due
        asyncio.get_running_loop().call_later(seconds, self._again, key, due)

    def _again(self, key: Hashable, due: _Due) -> None:
        if self._resting.get(key) is due:
            del self._resting[key]
            self._due[key] = due
            self._news.set()
