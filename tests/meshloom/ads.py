"""A proxy as far as ADS goes: asks for everything, ACKs whatever comes, and remembers what it holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2
from google.protobuf import message as protobuf

from meshloom.identity import claim
from translator import proxies
from xds.wire import discovery_pb2

PREFIX = "type.googleapis.com/envoy.config."
CLUSTER = PREFIX + "cluster.v3.Cluster"
LISTENER = PREFIX + "listener.v3.Listener"
ROUTES = PREFIX + "route.v3.RouteConfiguration"
SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
PATIENCE = 20.0
RECONNECTING = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200))

Held = dict[str, dict[str, str]]
"""Type URL -> name -> version. In the state of the world every name of a type has the version of the response."""


@dataclass(frozen=True)
class Received:
    """A response: its type, and the names in it."""

    type_url: str
    names: tuple[str, ...]


def _name(body: bytes) -> str:
    """Return the name of a resource: field 1 of each of these messages, which is written first."""
    value = any_pb2.Any.FromString(body).value
    assert value[0] == 0x0A
    assert value[1] < 0x80, "a longer name than these tests use"
    return value[2 : 2 + value[1]].decode()


@dataclass
class Client:
    """One ADS stream. `routes` are the names of the route configurations that its listeners ask for.

    What is of a type in `refused` is answered with those words, unless it lacks the resource that `culprit` names; what
    is of one in `ignored` not at all.
    """

    proxy: proxies.Proxy
    routes: tuple[str, ...]
    delta: bool
    held: Held = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    stream: grpc.aio.StreamStreamCall | None = None
    refused: dict[str, str] = field(default_factory=dict)
    culprit: str = ""
    ignored: frozenset[str] = frozenset()

    @asynccontextmanager
    async def connected(self, address: str) -> AsyncIterator["Client"]:
        """Open a stream, ask for clusters, listeners and routes, and answer until the block ends."""
        async with (
            grpc.aio.insecure_channel(address, options=RECONNECTING) as channel,
            self.answering(channel, CLUSTER, LISTENER, ROUTES),
        ):
            yield self

    @asynccontextmanager
    async def answering(self, channel: grpc.aio.Channel, *type_urls: str) -> AsyncIterator[None]:
        """Open a stream of a channel, ask for these types, and answer until the block ends."""
        self.stream = stream = self._stream(channel)
        for type_url in type_urls:
            await stream.write(self._first(type_url))
        answering = asyncio.create_task(self._answer(stream))
        try:
            yield
        finally:
            answering.cancel()
            stream.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def until(self, reached: Callable[["Client"], bool]) -> None:
        """Wait until something is true of what was received."""
        async with asyncio.timeout(PATIENCE):
            while not reached(self):
                self.news.clear()
                await self.news.wait()

    async def ask(self, route: str) -> None:
        """Ask for one more route configuration before anything was received on this stream, and wait for it."""
        self.routes = (*self.routes, route)
        more = discovery_pb2.DeltaDiscoveryRequest(type_url=ROUTES, resource_names_subscribe=[route])
        whole = discovery_pb2.DiscoveryRequest(
            type_url=ROUTES, resource_names=self.routes, version_info=self._version(ROUTES)
        )
        await self.stream.write(more if self.delta else whole)
        await self.until(lambda self: route in self.held[ROUTES])

    async def complete(self) -> None:
        """Wait until there are clusters, listeners and all routes."""
        await self.until(
            lambda self: {CLUSTER, LISTENER} <= {*self.held} and {*self.routes} <= {*self.held.get(ROUTES, ())}
        )

    def types(self) -> list[str]:
        """Return the short names of the types received, in order."""
        return [received.type_url.rpartition(".")[2] for received in self.received]

    def _stream(self, channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall:
        name = "DeltaAggregatedResources" if self.delta else "StreamAggregatedResources"
        answer = discovery_pb2.DeltaDiscoveryResponse if self.delta else discovery_pb2.DiscoveryResponse
        return channel.stream_stream(
            SERVICE + name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )(wait_for_ready=True)

    def _first(self, type_url: str) -> protobuf.Message:
        node = discovery_pb2.Node(id=claim.node_id(self.proxy))
        node.metadata.update(claim.metadata(self.proxy))
        held, names = self.held.get(type_url, {}), self.routes if type_url == ROUTES else ()
        if self.delta:
            return discovery_pb2.DeltaDiscoveryRequest(
                node=node, type_url=type_url, resource_names_subscribe=names, initial_resource_versions=held
            )
        return discovery_pb2.DiscoveryRequest(
            node=node, type_url=type_url, resource_names=names, version_info=self._version(type_url)
        )

    def _version(self, type_url: str) -> str:
        return next(iter(self.held.get(type_url, {}).values()), "")

    async def _answer(self, stream: grpc.aio.StreamStreamCall) -> None:
        async for response in stream:
            self._take(response)
            if response.type_url not in self.ignored:
                await stream.write(self._answered(response))
            self.news.set()

    def _take(self, response: protobuf.Message) -> None:
        held = self.held.setdefault(response.type_url, {})
        if self.delta:
            bodies = [resource.resource for resource in response.resources]
            held.update({resource.name: resource.version for resource in response.resources})
            for name in response.removed_resources:
                held.pop(name, None)
        else:
            bodies = list(response.resources)
            kept = held if response.type_url == ROUTES else {}
            self.held[response.type_url] = dict.fromkeys([*kept, *map(_name, bodies)], response.version_info)
        self.received.append(Received(response.type_url, tuple(map(_name, bodies))))

    def _answered(self, response: protobuf.Message) -> protobuf.Message:
        answer = self._ack(response)
        words = self.refused.get(response.type_url)
        if words and (not self.culprit or self.culprit in self.received[-1].names):
            answer.error_detail.code, answer.error_detail.message = 13, words
            if not self.delta:
                answer.version_info = ""
        return answer

    def _ack(self, response: protobuf.Message) -> protobuf.Message:
        if self.delta:
            return discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        names = self.routes if response.type_url == ROUTES else ()
        return discovery_pb2.DiscoveryRequest(
            type_url=response.type_url,
            response_nonce=response.nonce,
            version_info=response.version_info,
            resource_names=names,
        )
