"""The event loop stays free while 1,000 services with two deployments each are compiled and published.

What is asserted is processor time, of each callback and of each garbage collection: other programs on the machine can
stretch how long something takes, not how much it does. The lag of the loop on the clock, which they can stretch, is
asserted by its median; `--junitxml` keeps its extremes.
"""

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from mesh import resolve
from meshloom import pipeline, worker
from tests.meshloom import issued, large
from watchers import feed
from xds import cache

SERVICES = 1_000
MOST_SECONDS = 0.050
SAMPLE_SECONDS = 0.005


@dataclass
class Times:
    """Seconds of processor time of callbacks and of collections, and of lag on the clock."""

    callbacks: list[float] = field(default_factory=list)
    collections: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        lags = statistics.quantiles(self.lags, n=100)
        return (
            f"longest callback {max(self.callbacks) * 1e3:.1f} ms, "
            f"longest collection {max(self.collections, default=0) * 1e3:.1f} ms, "
            f"lag median {lags[49] * 1e3:.1f} ms, p99 {lags[98] * 1e3:.1f} ms, max {max(self.lags) * 1e3:.1f} ms"
        )


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Iterator[Times]:
    """Measure every callback of every loop and every collection in any thread."""
    found, begun, run = Times(), [0.0], asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        start = time.thread_time()
        try:
            run(handle)
        finally:
            found.callbacks.append(time.thread_time() - start)

    def collected(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            found.collections.append(time.thread_time() - begun[0])
        begun[0] = time.thread_time()

    monkeypatch.setattr(asyncio.Handle, "_run", measured)
    gc.callbacks.append(collected)
    yield found
    gc.callbacks.remove(collected)


@dataclass
class Settled:
    """An observer that counts what is done."""

    statuses: list[worker.Status] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def settled(self, before: worker.Status, after: worker.Status) -> None:
        self.statuses.append(after)
        self.news.set()

    def failed(self, error: Exception) -> None:
        raise error

    async def until(self, count: int) -> None:
        while len(self.statuses) < count:
            self.news.clear()
            await self.news.wait()


@contextlib.asynccontextmanager
async def sampled(times: Times) -> AsyncIterator[None]:
    """Look every few milliseconds how late the loop is."""

    async def sample() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(SAMPLE_SECONDS)
            times.lags.append(time.perf_counter() - start - SAMPLE_SECONDS)

    sampling = asyncio.create_task(sample())
    yield
    sampling.cancel()


async def queued(observations: "asyncio.Queue[feed.Observation]") -> AsyncIterator[feed.Observation]:
    while True:
        yield await observations.get()


@pytest.mark.slow
@pytest.mark.load
async def test_no_callback_takes_50_ms_while_a_thousand_services_compile(prepared, times, record_testsuite_property):
    observer = Settled()
    line = pipeline.Pipeline(observer, resolve.Settings(), issued.Authority(), dict)
    store = cache.Cache()
    for proxy in large.sidecars(SERVICES):
        store.watch(proxy, lambda: None)
    meshes = [large.mesh(SERVICES, weight) for weight in (90, 50)]
    seen = [feed.Observation(mesh, (), frozenset(item.ref for item in mesh)) for mesh in meshes]
    observations: asyncio.Queue[feed.Observation] = asyncio.Queue()
    await asyncio.sleep(0)
    times.callbacks.clear(), times.collections.clear()

    async with sampled(times):
        running = asyncio.create_task(line.run(queued(observations), store))
        for count, observation in enumerate(seen, 1):
            observations.put_nowait(observation)
            await observer.until(count)
        running.cancel()
    record_testsuite_property("event loop", str(times))

    assert observer.statuses[-1].services == SERVICES
    assert observer.statuses[-1].proxies == 2 * SERVICES
    assert max(times.callbacks) < MOST_SECONDS, times
    assert max(times.collections) < MOST_SECONDS, times
    assert statistics.median(times.lags) < MOST_SECONDS, times
