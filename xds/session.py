"""One identified stream at work: requests and snapshots into its state machine, its effects out, one thing at a time.

Law: nothing is decided here, and nothing piles up. While a write waits for the peer, at most one request is held, and
of snapshots only the newest counts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from google.protobuf import message as protobuf

from xds import cache, effects, ports, snapshot
from xds import node as nodes
from xds import standing as standings

SOTW: Final = "sotw"
DELTA: Final = "delta"
R = TypeVar("R")


class Machine(Protocol):
    """The state machine of a stream, of either variant, but for its requests."""

    @property
    def node(self) -> nodes.Node | None:
        """Who the client says it is, once it has said so (rule C1)."""

    def publish(self, new: snapshot.Snapshot) -> tuple[effects.Effect, ...]:
        """Take a snapshot."""

    def release(self, nonce: str) -> tuple[effects.Effect, ...]:
        """Stop waiting for the answer to a nonce."""

    def holdings(self, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what the client has accepted of a type."""

    def standing(self, type_url: str) -> standings.Standing:
        """Return how far the client is with a type."""


@dataclass(frozen=True, slots=True)
class Transport:
    """The two ends of a stream: `read` returns an encoded request, None at the end; `write` waits until it is taken."""

    read: Callable[[], Awaitable[bytes | None]]
    write: Callable[[bytes], Awaitable[None]]


Receive = Callable[[bytes], tuple[effects.Effect, ...]]
"""Takes an encoded request into a state machine, and returns what follows from it."""


def receiver(decode: Callable[[bytes], R], receive: Callable[[R], tuple[effects.Effect, ...]]) -> Receive:
    """Return how to take encoded requests: what cannot be decoded is refused (rule C2)."""

    def received(data: bytes) -> tuple[effects.Effect, ...]:
        try:
            request = decode(data)
        except protobuf.DecodeError:
            return (_UNDECODABLE,)
        return receive(request)

    return received


_UNDECODABLE: Final = effects.Refuse(
    "INVALID_ARGUMENT",
    "request is not an encoded message of this method; check that the client speaks envoy.service.discovery.v3 and "
    "calls the method of its variant",
)


class Session:
    """`note` is called with each effect when it takes place; `patience` is how many seconds an answer is waited for."""

    __slots__ = (
        "_ended", "_machine", "_note", "_observer", "_patience", "_receive", "_requests", "_sent", "_stopping",
        "_taken", "_transport", "_wake", "_watch",
    )  # fmt: skip

    def __init__(
        self,
        machine: Machine,
        receive: Receive,
        transport: Transport,
        note: Callable[[effects.Effect], None],
        observer: ports.Observer,
        patience: float,
    ) -> None:
        self._machine = machine
        self._receive = receive
        self._transport = transport
        self._note = note
        self._observer = observer
        self._patience = patience
        self._requests: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self._wake = asyncio.Event()
        self._ended = False
        self._stopping = False
        self._sent: dict[str, tuple[str, float]] = {}  # nonce -> type URL and time, oldest first
        self._watch: cache.Watch | None = None
        self._taken: snapshot.Snapshot | None = None

    def wake(self) -> None:
        """Look for something to do, when it is this stream's turn."""
        self._wake.set()

    def stop(self) -> None:
        """End the stream once what is being written is written."""
        self._stopping = True
        self._wake.set()

    async def run(self, watch: cache.Watch) -> effects.Refuse | None:
        """Serve the stream until the client ends it or `stop` is called (None), or it must be refused."""
        self._watch = watch
        self._wake.set()
        reader = asyncio.create_task(self._read())
        try:
            return await self._serve()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while (data := await self._transport.read()) is not None:
                await self._requests.put(data)  # waits while one is held: the rest stays with the peer
                self._wake.set()
        finally:
            self._ended = True
            self._wake.set()

    async def _serve(self) -> effects.Refuse | None:
        while not (self._stopping or (self._ended and self._requests.empty())):
            await self._woken()
            for turn in self._turns():
                if (refusal := await self._carry_out(turn)) is not None:
                    return refusal
        return None

    async def _woken(self) -> None:
        oldest = next(iter(self._sent.values()), None)
        try:
            async with asyncio.timeout_at(oldest[1] + self._patience if oldest is not None else None):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _turns(self) -> Iterator[tuple[effects.Effect, ...]]:
        # a snapshot between any two requests, so that neither starves the other
        while not (self._stopping or self._requests.empty()):
            yield self._receive(self._requests.get_nowait())
            yield self._published()
        yield self._published()
        yield from map(self._machine.release, self._overdue())

    def _published(self) -> tuple[effects.Effect, ...]:
        newest = self._watch.snapshot if self._watch is not None else None
        if newest is None or newest is self._taken:
            return ()
        self._taken = newest
        return self._machine.publish(newest)

    def _overdue(self) -> list[str]:
        latest = asyncio.get_running_loop().time() - self._patience
        nonces = [nonce for nonce, (_, at) in self._sent.items() if at <= latest]
        for nonce in nonces:
            self._observer.overdue(self._sent.pop(nonce)[0])
        return nonces

    async def _carry_out(self, turn: tuple[effects.Effect, ...]) -> effects.Refuse | None:
        for effect in turn:
            if isinstance(effect, effects.Refuse):
                return effect
            if isinstance(effect, effects.Send):
                await self._transport.write(effect.data)
            self._measure(effect)
            self._note(effect)
        return None

    def _measure(self, effect: effects.Send | effects.Acked | effects.Nacked) -> None:
        now = asyncio.get_running_loop().time()
        if isinstance(effect, effects.Send):
            self._sent[effect.nonce] = (effect.type_url, now)
            self._observer.sent(effect.type_url, len(effect.data))
        elif effect.nonce in self._sent:
            type_url, at = self._sent.pop(effect.nonce)
            answered = self._observer.acked if isinstance(effect, effects.Acked) else self._observer.nacked
            answered(type_url, now - at)
