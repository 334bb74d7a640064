"""The one loop: observation -> pass -> snapshots -> cache.

Law: one worker thread (`meshloom.worker`) owns the passes and all that is left of them; the event loop hands tasks in
and takes immutable snapshots out. No locks. The newest task wins; a pass that fails changes nothing.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from mesh import resolve
from mesh.problems import Ref
from meshloom import memory, passes, worker
from translator import proxies, traffic
from translator.traffic import Traffic
from watchers import feed
from xds import snapshot as snapshots

BATCH = 50
"""So many snapshots are published before the other tasks of the loop get their turn."""


class Cache(Protocol):
    """Where the proxies' streams take their snapshots from; its keys are proxies."""

    @property
    def wanted(self) -> frozenset[Hashable]:
        """The proxies that have streams now."""
        ...

    @property
    def held(self) -> frozenset[Hashable]:
        """The proxies that have a snapshot."""
        ...

    def replace(self, snapshots: Mapping[Hashable, snapshots.Snapshot], /) -> None:
        """Publish these snapshots and wake the streams that hold others."""
        ...

    def discard(self, keys: Iterable[Hashable], /) -> None:
        """Forget the snapshots of these proxies."""
        ...


class Observer(Protocol):
    """Who wants to know."""

    def settled(self, before: worker.Status, after: worker.Status) -> None:
        """A task is done."""
        ...

    def failed(self, error: Exception) -> None:
        """A pass raised, which is a fault of ours."""
        ...


class Pipeline:
    """Follows observations and the comings and goings of streams. All of it but the worker is on the event loop."""

    def __init__(
        self,
        observer: Observer,
        settings: resolve.Settings,
        authority: worker.Authority,
        held: Callable[[], worker.Held],
        kept: Traffic = traffic.DEFAULT,
        onlookers: tuple[worker.Onlooker, ...] = (),
    ) -> None:
        """`held` is asked on the event loop, and only while the authority waits for what proxies acknowledge."""
        self._observer = observer
        self._worker = worker.Worker(settings, authority, kept, onlookers)
        self._held = held
        self._is_watching = False
        self._alarm: asyncio.TimerHandle | None = None
        self._seen: feed.Observation | None = None
        self._changed: frozenset[Ref] = frozenset()
        self._ended = 0
        self._wanted: frozenset[proxies.Proxy] | None = None
        self._kept: frozenset[proxies.Proxy] = frozenset()
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        self.status = worker.Status()

    def wanted(self, _proxy: Hashable) -> None:
        """Say that a proxy has a stream now, which had none."""
        self._wanted = None
        self._news.set()

    def unwanted(self, _proxy: Hashable) -> None:
        """Say that a proxy has no stream any more."""
        self._wanted = None
        self._ended += 1
        self._news.set()

    @property
    def observing(self) -> bool:
        """Whether every source has been read."""
        return self._seen is not None

    async def settled(self) -> None:
        """Wait until the first observation has been dealt with."""
        await self._settled.wait()

    def renew(self) -> None:
        """Have the credentials looked at now, and not only when they said they are due."""
        self._news.set()

    async def run(self, observations: AsyncIterator[feed.Observation], cache: Cache) -> None:
        """Keep the cache up to date until cancelled; raises only what the observations raise."""
        both = (asyncio.create_task(self._follow(observations)), asyncio.create_task(self._work(cache)))
        try:
            ended, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._set_alarm(None)
            self._worker.close()

    def _set_alarm(self, due: float | None) -> None:
        """See to it that the credentials are looked at in so many seconds, whatever else happens until then."""
        loop = asyncio.get_running_loop()
        if self._alarm is not None and due is not None and self._alarm.when() <= loop.time() + due:
            return  # an alarm that is too early costs a look
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if due is None else loop.call_later(due, self._time_is_up)

    def _time_is_up(self) -> None:
        self._alarm = None
        self._news.set()

    async def _follow(self, observations: AsyncIterator[feed.Observation]) -> None:
        async for observation in observations:
            self._seen, self._changed = observation, self._changed | observation.changed
            self._news.set()

    async def _work(self, cache: Cache) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._seen is not None:
                await self._settle(self._seen, cache)

    async def _settle(self, seen: feed.Observation, cache: Cache) -> None:
        changed, self._changed = self._changed, frozenset()
        before = self.status
        wanted = self._wanted = _proxies(cache) if self._wanted is None else self._wanted
        task = passes.Task(seen.inventory, changed, wanted)
        try:
            held = self._held() if self._is_watching else None
            outcome = await self._worker.outcome(task, held, self._sweeps())
        except Exception as error:
            self.status = replace(before, fault=f"{type(error).__name__}: {error}")
            self._observer.failed(error)
        else:
            self._is_watching = outcome.is_watching
            self._set_alarm(outcome.due)
            await self._publish(outcome.published, task.wanted, cache)
            self.status = replace(outcome.status, problems=worker.joined(seen.problems, outcome.status.problems))
        self._observer.settled(before, self.status)
        self._settled.set()

    async def _publish(self, fresh: passes.Snapshots, kept: frozenset[proxies.Proxy], cache: Cache) -> None:
        """Hand snapshots over in batches, so that no callback of the loop takes long; forget those nobody wants.

        What the worker holds stays in the cache, for it would not be published again. As long as nobody comes or goes
        the proxies that are kept are one object, and there is nothing to forget.
        """
        if kept is not self._kept:
            cache.discard(cache.held - kept - cache.wanted)
            self._kept = kept
        for batch in _batches(fresh):
            cache.replace(batch)
            await asyncio.sleep(0)

    def _sweeps(self) -> bool:
        due = self._ended >= memory.ENDED_STREAMS
        self._ended = 0 if due else self._ended
        return due


def _proxies(cache: Cache) -> frozenset[proxies.Proxy]:
    return frozenset(key for key in cache.wanted if isinstance(key, proxies.Proxy))


def _batches(fresh: passes.Snapshots) -> Iterator[Mapping[Hashable, snapshots.Snapshot]]:
    left: Iterator[tuple[Hashable, snapshots.Snapshot]] = iter(fresh.items())
    for _ in range(0, len(fresh), BATCH):
        yield dict(itertools.islice(left, BATCH))
