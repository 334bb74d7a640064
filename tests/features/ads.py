"""A proxy as the server sees it: real streams on a real channel, and the server they lead to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import grpc.aio

from tests.xds import model
from xds import cache, doors, ports, server
from xds import limits as limits_of
from xds.wire import discovery_pb2

PATIENCE = 30.0
"""Seconds after which something that should happen is taken not to."""

METHODS = {
    "sotw": ("StreamAggregatedResources", discovery_pb2.DiscoveryRequest, discovery_pb2.DiscoveryResponse),
    "delta": ("DeltaAggregatedResources", discovery_pb2.DeltaDiscoveryRequest, discovery_pb2.DeltaDiscoveryResponse),
}


class ByNode:
    """Identifies a peer by the first part of its node id, which is enough for a test and for nothing else.

    `fault` is what is raised in the place of an answer; keys in `banished` are denied.
    """

    def __init__(self):
        self.fault, self.banished, self.until = None, set(), None

    async def proof(self, caller):
        if self.fault:
            raise self.fault
        return ports.Proof("anybody", self.until)

    def key(self, _proof, node):
        if node.id.startswith("stranger"):
            return ports.Refusal("UNAUTHENTICATED", "who are you?")
        return node.id.split("~")[0]

    def denied(self, _proof, key):
        return ports.Refusal("PERMISSION_DENIED", "begone", "revoked") if key in self.banished else None


async def next_of(queue):
    async with asyncio.timeout(PATIENCE):
        return await queue.get()


class Stream:
    """One stream of either variant. `raw` streams take bytes."""

    def __init__(self, channel, variant, raw=False):
        self.variant = variant
        method, self.request, self.response = METHODS[variant]
        serialize = None if raw else self.request.SerializeToString
        self._call = channel.stream_stream(
            f"/{server.SERVICE}/{method}", request_serializer=serialize, response_deserializer=self.response.FromString
        )()

    async def send(self, type_url, *names, node=None, has=None, error=None, to=None, version=""):
        if self.variant == "sotw":
            fields = {"resource_names": names, "version_info": to.version_info if to and not error else version}
        else:
            fields = {"resource_names_subscribe": names, "initial_resource_versions": has}
        nonce = to.nonce if to is not None else ""
        node = discovery_pb2.Node(id=node) if node is not None else None
        await self.write(self.request(node=node, type_url=type_url, response_nonce=nonce, error_detail=error, **fields))

    async def ack(self, response, *names):
        await self.send(response.type_url, *(names if self.variant == "sotw" else ()), to=response)

    async def write(self, request):
        async with asyncio.timeout(PATIENCE):  # not wait_for, which may swallow a cancellation before Python 3.12
            await self._call.write(request)

    async def receive(self):
        async with asyncio.timeout(PATIENCE):
            return await self._call.read()

    async def end(self):
        """Return the status code and message the server ended the stream with."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await self.receive() is not grpc.aio.EOF:
                pass
        async with asyncio.timeout(PATIENCE):
            return await self._call.code(), await self._call.details()

    def cancel(self):
        self._call.cancel()


class Listening(ports.Silent):
    """An observer that tests wait for."""

    def __init__(self):
        self.seen = []
        self._changed = asyncio.Event()

    def _note(self, *what):
        self.seen.append(what)
        self._changed.set()

    def opened(self, variant):
        self._note("opened", variant)

    def closed(self, variant):
        self._note("closed", variant)

    def refused(self, variant, code, reason):
        self._note("refused", code)

    def sent(self, type_url, size):
        self._note("sent", type_url)

    def acked(self, type_url, seconds):
        assert seconds >= 0
        self._note("acked", type_url)

    def nacked(self, type_url, seconds):
        self._note("nacked", type_url)

    def overdue(self, type_url):
        self._note("overdue", type_url)

    async def until(self, *what, times=1):
        """Wait until something was noted so many times."""
        async with asyncio.timeout(PATIENCE):
            while self.seen.count(what) < times:
                self._changed.clear()
                await self._changed.wait()


class Plane:
    """A control plane with nothing but its ADS server."""

    def __init__(self, address, **limits):
        self.wanted, self.unwanted = asyncio.Queue(), asyncio.Queue()
        self.snapshots = cache.Cache(cache.Interest(self.wanted.put_nowait, self.unwanted.put_nowait))
        self.observer = Listening()
        self.gatekeeper = ByNode()
        self.server = server.Server(
            self.snapshots,
            self.gatekeeper,
            limits=limits_of.Limits(**limits),
            observer=self.observer,
            now=lambda: 1000.0,
        )
        self.address = address

    async def start(self):
        (port,) = await self.server.start(doors.Listen(self.address))
        self.address = self.address if self.address.startswith("unix:") else f"127.0.0.1:{port}"
        return self

    def publish(self, *resources, key="pets"):
        self.snapshots.replace({key: model.holding(*resources)})


@contextlib.asynccontextmanager
async def plane(address="127.0.0.1:0", **limits) -> AsyncIterator[Plane]:
    running = await Plane(address, **limits).start()
    try:
        yield running
    finally:
        await running.server.stop(0)


@contextlib.asynccontextmanager
async def channel(address, *options) -> AsyncIterator[grpc.aio.Channel]:
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 50), *options)
    async with grpc.aio.insecure_channel(address, options=options) as opened:
        yield opened
