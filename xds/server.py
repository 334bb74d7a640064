"""The ADS server on gRPC: accepts streams, lets the program say whose they are, and runs a session for each.

Law: it and `doors` alone import grpc; bytes in, bytes out. Closed by default: nothing is read before something is
proven, and no session lasts longer than its proof. Nothing is served before `start`, which the program calls once it
has something to say.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import grpc
import structlog

from xds import cache, delta, doors, effects, peers, ports, requests, responses, session, stream, tenure, together
from xds import limits as limits_of
from xds import machine as machines
from xds import node as nodes
from xds import subscription as subscriptions
from xds import transport as transports
from xds.wire import discovery_pb2

_NAMES_LOGGED: Final = 20
"""Resources of a refusal that the log names; it says how many more there are."""

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_CHANCE: Final = random.SystemRandom()

_Machine = tuple[machines.Machine, requests.Receive]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Served:
    """A stream that is served: whose it is, by what right, and how it is ended."""

    peer: peers.Peer
    proof: ports.Proof
    session: session.Session
    tenure: tenure.Tenure


class Server:
    """The ADS server. Created anywhere, started and stopped on the event loop that owns `snapshots`.

    `now` is the clock that proofs end by and that people are shown, in seconds since the epoch.
    """

    def __init__(
        self,
        snapshots: cache.Cache,
        gatekeeper: ports.Gatekeeper,
        *,
        limits: limits_of.Limits | None = None,
        observer: ports.Observer | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.peers = peers.Peers()
        self._snapshots = snapshots
        self._gatekeeper = gatekeeper
        self._limits = limits if limits is not None else limits_of.Limits()
        self._observer = observer if observer is not None else ports.Silent()
        self._now = now
        self._shared = responses.Responses(self._limits.cache_bytes)
        self._pool = subscriptions.Pool()
        self._together = together.Together()
        self._numbers = itertools.count(1)
        self._sessions: dict[int, _Served] = {}
        self._server: Any = None
        self._places = asyncio.Semaphore(self._limits.streams)
        self._starting = asyncio.Semaphore(self._limits.starting)

    async def start(self, *listens: doors.Listen) -> tuple[int, ...]:
        """Open these addresses and return their ports (1 for a unix socket).

        Raise doors.AddressError if one is taken. A server is started once; after `stop` make a new one.
        """
        server = grpc.aio.server(options=doors.options(self._limits))
        server.add_generic_rpc_handlers((self._handlers(),))
        ports_bound = tuple(doors.bound(server, listen) for listen in listens)
        await server.start()
        self._server = server
        _log.info("ads.started", addresses=[listen.address for listen in listens], ports=ports_bound)
        return ports_bound

    async def stop(self, grace: float) -> None:
        """Accept no more streams, end those that are served once their current write is done, cut the rest after
        `grace` seconds (rule C14).
        """
        for served in self._sessions.values():
            served.session.stop()
        if self._server is not None:
            await self._server.stop(grace)
        _log.info("ads.stopped")

    def review(self) -> None:
        """End the streams whose proof does not hold any more; called when what decides about that has changed."""
        for served in tuple(self._sessions.values()):
            refusal = self._gatekeeper.denied(served.proof, served.peer.key)
            if refusal is not None:
                served.tenure.withdraw(refusal)

    def _handlers(self) -> Any:
        methods = {
            "StreamAggregatedResources": self._method(session.SOTW, self._sotw),
            "DeltaAggregatedResources": self._method(session.DELTA, self._delta),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _sotw(self) -> _Machine:
        machine = stream.Stream(self._shared, self._pool, self._limits.names)
        return machine, requests.receiver(discovery_pb2.DiscoveryRequest.FromString, machine.receive)

    def _delta(self) -> _Machine:
        machine = delta.Stream(self._shared, self._pool, self._limits.names)
        return machine, requests.receiver(
            discovery_pb2.DeltaDiscoveryRequest.FromString, machine.receive, machine.plain
        )

    def _method(self, variant: str, machine: Callable[[], _Machine]) -> Any:
        async def serve(_requests: object, context: Any) -> None:
            refusal = await self._refusal(variant, machine(), context)
            if refusal is not None:
                self._observer.refused(variant, refusal.code, refusal.reason)
                _log.info("ads.refused", variant=variant, peer=context.peer(), **_why(refusal))
                await context.abort(grpc.StatusCode[refusal.code], refusal.message)

        return grpc.stream_stream_rpc_method_handler(serve)  # without serializers: bytes in, bytes out

    async def _refusal(self, variant: str, machine: _Machine, context: Any) -> ports.Refusal | None:
        try:
            return await self._stream(variant, machine, context)
        except Exception:  # a fault of ours ends one stream, and is told to the log, not to the peer
            _log.exception("ads.failed", variant=variant, peer=context.peer())
            return ports.Refusal("INTERNAL", "the control plane failed to serve this stream; its log says why")

    async def _stream(self, variant: str, machine: _Machine, context: Any) -> ports.Refusal | None:
        async with self._starting:
            proof = await self._gatekeeper.proof(doors.caller(context))
        if isinstance(proof, ports.Refusal):
            return proof
        state, receive = machine
        transport = doors.transport(context)
        try:
            async with asyncio.timeout(self._limits.first_request):
                first = await transport.read()
        except TimeoutError:
            return ports.Refusal("DEADLINE_EXCEEDED", "no request on a new stream; send one with the node (rule C1)")
        for effect in receive(first) if first is not transport.end else ():
            if isinstance(effect, effects.Refuse):
                return ports.Refusal(effect.code, effect.message)
        if state.node is None:
            return None  # the client left without a word
        async with self._places:
            return await self._proven(variant, machine, transport, state.node, proof, context)

    async def _proven(
        self,
        variant: str,
        machine: _Machine,
        transport: transports.Transport,
        node: nodes.Node,
        proof: ports.Proof,
        context: Any,
    ) -> ports.Refusal | None:
        key = self._gatekeeper.key(proof, node)
        if isinstance(key, ports.Refusal):
            return key
        if (denied := self._gatekeeper.denied(proof, key)) is not None:
            return denied
        if self.peers.streams(key, node.id) >= self._limits.streams_per_peer:
            return _one_too_many(node, self._limits.streams_per_peer)
        peer = peers.Peer(
            next(self._numbers), key, node.id, node.user_agent, node.version, variant, context.peer(), self._now()
        )
        running = self._session(peer, machine, transport)
        served = _Served(peer, proof, running, self._tenure(running, proof))
        with self._open(served):
            watch = self._snapshots.watch(peer.key, running.wake)
            try:
                return await served.tenure.run(watch)
            finally:
                watch.close()

    def _tenure(self, running: session.Session, proof: ports.Proof) -> tenure.Tenure:
        return tenure.Tenure(running, proof.until, self._now, self._limits.farewell, _CHANCE.random())

    @contextlib.contextmanager
    def _open(self, served: _Served) -> Iterator[None]:
        peer = served.peer
        log = _log.bind(stream=peer.stream, node=peer.node_id, peer=peer.address, variant=peer.variant)
        self._sessions[peer.stream] = served
        self.peers.opened(peer, served.session)
        self._observer.opened(peer.variant)
        log.info("ads.opened", version=peer.version)
        try:
            yield
        finally:
            del self._sessions[peer.stream]
            self.peers.closed(peer.stream)
            self._observer.closed(peer.variant)
            log.info("ads.closed")

    def _session(self, peer: peers.Peer, machine: _Machine, transport: transports.Transport) -> session.Session:
        def note(effect: effects.Effect) -> None:
            self.peers.noted(peer.stream, effect, self._now())
            if isinstance(effect, effects.Nacked):
                _log.warning("ads.nacked", **_told(peer, effect))

        return session.Session(*machine, transport, note, self._together.soon, self._observer, self._limits.ack)


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


def _why(refusal: ports.Refusal) -> dict[str, str]:
    """Return what the log says of a refusal."""
    told = {"code": refusal.code, "why": refusal.message}
    return {**told, "reason": refusal.reason} if refusal.reason else told


def _one_too_many(node: nodes.Node, most: int) -> ports.Refusal:
    message = (
        f"node {node.id[:120]!r} has {most} streams open, the most allowed; close one, or give each proxy its own id"
    )
    return ports.Refusal("RESOURCE_EXHAUSTED", message)
