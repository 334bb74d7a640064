"""One identified stream at work: requests and snapshots into its state machine, its effects out, one thing at a time.

Law: nothing is decided here, and nothing piles up. While a write waits for the peer, at most one request is held and
perhaps one more read behind it, and of snapshots only the newest counts.
"""

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from xds import cache, effects, peers, ports, requests, snapshot
from xds import machine as machines
from xds import standing as standings
from xds import transport as transports

SOTW: Final = "sotw"
DELTA: Final = "delta"

REMOVAL_DELAY: Final = 1.0
"""Seconds, or a little more, that a cluster stays after the client has accepted the last route that does not name it:
a proxy's workers take a route into use after it was accepted, and requests under way may be tried again.
"""


class Session:
    """`note` is called with each effect when it takes place, `soon` with what can be done together with other streams;
    `patience` is how many seconds an answer is waited for, `removal_delay` how many a cluster stays that nothing needs
    any more.
    """

    __slots__ = (
        "_alarm", "_answered", "_bell", "_called", "_decided", "_ended", "_failure", "_held", "_leaving", "_loop",
        "_machine", "_note", "_observer", "_passed_on", "_patience", "_rang", "_receive", "_refusal",
        "_removal_delay", "_rests_until", "_sent", "_since", "_soon", "_stopping", "_taken", "_transport", "_watch",
        "_working",
    )  # fmt: skip

    def __init__(
        self,
        machine: machines.Machine,
        receive: requests.Receive,
        transport: transports.Transport,
        note: Callable[[effects.Effect], None],
        soon: Callable[[Callable[[], None]], None],
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
        self._soon = soon
        self._observer = observer
        self._patience = patience
        self._removal_delay = removal_delay
        self._loop = asyncio.get_running_loop()
        self._rests_until: float | None = None
        self._since: dict[snapshot.ResourceName, float] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._rang = False
        self._working = False
        self._held: bytes | None = None  # a request that came and was not taken in yet
        self._called = False  # there will be a turn to take it in
        self._passed_on: asyncio.Future[None] | None = None  # done once it is not held any more
        self._bell = self._loop.create_future()  # done once there is something to do
        self._ended = False
        self._stopping = False
        self._leaving = False
        self._answered = False
        self._failure: Exception | None = None
        self._decided: Sequence[effects.Send] = ()  # and not sent yet
        self._refusal: effects.Refuse | None = None
        self._sent: dict[str, tuple[str, float]] = {}  # nonce -> type URL and time, oldest first
        self._watch: cache.Watch | None = None
        self._taken: snapshot.Snapshot | None = None

    def wake(self) -> None:
        """Take the newest snapshot, when it is this stream's turn."""
        self._soon(self._decide)

    def holdings(self, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what the client has accepted of a type and is still current."""
        return self._machine.holdings(type_url)

    def standing(self, type_url: str) -> standings.Standing:
        """Return how far the client is with a type."""
        return self._machine.standing(type_url)

    @property
    def is_current(self) -> bool:
        """Whether the newest snapshot has been taken, and what follows from it is on its way."""
        return not self._decided and (self._watch is None or self._watch.snapshot is self._taken)

    def waits(self) -> peers.Waits:
        """Return what is held back and by what, each with how many seconds it has been."""
        self._time_waits()
        now = self._loop.time()
        return tuple((wait, now - self._since[wait.type_url, wait.name]) for wait in self._machine.waits())

    def stop(self) -> None:
        """End the stream once what is being written is written."""
        self._stopping = True
        self._ring()

    def leave(self) -> None:
        """End the stream as `stop` does, but once something was sent: who was answered returns at once (rule C14)."""
        self._leaving = True
        self._ring()

    async def run(self, watch: cache.Watch) -> effects.Refuse | None:
        """Serve the stream until the client ends it or it is told to end (None), or it must be refused."""
        self._watch = watch
        self._ring()
        reading = asyncio.create_task(self._requests())
        try:
            await asyncio.create_task(self._work())  # by itself: not resumed through all that waits for it
            if reading.done() and not reading.cancelled():
                reading.result()  # raises what went wrong in there
            return self._refusal
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if self._alarm is not None:
                self._alarm.cancel()

    async def _requests(self) -> None:
        try:
            while not self._is_over() and (data := await self._transport.read()) is not self._transport.end:
                await self._room()
                if self._is_over():
                    return
                self._held = data
                if not self._called:  # what many clients answer at once is taken in together
                    self._called = True
                    self._soon(self._take)
                if self._working or self._decided:
                    await self._room()  # until then the rest stays with the peer
            await self._room()
        finally:
            self._ended = True
            self._ring()

    async def _room(self) -> None:
        """Wait until no request is held, or no more will be taken."""
        while self._held is not None and not self._is_over():
            self._passed_on = self._loop.create_future()
            self._ring()
            await self._passed_on

    def _take(self) -> None:
        """Take in the request that is held, when it is this stream's turn; what is being written goes first."""
        self._called = False
        if self._held is None or self._is_over():
            return
        try:
            if not (self._working or self._decided):
                self._decided = self._noted(self._received())
                if not (self._decided or self._is_over()):
                    self._keep_time()
                    return
        except Exception as error:  # it is this stream's, not that of the others
            self._failure = error
        self._ring()

    def _received(self) -> tuple[effects.Effect, ...]:
        data, self._held = self._held, None
        if self._passed_on is not None and not self._passed_on.done():  # who waited may have been cancelled
            self._passed_on.set_result(None)
        return self._receive(data) if data is not None else ()

    async def _work(self) -> None:
        while not self._is_over():
            await self._bell
            self._bell = self._loop.create_future()
            self._working = True
            for send in self._due():
                await self._transport.write(send.response.data)
                self._went(send)
            self._working = False
            self._keep_time()

    def _ring(self) -> None:
        if not self._bell.done():
            self._bell.set_result(None)

    def _is_over(self) -> bool:
        return self._stopping or self._ended or (self._leaving and self._answered)

    def _decide(self) -> None:
        if not (self._decided or self._working):
            try:
                self._decided = self._noted(self._published())
            except Exception as error:  # it is this stream's, not that of the others
                self._failure = error
        self._ring()

    def _due(self) -> Iterator[effects.Send]:
        """Yield all that is due, each decided when it is its turn: what was decided before, then what was asked, what
        is newer than that, and what time brings.
        """
        if self._failure is not None:
            raise self._failure
        if self._is_over():
            return
        undone, self._decided = self._decided, ()
        yield from undone
        if not self._is_over():
            yield from self._noted(self._received())
        if not self._is_over():
            yield from self._noted(self._published())
        if self._rang:
            self._rang = False
            for turn in self._timely():
                yield from self._noted(turn)

    def _timely(self) -> Iterator[tuple[effects.Effect, ...]]:
        yield from map(self._machine.release, self._overdue())
        if self._rests_until is not None and self._rests_until <= self._loop.time():
            self._rests_until = None
            yield self._machine.rested()

    def _published(self) -> tuple[effects.Effect, ...]:
        newest = self._watch.snapshot if self._watch is not None else None
        if newest is None or newest is self._taken:
            return ()
        self._taken = newest
        return self._machine.publish(newest)

    def _overdue(self) -> list[str]:
        latest = self._loop.time() - self._patience
        nonces = [nonce for nonce, (_, at) in self._sent.items() if at <= latest]
        for nonce in nonces:
            self._observer.overdue(self._sent.pop(nonce)[0])
        return nonces

    def _noted(self, turn: tuple[effects.Effect, ...]) -> list[effects.Send]:
        """Take note of what the client answered; return what is to be sent."""
        sends = []
        for effect in turn:
            if isinstance(effect, effects.Send):
                sends.append(effect)
            elif isinstance(effect, effects.Refuse):
                self._refusal, self._ended = effect, True
            else:
                self._came(effect)
        return sends

    def _went(self, send: effects.Send) -> None:
        response, self._answered = send.response, True
        self._sent[response.nonce] = (response.type_url, self._loop.time())
        self._observer.sent(response.type_url, len(response.data))
        self._note(send)

    def _came(self, answer: effects.Acked | effects.Nacked) -> None:
        type_url, at = self._sent.pop(answer.nonce, ("", 0.0))
        if type_url:
            answered = self._observer.acked if isinstance(answer, effects.Acked) else self._observer.nacked
            answered(type_url, self._loop.time() - at)
        self._note(answer)

    def _keep_time(self) -> None:
        """See to it that time is noticed though nothing else happens."""
        if not self._machine.resting:
            self._rests_until = None
        elif self._rests_until is None:
            self._rests_until = self._loop.time() + self._removal_delay
        if self._since or self._machine.held_back:
            self._time_waits()
        # an alarm that is too early costs a look, so one that is set already is mostly left alone
        if self._alarm is None or (self._rests_until is not None and self._rests_until < self._alarm.when()):
            self._set_alarm()

    def _time_waits(self) -> None:
        now = self._loop.time()
        waits = self._machine.waits()
        self._since = {key: self._since.get(key, now) for key in ((wait.type_url, wait.name) for wait in waits)}

    def _set_alarm(self) -> None:
        due = self._due_at()
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(due, self._time_is_up) if due < math.inf else None

    def _due_at(self) -> float:
        """Return when time brings something to do, by the clock of the loop; infinity if it does not."""
        overdue = min([at + self._patience for _, at in itertools.islice(self._sent.values(), 1)], default=math.inf)
        return overdue if self._rests_until is None else min(overdue, self._rests_until)

    def _time_is_up(self) -> None:
        self._alarm = None
        if self._due_at() <= self._loop.time():
            self._rang = True
            self._ring()
        else:
            self._set_alarm()
