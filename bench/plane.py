"""The control plane that is measured: pipeline, cache and ADS server, wired as the program wires them.

Law: inventories come from the benchmark instead of from files; everything after them is the product's.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog

from bench import large, lines, usage
from mesh import inventory, resolve, resources
from meshloom import memory, pipeline
from meshloom.identity import unproven
from meshloom.identity.authority import momentary
from watchers import feed
from xds import cache, doors, ports, server


class Streams(ports.Silent):
    """Counts what goes out and what is accepted."""

    def __init__(self) -> None:
        self.acks = usage.Count()
        self.responses = self.bytes = self.refused = 0

    def sent(self, type_url: str, size: int) -> None:
        """Count a response."""
        self.responses += 1
        self.bytes += size

    def acked(self, type_url: str, seconds: float) -> None:
        """Count an ACK."""
        self.acks.add()

    def nacked(self, type_url: str, seconds: float) -> None:
        """Count a NACK, of which there must be none."""
        self.refused += 1

    def forget(self) -> None:
        """Start anew."""
        self.acks.number = self.responses = self.bytes = self.refused = 0


class Passes:
    """Counts what the pipeline has done."""

    def __init__(self) -> None:
        self.done = usage.Count()

    def settled(self, before: pipeline.Status, after: pipeline.Status) -> None:
        """Count a task."""
        self.done.add()

    def failed(self, error: Exception) -> None:
        """Stop the benchmark."""
        raise error


class Plane:
    """A control plane of one large mesh."""

    def __init__(self) -> None:
        self.streams, self.passes = Streams(), Passes()
        self.pipeline = pipeline.Pipeline(self.passes, resolve.Settings(), momentary.Momentary(), dict)
        self.cache = cache.Cache(cache.Interest(self.pipeline.wanted, self.pipeline.unwanted))
        self.server = server.Server(self.cache, unproven.Trusting(), observer=self.streams)
        self._seen = inventory.Inventory()
        self._observations: asyncio.Queue[feed.Observation] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None

    async def serve(self, address: str, services: int, destinations: int) -> dict[str, Any]:
        """Make the mesh and open the address."""
        self._running = asyncio.create_task(self.pipeline.run(self._queued(), self.cache))
        self._observe(*large.mesh(services, destinations))
        await self.pipeline.settled()
        await self.server.start(doors.Listen(address))
        return usage.usage()

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
        await self.server.stop(0)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _sent(self) -> dict[str, Any]:
        return {"responses": self.streams.responses, "bytes": self.streams.bytes, "refused": self.streams.refused}

    def _observe(self, *new: resources.Resource) -> None:
        self._seen = self._seen.with_changes(new)
        self._observations.put_nowait(feed.Observation(self._seen, (), frozenset(item.ref for item in new)))

    async def _queued(self) -> AsyncIterator[feed.Observation]:
        while True:
            yield await self._observations.get()


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
