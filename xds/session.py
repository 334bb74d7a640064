"""One identified stream at work: requests and snapshots into its state machine, its effects out, one thing at a time.

Law: nothing is decided here, and nothing piles up. While a write waits for the peer, at most one request is held, and
of snapshots only the newest counts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from google.protobuf import message as protobuf

from xds import cache, effects, gate, ports, snapshot
from xds import node as nodes
from xds import standing as standings

SOTW: Final = "sotw"
DELTA: Final = "delta"

REMOVAL_DELAY: Final = 1.0
"""Seconds, or a little more, that a cluster stays after the client has accepted the last route that does not name it:
a proxy's workers take a route into use after it was accepted, and requests under way may be tried again.
"""

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

    @property
    def resting(self) -> bool:
        """Whether withdrawn clusters that nothing needs wait for time to pass."""

    @property
    def held_back(self) -> bool:
        """Whether anything waits for other resources."""

    def rests(self) -> None:
        """From now on leave withdrawn clusters in place until `rested` is called twice."""

    def rested(self) -> tuple[effects.Effect, ...]:
        """Note that a while has passed."""

    def waits(self) -> tuple[gate.Wait, ...]:
        """Return what is held back, and by what."""

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
    """`note` is called with each effect when it takes place; `patience` is how many seconds an answer is waited for,
    `removal_delay` how many a cluster stays that nothing needs any more.
    """

    __slots__ = (
        "_ended", "_machine", "_note", "_observer", "_patience", "_receive", "_removal_delay", "_requests",
        "_rests_until", "_sent", "_since", "_stopping", "_taken", "_transport", "_wake", "_watch",
    )  # fmt: skip

    def __init__(
        self,
        machine: Machine,
        receive: Receive,
        transport: Transport,
        note: Callable[[effects.Effect], None],
        observer: ports.Observer,
        patience: float,
        removal_delay: float = REMOVAL_DELAY,
    ) -> None:
        if removal_delay:
            machine.rests()
        self._machine = machine
        self._receive = receive
        self._transport = transport
        self._note = note
        self._observer = observer
        self._patience = patience
        self._removal_delay = removal_delay
        self._rests_until: float | None = None
        self._since: dict[snapshot.ResourceName, float] = {}
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

    def waits(self) -> tuple[tuple[gate.Wait, float], ...]:
        """Return what is held back and by what, each with how many seconds it has been."""
        self._time_waits()
        now = asyncio.get_running_loop().time()
        return tuple((wait, now - self._since[wait.type_url, wait.name]) for wait in self._machine.waits())

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
        overdue = oldest[1] + self._patience if oldest is not None else None
        times = [time for time in (overdue, self._rests_until) if time is not None]
        try:
            async with asyncio.timeout_at(min(times, default=None)):
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
        yield self._rested()

    def _published(self) -> tuple[effects.Effect, ...]:
        newest = self._watch.snapshot if self._watch is not None else None
        if newest is None or newest is self._taken:
            return ()
        self._taken = newest
        return self._machine.publish(newest)

    def _rested(self) -> tuple[effects.Effect, ...]:
        now = asyncio.get_running_loop().time()
        done = self._machine.rested() if self._rests_until is not None and self._rests_until <= now else ()
        if not self._machine.resting:
            self._rests_until = None
        elif self._rests_until is None or self._rests_until <= now:
            self._rests_until = now + self._removal_delay
        if self._since or self._machine.held_back:
            self._time_waits()
        return done

    def _time_waits(self) -> None:
        now = asyncio.get_running_loop().time()
        waits = self._machine.waits()
        self._since = {key: self._since.get(key, now) for key in ((wait.type_url, wait.name) for wait in waits)}

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
