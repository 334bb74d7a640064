"""The one loop: observation -> pass -> snapshots -> cache.

Law: one worker thread owns the passes and all that is left of them; the event loop hands tasks in and takes immutable
snapshots out. No locks. The newest task wins; a pass that fails changes nothing, and the next one starts from scratch.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping
from concurrent import futures
from dataclasses import dataclass, field, replace
from typing import Protocol

from mesh import graph, identity, inventory, resolve
from mesh.problems import Problem, Ref
from meshloom import edge_secrets, memory, passes, secured
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

    def replace(self, snapshots: Mapping[Hashable, snapshots.Snapshot], /) -> None:
        """Publish these snapshots and wake the streams that hold others."""
        ...

    def discard(self, keys: Iterable[Hashable], /) -> None:
        """Forget the snapshots of these proxies."""
        ...


@dataclass(frozen=True, slots=True)
class LastPass:
    """The newest pass that succeeded: when it ended, in seconds since the epoch, how long its halves took, and how many
    snapshots it changed.
    """

    at: float
    resolve_seconds: float
    compile_seconds: float
    published: int


@dataclass(frozen=True, slots=True)
class Status:
    """Where the pipeline stands. `fault` says why the newest observation is not served, empty if it is; `last` is None
    until a pass has succeeded.
    """

    services: int = 0
    proxies: int = 0
    problems: tuple[Problem, ...] = ()
    fault: str = ""
    last: LastPass | None = None


class Observer(Protocol):
    """Who wants to know."""

    def settled(self, before: Status, after: Status) -> None:
        """A task is done."""
        ...

    def failed(self, error: Exception) -> None:
        """A pass raised, which is a fault of ours."""
        ...


class Issued(secured.Credentials, Protocol):
    """Credentials, what is wrong with where they come from, and in how many seconds they should be asked for again."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, resource by resource."""

    @property
    def due(self) -> float:
        """In how many seconds something will have to be renewed."""

    @property
    def is_watching(self) -> bool:
        """Whether something waits for what proxies acknowledge."""


Held = Mapping[proxies.Proxy, tuple[Mapping[str, str], ...]]
"""What the streams of each proxy have acknowledged of secrets: name -> version, for those that ask for it."""


class Authority(Protocol):
    """Issues the credentials. Asked in the worker thread alone."""

    def credentials(
        self,
        of: graph.Graph,
        identities: frozenset[identity.Identity],
        seen: inventory.Inventory,
        held: Held | None,
    ) -> Issued:
        """Return the credentials of these identities now. Raises nothing: what goes wrong is among the problems.

        `held` is None where nobody has looked what proxies hold.
        """


class Pipeline:
    """Follows observations and the comings and goings of streams. All of it but `_Worker` belongs to the event loop."""

    def __init__(
        self,
        observer: Observer,
        settings: resolve.Settings,
        authority: Authority,
        held: Callable[[], Held],
        kept: Traffic = traffic.DEFAULT,
    ) -> None:
        """`held` is asked on the event loop, and only while the authority waits for what proxies acknowledge."""
        self._observer = observer
        self._worker = _Worker(settings, authority, kept)
        self._held = held
        self._is_watching = False
        self._alarm: asyncio.TimerHandle | None = None
        self._seen: feed.Observation | None = None
        self._changed: frozenset[Ref] = frozenset()
        self._ended = 0
        self._wanted: frozenset[proxies.Proxy] | None = None
        self._kept: frozenset[proxies.Proxy] = frozenset()
        self._offered: frozenset[Hashable] = frozenset()
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        self.status = Status()

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
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if due is None else asyncio.get_running_loop().call_later(due, self._news.set)

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
            self.status = replace(outcome.status, problems=_joined(seen.problems, outcome.status.problems))
        self._observer.settled(before, self.status)
        self._settled.set()

    async def _publish(self, fresh: passes.Snapshots, kept: frozenset[proxies.Proxy], cache: Cache) -> None:
        """Hand snapshots over in batches, so that no callback of the loop takes long; forget those nobody wants.

        What the worker holds stays in the cache, for it would not be published again. As long as nobody comes or goes
        the proxies that are kept are one object, and there is nothing to forget.
        """
        if kept is not self._kept:
            gone = self._offered - kept - cache.wanted
            cache.discard(gone)
            self._kept, self._offered = kept, self._offered - gone
        if not self._offered.issuperset(fresh):
            self._offered |= fresh.keys()
        keys = tuple(fresh)
        for start in range(0, len(keys), BATCH):
            cache.replace({key: fresh[key] for key in keys[start : start + BATCH]})
            await asyncio.sleep(0)

    def _sweeps(self) -> bool:
        due = self._ended >= memory.ENDED_STREAMS
        self._ended = 0 if due else self._ended
        return due


def _joined(ones: tuple[Problem, ...], others: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return (*ones, *others) if ones and others else ones or others


def _proxies(cache: Cache) -> frozenset[proxies.Proxy]:
    return frozenset(key for key in cache.wanted if isinstance(key, proxies.Proxy))


# ---------------------------------------------------------------------------- in the worker thread


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the event loop is told of a pass."""

    published: passes.Snapshots
    status: Status
    due: float
    is_watching: bool


@dataclass(slots=True)
class _Worker:
    """The worker thread and what the last pass left; nobody else holds a pass, so none is taken apart on the loop."""

    settings: resolve.Settings
    authority: Authority
    kept: Traffic
    last: passes.Pass | None = None
    held: passes.Snapshots = field(default_factory=dict)
    thread: futures.Executor = field(default_factory=lambda: futures.ThreadPoolExecutor(1, "passes"))

    async def outcome(self, task: passes.Task, held: Held | None, sweep: bool) -> _Outcome:
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._run, task, held, sweep)

    def _run(self, task: passes.Task, held: Held | None, sweep: bool) -> _Outcome:
        last, self.last = self.last, None  # a pass that raises leaves nothing half done
        begun = time.perf_counter()
        resolution = passes.resolved(task, last, self.settings)
        resolved = time.perf_counter()
        members = passes.members(resolution, task.wanted, last)
        issued = self.authority.credentials(resolution.graph, members.identities, task.inventory, held)
        given = passes.Given(members, issued)
        self.last = passes.compiled(resolution, task.wanted, last, self.held, given, self.kept)
        compiled = time.perf_counter()
        del last
        self.held = self.last.snapshots
        if sweep:
            memory.sweep()
        edge = edge_secrets.told(task.inventory, resolution, now := time.time())
        found = _joined(_joined(_joined(self.last.resolution.problems, issued.problems), self.last.problems), edge)
        due = min(issued.due, edge_secrets.next_look(resolution, now) or issued.due)
        published = self.last.published
        took = LastPass(time.time(), resolved - begun, compiled - resolved, len(published))
        services = len(self.last.resolution.graph.services)
        return _Outcome(published, Status(services, len(self.held), found, last=took), due, issued.is_watching)

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)
