"""The ADS server on gRPC: accepts streams, lets the program say whose they are, and runs a session for each.

Law: the only module that imports grpc; bytes in, bytes out. Closed by default: no session without an identity. Nothing
is served before `start`, which the program calls once it has something to say.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
import structlog

from xds import cache, delta, effects, peers, ports, responses, session, stream, together
from xds import node as nodes
from xds import subscription as subscriptions
from xds.wire import discovery_pb2

_NAMES_LOGGED: Final = 20
"""Resources of a refusal that the log names; it says how many more there are."""

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_Machine = tuple[session.Machine, session.Receive]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer, and all together, may ask of the server. Times in seconds, sizes in bytes.

    `cache_bytes` bounds what is kept of finished responses, to be sent to other streams as they are.
    `streams` are served at once, `starting` are identified at once; those beyond queue (nobody is refused for coming at
    a bad time). `streams_per_peer` counts those of one key and node id; one more is refused.
    """

    request_bytes: int = 4 << 20
    cache_bytes: int = responses.CACHE_BYTES
    names: int = 10_000
    streams_per_peer: int = 4
    streams: int = 10_000
    starting: int = 64
    streams_per_connection: int = 100
    first_request: float = 30.0
    ack: float = 20.0
    keepalive: float = 30.0
    keepalive_timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Listen:
    """An address in gRPC's form ("0.0.0.0:18000", "[::]:0", "unix:/run/ads.sock"); `tls` returns the current
    material and is asked again for each connection, None is for loopback and unix sockets.
    """

    address: str
    tls: Callable[[], ports.Tls] | None = None


class Server:
    """The ADS server. Created anywhere, started and stopped on the event loop that owns `snapshots`.

    `now` is the clock of what is shown to people, in seconds since the epoch.
    """

    def __init__(
        self,
        snapshots: cache.Cache,
        identify: ports.Identify,
        *,
        limits: Limits | None = None,
        observer: ports.Observer | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.peers = peers.Peers()
        self._snapshots = snapshots
        self._identify = identify
        self._limits = limits if limits is not None else Limits()
        self._observer = observer if observer is not None else ports.Silent()
        self._now = now
        self._shared = responses.Responses(self._limits.cache_bytes)
        self._pool = subscriptions.Pool()
        self._together = together.Together()
        self._numbers = itertools.count(1)
        self._sessions: dict[int, session.Session] = {}
        self._server: Any = None
        self._places = asyncio.Semaphore(self._limits.streams)
        self._starting = asyncio.Semaphore(self._limits.starting)

    async def start(self, *listens: Listen) -> tuple[int, ...]:
        """Open these addresses and return their ports (1 for a unix socket).

        Raise RuntimeError if an address is taken. A server is started once; after `stop` make a new one.
        """
        server = grpc.aio.server(options=_options(self._limits))
        server.add_generic_rpc_handlers((self._handlers(),))
        ports_bound = tuple(_bound(server, listen) for listen in listens)
        await server.start()
        self._server = server
        _log.info("ads.started", addresses=[listen.address for listen in listens], ports=ports_bound)
        return ports_bound

    async def stop(self, grace: float) -> None:
        """Accept no more streams, end those that are served once their current write is done, cut the rest after
        `grace` seconds (rule C14).
        """
        for running in self._sessions.values():
            running.stop()
        if self._server is not None:
            await self._server.stop(grace)
        _log.info("ads.stopped")

    def _handlers(self) -> Any:
        methods = {
            "StreamAggregatedResources": self._method(session.SOTW, self._sotw),
            "DeltaAggregatedResources": self._method(session.DELTA, self._delta),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _sotw(self) -> _Machine:
        machine = stream.Stream(self._shared, self._pool, self._limits.names)
        return machine, session.receiver(discovery_pb2.DiscoveryRequest.FromString, machine.receive)

    def _delta(self) -> _Machine:
        machine = delta.Stream(self._shared, self._pool, self._limits.names)
        return machine, session.receiver(discovery_pb2.DeltaDiscoveryRequest.FromString, machine.receive)

    def _method(self, variant: str, machine: Callable[[], _Machine]) -> Any:
        async def serve(_requests: object, context: Any) -> None:
            refusal = await self._refusal(variant, machine(), context)
            if refusal is not None:
                self._observer.refused(variant, refusal.code)
                _log.info("ads.refused", variant=variant, peer=context.peer(), code=refusal.code, why=refusal.message)
                await context.abort(grpc.StatusCode[refusal.code], refusal.message)

        return grpc.stream_stream_rpc_method_handler(serve)  # without serializers: bytes in, bytes out

    async def _refusal(self, variant: str, machine: _Machine, context: Any) -> effects.Refuse | None:
        try:
            return await self._stream(variant, machine, context)
        except Exception:  # a fault of ours ends one stream, and is told to the log, not to the peer
            _log.exception("ads.failed", variant=variant, peer=context.peer())
            return effects.Refuse("INTERNAL", "the control plane failed to serve this stream; its log says why")

    async def _stream(self, variant: str, machine: _Machine, context: Any) -> effects.Refuse | None:
        state, receive = machine
        transport = _transport(context)
        try:
            async with asyncio.timeout(self._limits.first_request):
                first = await transport.read()
        except TimeoutError:
            return effects.Refuse("DEADLINE_EXCEEDED", "no request on a new stream; send one with the node (rule C1)")
        for effect in receive(first) if first is not None else ():
            if isinstance(effect, effects.Refuse):
                return effect
        if state.node is None:
            return None  # the client left without a word
        async with self._places:
            return await self._identified(variant, machine, transport, state.node, context)

    async def _identified(
        self, variant: str, machine: _Machine, transport: session.Transport, node: nodes.Node, context: Any
    ) -> effects.Refuse | None:
        async with self._starting:
            key = await self._identify(node, context.peer(), _metadata(context))
        if isinstance(key, ports.Refusal):
            return effects.Refuse(key.code, key.message)
        if self.peers.streams(key, node.id) >= self._limits.streams_per_peer:
            return _one_too_many(node, self._limits.streams_per_peer)
        peer = peers.Peer(
            next(self._numbers), key, node.id, node.user_agent, node.version, variant, context.peer(), self._now()
        )
        running = self._session(peer, machine, transport)
        with self._open(peer, running):
            watch = self._snapshots.watch(peer.key, running.wake)
            try:
                return await running.run(watch)
            finally:
                watch.close()

    @contextlib.contextmanager
    def _open(self, peer: peers.Peer, running: session.Session) -> Iterator[None]:
        log = _log.bind(stream=peer.stream, node=peer.node_id, peer=peer.address, variant=peer.variant)
        self._sessions[peer.stream] = running
        self.peers.opened(peer, running)
        self._observer.opened(peer.variant)
        log.info("ads.opened", version=peer.version)
        try:
            yield
        finally:
            del self._sessions[peer.stream]
            self.peers.closed(peer.stream)
            self._observer.closed(peer.variant)
            log.info("ads.closed")

    def _session(self, peer: peers.Peer, machine: _Machine, transport: session.Transport) -> session.Session:
        def note(effect: effects.Effect) -> None:
            self.peers.noted(peer.stream, effect, self._now())
            if isinstance(effect, effects.Nacked):
                _log.warning("ads.nacked", **_told(peer, effect))

        return session.Session(*machine, transport, note, self._together.soon, self._observer, self._limits.ack)


def _options(limits: Limits) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.so_reuseport", 0),  # a second server on the address is a mistake, not a partner
        ("grpc.max_receive_message_length", limits.request_bytes),
        ("grpc.max_send_message_length", -1),  # a full set may be larger than 4 MiB
        ("grpc.max_concurrent_streams", limits.streams_per_connection),
        ("grpc.keepalive_time_ms", int(limits.keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", int(limits.keepalive_timeout * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.bdp_probe", 0),  # requests are small: nothing to find out about bandwidth
        ("grpc.enable_channelz", 0),  # nobody asks for its records of every message
        ("grpc.http2.max_ping_strikes", 0),  # proxies ping as often as their bootstrap says
    )


def _bound(server: Any, listen: Listen) -> int:
    if listen.tls is None:
        return int(server.add_insecure_port(listen.address))
    return int(server.add_secure_port(listen.address, _credentials(listen.tls)))


def _credentials(tls: Callable[[], ports.Tls]) -> Any:
    def current() -> Any:
        material = tls()
        pairs = [(material.private_key, material.certificate_chain)]
        return grpc.ssl_server_certificate_configuration(pairs, root_certificates=material.client_ca)

    clients_need_one = tls().client_ca is not None
    return grpc.dynamic_ssl_server_credentials(current(), current, require_client_authentication=clients_need_one)


def _transport(context: Any) -> session.Transport:
    async def read() -> bytes | None:
        data = await context.read()
        return None if data is grpc.aio.EOF else data

    return session.Transport(read, context.write)


def _metadata(context: Any) -> Mapping[str, str]:
    pairs = context.invocation_metadata() or ()
    return {key.lower(): value for key, value in pairs if isinstance(value, str)}


def _told(peer: peers.Peer, nacked: effects.Nacked) -> dict[str, Any]:
    """Return what the log says of a refusal: whose, of what, and the client's own words (rule C7)."""
    names = peers.culprits(nacked)
    return {
        "stream": peer.stream,
        "node": peer.node_id,
        "type_url": nacked.type_url,
        "resources": names[:_NAMES_LOGGED],
        "more": max(0, len(names) - _NAMES_LOGGED),
        "message": nacked.message,
    }


def _one_too_many(node: nodes.Node, most: int) -> effects.Refuse:
    message = (
        f"node {node.id[:120]!r} has {most} streams open, the most allowed; close one, or give each proxy its own id"
    )
    return effects.Refuse("RESOURCE_EXHAUSTED", message)
