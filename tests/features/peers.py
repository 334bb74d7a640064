"""Peers of every kind, good and bad, and an ADS server in a process of its own for them to meet."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import grpc.aio
import psutil
import structlog

from bench import lines
from tests.features import ads
from tests.xds import model
from tests.xds.model import CLUSTER, LISTENER, ROUTES

PADDING = 128 << 10
"""Bytes of the routes, which differ in every version."""
ANSWER_SECONDS = 0.001
"""How long the server waits for an answer: hardly, so that peers that do not answer are sent all they take."""
RECONNECTS = 300
WANTED = ((CLUSTER, ()), (LISTENER, ()), (ROUTES, ("l",)))


def content(version):
    """Return what every peer is to hold: routes in this version, and all else in one of ten versions before.

    The routes name no cluster: they would wait for it, for ever where it is not accepted (rule C12).
    """
    old = version // 10
    routes = model.resource(ROUTES, "l", version, padding=PADDING)
    return model.cluster("a", old), model.endpoints("a"), model.listener("l", old), routes


# ---------------------------------------------------------------------------- the server


@dataclass
class Apart:
    """The server, seen from outside."""

    child: lines.Child
    address: str
    version: int = 0

    async def publish(self):
        """Publish the next version."""
        self.version += 1
        await self.child.ask("publish", version=self.version)

    async def streams(self):
        """Return how many streams there are."""
        return (await self.child.ask("streams"))["streams"]

    def memory(self):
        """Return the bytes the process occupies."""
        return psutil.Process(self.child.process.pid).memory_info().rss


@contextlib.asynccontextmanager
async def server(folder) -> AsyncIterator[Apart]:
    """Run a server until the block ends."""
    async with lines.child("tests.features.peers") as child:
        address = f"unix:{folder}/ads.sock"
        await child.ask("serve", address=address)
        yield Apart(child, address)


class _Serving:
    """The server, seen from inside."""

    def __init__(self):
        self.plane = None

    async def serve(self, address):
        self.plane = ads.Plane(address, ack=ANSWER_SECONDS, cache_bytes=4 << 20)
        await self.publish(0)
        await self.plane.start()
        return {}

    async def publish(self, version):
        self.plane.publish(*content(version))
        self.plane.observer.seen.clear()
        return {}

    async def streams(self):
        return {"streams": len(self.plane.server.peers.views())}


def _silence(_logger, _method, _event):
    raise structlog.DropEvent


async def main():
    structlog.configure(processors=[_silence])
    serving = _Serving()
    await lines.answer({"serve": serving.serve, "publish": serving.publish, "streams": serving.streams})
    await serving.plane.server.stop(0)


# ---------------------------------------------------------------------------- the peers


@dataclass
class Peer:
    """A peer that reads what it is sent and answers it, or does not. `received` are the bodies, newest last."""

    answer: Callable[..., Awaitable[None]] | None
    reads: bool = True
    received: list[str] = field(default_factory=list)
    version: int = -1
    """The newest version of the routes that was received, once the answer to it is sent."""
    at: float = 0.0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stream):
        """Read until cancelled; if it does not read, then not before it has `begun` to."""
        if not self.reads:
            await self.begun.wait()
        while (response := await stream.read()) is not grpc.aio.EOF:
            new = [_what(body) for body in bodies(response)]
            self.received += new
            if self.answer is not None:
                await self.answer(stream, response, *(("l",) if response.type_url == ROUTES else ()))
            if response.type_url == ROUTES:
                self.version, self.at = max(int(body.partition("@")[2]) for body in new), time.monotonic()
                self.news.set()

    async def until(self, version):
        """Wait for a version of the routes."""
        async with asyncio.timeout(ads.PATIENCE):
            while self.version < version:
                self.news.clear()
                await self.news.wait()


def bodies(response):
    return [getattr(resource, "resource", resource) for resource in response.resources]


def _what(body):
    return body[:40].decode().strip()


async def accept(stream, response, *names):
    await stream.ack(response, *names)


async def refuse(stream, response, *names):
    await stream.send(response.type_url, *(names if stream.variant == "sotw" else ()), to=response, error=model.BROKEN)


class Reading(ads.Stream):
    """A stream that may wait for ever for the next response."""

    async def read(self):
        return await self._call.read()


@contextlib.asynccontextmanager
async def connected(address, variant, name, peer) -> AsyncIterator[Peer]:
    """Connect a peer until the block ends."""
    async with ads.channel(address) as channel:
        stream = Reading(channel, variant)
        for number, (type_url, names) in enumerate(WANTED):
            await stream.send(type_url, *names, node=None if number else f"pets~{name}")
        running = asyncio.create_task(peer.run(stream))
        try:
            yield peer
            assert not running.done(), "the server ended the stream of a peer"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            stream.cancel()


async def reconnect(address, variant):
    """Connect, ask, take the first answer and leave without a word, again and again."""
    for number in range(RECONNECTS):
        async with ads.channel(address) as channel:
            stream = Reading(channel, variant)
            await stream.send(CLUSTER, node=f"pets~restless-{number % 2}")
            await stream.receive()


if __name__ == "__main__":
    asyncio.run(main())
