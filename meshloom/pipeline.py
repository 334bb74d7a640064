"""The one loop: observation -> pass -> snapshots -> cache.

Law: one worker thread owns the passes and all that is left of them; the event loop hands tasks in and takes immutable
snapshots out. No locks. The newest task wins; a pass that fails changes nothing, and the next one starts from scratch.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field, replace
from typing import Protocol

from mesh import inventory, resolve
from mesh.problems import Problem, Ref
from meshloom import passes
from translator import proxies
from watchers import feed
from xds import snapshot as snapshots

BATCH = 50
"""So many snapshots are published before the other tasks of the loop get their turn."""


class Cache(Protocol):
    """Where the proxies' streams take their snapshots from."""

    def replace(self, published: Mapping[proxies.Proxy, snapshots.Snapshot]) -> None:
        """Publish these snapshots and wake the streams that hold others."""
        ...


@dataclass(frozen=True, slots=True)
class Status:
    """Where the pipeline stands. `fault` says why the newest observation is not served, empty if it is."""

    services: int = 0
    proxies: int = 0
    problems: tuple[Problem, ...] = ()
    fault: str = ""


class Observer(Protocol):
    """Who wants to know."""

    def settled(self, before: Status, after: Status) -> None:
        """A task is done."""
        ...

    def failed(self, error: Exception) -> None:
        """A pass raised, which is a fault of ours."""
        ...


class Pipeline:
    """Follows observations and the wishes of the cache. Everything but `_Worker` belongs to the event loop."""

    def __init__(self, cache: Cache, observer: Observer, settings: resolve.Settings | None = None) -> None:
        self._cache, self._observer = cache, observer
        self._worker = _Worker(settings or resolve.Settings())
        self._seen: feed.Observation | None = None
        self._changed: frozenset[Ref] = frozenset()
        self._wanted: frozenset[proxies.Proxy] = frozenset()
        self._news = asyncio.Event()
        self.status = Status()
        self.settled = asyncio.Event()
        """Set once the first observation has been dealt with."""

    def want(self, wanted: frozenset[proxies.Proxy]) -> None:
        """Say for which proxies there are streams; all others' configurations are forgotten."""
        self._wanted = wanted
        self._news.set()

    async def run(self, observations: AsyncIterator[feed.Observation]) -> None:
        """Follow the observations until cancelled; ends with an exception only if they do."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._observe(observations))
                tasks.create_task(self._work())
        finally:
            self._worker.close()

    async def _observe(self, observations: AsyncIterator[feed.Observation]) -> None:
        async for observation in observations:
            self._seen, self._changed = observation, self._changed | observation.changed
            self._news.set()

    async def _work(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._seen is not None:
                await self._settle(self._seen, self._task(self._seen.inventory))

    def _task(self, seen: inventory.Inventory) -> passes.Task:
        changed, self._changed = self._changed, frozenset()
        return passes.Task(seen, changed, self._wanted)

    async def _settle(self, seen: feed.Observation, task: passes.Task) -> None:
        before = self.status
        try:
            outcome = await self._worker.outcome(task)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the service
            self.status = replace(before, fault=f"{type(error).__name__}: {error}")
            self._observer.failed(error)
        else:
            await self._publish(outcome.published)
            self.status = replace(outcome.status, problems=(*seen.problems, *outcome.status.problems))
        self._observer.settled(before, self.status)
        self.settled.set()

    async def _publish(self, published: passes.Snapshots) -> None:
        keys = tuple(published)
        for start in range(0, len(keys), BATCH):
            self._cache.replace({key: published[key] for key in keys[start : start + BATCH]})
            await asyncio.sleep(0)


# ---------------------------------------------------------------------------- in the worker thread


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the event loop is told of a pass."""

    published: passes.Snapshots
    status: Status


@dataclass(slots=True)
class _Worker:
    """The worker thread and what the last pass left; nobody else holds a pass, so none is taken apart on the loop."""

    settings: resolve.Settings
    last: passes.Pass | None = None
    held: passes.Snapshots = passes.NOTHING
    thread: futures.Executor = field(default_factory=lambda: futures.ThreadPoolExecutor(1, "passes"))

    async def outcome(self, task: passes.Task) -> _Outcome:
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._run, task)

    def _run(self, task: passes.Task) -> _Outcome:
        last, self.last = self.last, None  # a pass that raises leaves nothing half done
        self.last = passes.passed(task, last, self.held, self.settings)
        del last
        published = passes.changes(self.held, self.last.snapshots)
        self.held = self.last.snapshots
        gc.freeze()
        found = (*self.last.resolution.problems, *self.last.problems)
        return _Outcome(published, Status(len(self.last.resolution.graph.services), len(self.held), found))

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)
