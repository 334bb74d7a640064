"""All sources made one: a stream of inventories that have come to rest.

Law: nothing is told before every source is synced; a source that fails or ends is raised, never waited for.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mesh.inventory import Inventory
from mesh.problems import Problem, Ref
from watchers import store as stores
from watchers.events import Event

_log = logging.getLogger(__name__)

_BREATH = 128
"""After so many events without a pause the other tasks of the loop get their turn."""


class Source(Protocol):
    """Where objects come from: a complete list, `Synced` under its own name, then every change, for ever."""

    @property
    def name(self) -> str:
        """A name that no other source has."""
        ...

    def events(self) -> AsyncIterator[Event]:
        """Yield events without end; raise only what a restart of the program is the remedy for."""
        ...


class SourceFailedError(Exception):
    """A source raised, or ended, which it never should: the mesh would silently stop following its objects."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything seen at one moment, and at which addresses it differs from the observation before."""

    inventory: Inventory
    problems: tuple[Problem, ...]
    changed: frozenset[Ref]


async def observations(sources: Sequence[Source], settle: float, at_most: float) -> AsyncGenerator[Observation, None]:
    """Yield what the sources tell: `settle` seconds after the last change, at most `at_most` seconds after the first.

    The first observation comes when every source is synced, even if nothing is there. Raises SourceFailedError when
    a source raises or ends; close the generator (`contextlib.aclosing`) to let go of the sources.
    """
    names = frozenset(source.name for source in sources)
    news = _News(asyncio.get_running_loop())
    pumps = [asyncio.create_task(_pumped(source, news), name=f"source {source.name}") for source in sources]
    try:
        seen: Observation | None = None
        said: frozenset[Problem] = frozenset()
        while True:
            await _rest(news, settle, at_most)
            if not news.store.synced(names):
                said = _told_why(news.store, said)
            elif fresh := _observation(news.store, seen):
                yield (seen := fresh)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


@dataclass(slots=True)
class _News:
    """What has come in since the last rest; all of it belongs to the event loop."""

    loop: asyncio.AbstractEventLoop
    store: stores.Store = field(default_factory=stores.Store)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    first: float = 0.0
    last: float = 0.0
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    failure: SourceFailedError | None = None

    def apply(self, event: Event) -> None:
        if self.store.apply(event):
            self.last = self.loop.time()
            self.first = self.first if self.waiting.is_set() else self.last
            self.waiting.set()

    def fail(self, failure: SourceFailedError) -> None:
        self.failure = self.failure or failure
        self.failed.set()
        self.waiting.set()


async def _pumped(source: Source, news: _News) -> None:
    try:
        async with contextlib.AsyncExitStack() as stack:
            events = source.events()
            if isinstance(events, AsyncGenerator):
                await stack.enter_async_context(contextlib.aclosing(events))
            await _drained(events, news)
        news.fail(SourceFailedError(f"source {source.name} ended; it should go on for ever"))
    except Exception as error:  # whatever it is, whoever reads the feed gets it
        failure = SourceFailedError(f"source {source.name} failed: {error}")
        failure.__cause__ = error
        news.fail(failure)


async def _drained(events: AsyncIterator[Event], news: _News) -> None:
    count = 0
    async for event in events:
        news.apply(event)
        count += 1
        if count % _BREATH == 0:
            await asyncio.sleep(0)


async def _rest(news: _News, settle: float, at_most: float) -> None:
    """Return when something has changed and then nothing more; raise as soon as a source has failed."""
    await news.waiting.wait()
    while (left := _left(news, settle, at_most)) > 0 and not news.failed.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.failed.wait(), left)
    if news.failure:
        raise news.failure
    news.waiting.clear()


def _told_why(store: stores.Store, before: frozenset[Problem]) -> frozenset[Problem]:
    """Log what may keep a source from being synced, once; there is no observation yet that could carry it."""
    now = frozenset(store.problems())
    for problem in sorted(now - before):
        _log.warning("waiting for the first complete list: %s", problem)
    return now


def _left(news: _News, settle: float, at_most: float) -> float:
    return min(news.last + settle, news.first + at_most) - news.loop.time()


def _observation(store: stores.Store, seen: Observation | None) -> Observation | None:
    """Return what is seen now, or None if that is what was seen before."""
    before = seen.inventory if seen else Inventory()
    inventory, problems = store.inventory(), store.problems()
    if seen and inventory is seen.inventory and problems == seen.problems:
        return None
    return Observation(inventory, problems, stores.differences(before, inventory))
