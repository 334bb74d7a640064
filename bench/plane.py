"""The control plane that is measured: pipeline, certificates, cache and ADS server, wired as the program wires them.

Law: inventories come from the benchmark instead of from files; everything after them is the product's.
"""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
from prometheus_client import registry

from bench import large, lines, usage
from mesh import inventory, resolve, resources
from meshloom import addresses, memory, metrics, pipeline, settings, ways_in, worker
from meshloom.identity import authorities, home
from meshloom.identity.authority import keeper, succession
from watchers import feed
from xds import cache, server


class Streams(metrics.Streams):
    """Counts what goes out and what is accepted, beside the program's own metrics."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        super().__init__(into)
        self.acks = usage.Count()
        self.responses = self.bytes = self.refused = 0

    def sent(self, type_url: str, size: int) -> None:
        """Count a response."""
        super().sent(type_url, size)
        self.responses += 1
        self.bytes += size

    def acked(self, type_url: str, seconds: float) -> None:
        """Count an ACK."""
        super().acked(type_url, seconds)
        self.acks.add()

    def nacked(self, type_url: str, seconds: float) -> None:
        """Count a NACK, of which there must be none."""
        super().nacked(type_url, seconds)
        self.refused += 1

    def forget(self) -> None:
        """Start anew."""
        self.acks.number = self.responses = self.bytes = self.refused = 0


class Passes(metrics.Passes):
    """Counts what the pipeline has done, beside the program's own metrics."""

    def __init__(self, into: registry.CollectorRegistry) -> None:
        super().__init__(into)
        self.done = usage.Count()

    def settled(self, before: worker.Status, after: worker.Status) -> None:
        """Count a task."""
        super().settled(before, after)
        self.done.add()

    def failed(self, error: Exception) -> None:
        """Stop the benchmark."""
        raise error


class Plane:
    """A control plane of one large mesh."""

    def __init__(self) -> None:
        self.registry = registry.CollectorRegistry()
        self.streams, self.passes = Streams(self.registry), Passes(self.registry)
        self._seen = inventory.Inventory()
        self._observations: asyncio.Queue[feed.Observation] = asyncio.Queue()
        self._running = contextlib.AsyncExitStack()

    async def serve(self, address: str, state: str, tls: bool, services: int, destinations: int) -> dict[str, Any]:
        """Make the mesh and open the address, over TLS for tokens or in clear."""
        where = addresses.parsed(address)
        folder = pathlib.Path(state)
        kept = home.folder(folder)
        door = ways_in.WaysIn(ways_in.Ads(kept, by_token=where) if tls else ways_in.Ads(kept, in_clear=where))
        line = self._line(folder, door)
        shelf = cache.Cache(cache.Interest(line.wanted, line.unwanted))
        ads = server.Server(shelf, door.gatekeeper, observer=self.streams)
        await self._running.enter_async_context(door.kept(ads))
        self._running.push_async_callback(_ended, asyncio.create_task(line.run(self._queued(), shelf)))
        self._observe(*large.mesh(services, destinations))
        await line.settled()
        await door.open(ads)
        self._running.push_async_callback(ads.stop, 0)
        return usage.usage()

    def _line(self, folder: pathlib.Path, door: ways_in.WaysIn) -> pipeline.Pipeline:
        ground = succession.Ground(authorities.store(folder), settings.Certificates().policy())
        authority = authorities.Authorities(keeper.Keeper(ground, {}), metrics.Certificates(self.registry))
        return pipeline.Pipeline(self.passes, resolve.Settings(), door.overheard(authority), dict)

    async def change(self, service: int, first: int, acks: int) -> dict[str, Any]:
        """Change a weight; answer how long it took until so many ACKs were there, and what it cost."""
        new = large.weights(service, first)
        self.streams.forget()
        span = usage.Span()
        self._observe(new)
        await self.streams.acks.until(acks)
        return {**await span.answered(), **self._sent()}

    async def repeat(self, service: int, first: int) -> dict[str, Any]:
        """Write a weight that is there already, and answer what was sent once the pipeline is done with it."""
        new = large.weights(service, first)
        self.streams.forget()
        self.passes.done.number = 0
        self._observe(new)
        await self.passes.done.until(1)
        await asyncio.sleep(10 * usage.REST)
        return self._sent()

    async def stop(self) -> None:
        """Close the address and cut the streams, then end the pipeline."""
        await self._running.aclose()

    def _sent(self) -> dict[str, Any]:
        return {"responses": self.streams.responses, "bytes": self.streams.bytes, "refused": self.streams.refused}

    def _observe(self, *new: resources.Resource) -> None:
        self._seen = self._seen.with_changes(new)
        self._observations.put_nowait(feed.Observation(self._seen, (), frozenset(item.ref for item in new)))

    async def _queued(self) -> AsyncIterator[feed.Observation]:
        while True:
            yield await self._observations.get()


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _quiet(_logger: object, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent


async def main() -> None:
    """Answer what the benchmark asks."""
    structlog.configure(processors=[_quiet])
    memory.prepare()
    plane = Plane()
    await lines.answer({"serve": plane.serve, "change": plane.change, "repeat": plane.repeat, "usage": usage.answered})
    await plane.stop()


if __name__ == "__main__":
    asyncio.run(main())
