"""A source of events, drained into a store; `until` waits for it to look as expected."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from watchers import events, feed, store

PATIENCE = 60.0
"""Seconds after which an awaited event is taken not to come; never waited for in a passing test."""

S = TypeVar("S", bound=feed.Source)


class Drained(Generic[S]):
    """What a source has told."""

    def __init__(self, source: S) -> None:
        self.source, self.store, self.told = source, store.Store(), list[events.Event]()
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        async with contextlib.aclosing(self.source.events()) as stream:
            async for event in stream:
                async with self._news:
                    self.told.append(event)
                    self.store.apply(event)
                    self._news.notify_all()

    async def until(self, expected: Callable[[], object]) -> None:
        """Wait until this is so; what it looks at may also change without an event."""
        async with asyncio.timeout(PATIENCE):
            while not expected():
                if self._task.done():
                    await self._task
                async with self._news:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.05):  # wait_for may swallow the end of patience before Python 3.12
                            await self._news.wait()

    async def until_synced(self) -> None:
        """Wait until everything has been listed."""
        await self.until(lambda: self.is_synced)

    @property
    def is_synced(self) -> bool:
        return self.store.synced([self.source.name])

    def problems(self) -> list[str]:
        return [str(problem) for problem in self.store.problems()]

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
