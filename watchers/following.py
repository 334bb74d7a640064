"""One kind of the API server, followed for ever: asks what the reflector wants, tells what comes of it.

Law: nothing is decided here but when; a fault is waited out and never raised. What was told last stands meanwhile.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from mesh.problems import Problem, Ref
from mesh.resources import Resource
from mesh.rules import names
from watchers import api_server, kinds, reflector, standing
from watchers.events import Event, Reported
from watchers.reflector import Complete, Fault, Gone, Here, Told

_CHANCE = random.SystemRandom()
"""So that not all come at once."""

SOURCE: Final = "kubernetes"

_SHARED: Final = (0, *standing.REFUSALS)
"""Statuses of faults that often befall several kinds at once, and end for all of them at once."""
_BREATH: Final = 32
"""After so many objects the other tasks of the loop get their turn."""

METADATA: Final = "application/json;as={};v=v1;g=meta.k8s.io"
"""What to accept where only metadata is read (https://kubernetes.io/docs/reference/using-api/api-concepts/)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: of a watch (from, to), of silence on it, of an answer, of faults before they are said."""

    watch: tuple[float, float] = (300.0, 600.0)
    silence: float = 150.0
    answer: float = 30.0
    patience: float = 10.0


class Pulse:
    """Wakes those who wait for a server that did not answer, or refused them, as soon as one of them is served."""

    def __init__(self) -> None:
        self._beat = asyncio.Event()

    def beat(self) -> None:
        """Say that the server answers again as it should."""
        self._beat.set()
        self._beat = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next beat, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation before Python 3.12
                await self._beat.wait()


class Outlet(Protocol):
    """Where a following tells what it learns; each of these returns when it is taken."""

    async def put(self, event: Event) -> None:
        """Tell this."""

    async def here(self, resource: Resource, written: Mapping[str, Any]) -> None:
        """Tell that an object is there, and how the server writes it."""

    async def gone(self, ref: Ref) -> None:
        """Tell that an object is there no more."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is followed: a kind, everywhere or in a namespace, all of its objects or the one of a name."""

    kind: kinds.Kind
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (f"{SOURCE}:{self.kind.name}", self.namespace, self.name) if part)


class Following:
    """`dropped` says what is wrong with the definition of a kind of ours, and is asked before an object is gone."""

    def __init__(
        self,
        place: Place,
        api: api_server.ApiServer,
        outlet: Outlet,
        pulse: Pulse,
        pace: Pace,
        dropped: Callable[[kinds.Kind], Awaitable[Fault | None]],
    ) -> None:
        self.place = place
        self.standing = standing.Standing(place.kind, place.namespace, place.name)
        self.answered = asyncio.Event()
        """Set once the server has said what there is; of one object also that we may not know."""
        self._api, self._outlet, self._pulse, self._pace, self._dropped = api, outlet, pulse, pace, dropped
        self._reflector = reflector.Reflector()
        self._path = api_server.path(place.kind.api_version, place.kind.plural, place.namespace)
        selector = f"metadata.name={place.name}" if place.name else place.kind.selector
        self._query = {"fieldSelector": selector} if selector else {}
        self._last: Fault | None = None
        self._failing = 0.0
        self._said: int | None = None
        self._wrong: frozenset[Ref] = frozenset()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self._pause()
            match self._reflector.request:
                case reflector.Page() as page:
                    await self._list(page)
                case reflector.Watch() as watch:
                    await self._watch(watch)

    async def _pause(self) -> None:
        seconds = self._reflector.pause(_CHANCE.random())
        if self._last is not None and self._last.status in _SHARED:
            await self._pulse.wait(seconds)
        elif seconds:
            await asyncio.sleep(seconds)

    async def _list(self, page: reflector.Page) -> None:
        query = {**self._query, **page.query}
        accept = self._accepted("PartialObjectMetadataList")
        try:
            answer = await self._api.request("GET", self._path, query, accept=accept, within=self._pace.answer)
        except api_server.ApiError as error:
            await self._failed(fault_of(error))
            return
        self.standing = replace(self.standing, lists=self.standing.lists + (not page.token))
        await self._taken(self._reflector.listed(answer))

    async def _watch(self, watch: reflector.Watch) -> None:
        began, heard = _now(), 0
        self.standing = replace(self.standing, watches=self.standing.watches + 1)
        try:
            async with contextlib.aclosing(self._lines(watch)) as lines:
                async for line in lines:
                    heard += bool(line)
                    if not await self._taken(self._reflector.told(reflector.decoded(line)) if line else ()):
                        return
        except api_server.ApiError as error:
            await self._failed(fault_of(error), _now() - began, heard)
        else:
            self._reflector.closed(_now() - began, heard)

    def _lines(self, watch: reflector.Watch) -> AsyncGenerator[bytes, None]:
        seconds = _CHANCE.uniform(*self._pace.watch)
        asked = {**self._query, **watch.query(seconds)}
        accept = self._accepted("PartialObjectMetadata")
        return self._api.lines(self._path, asked, self._pace.silence, accept)

    def _accepted(self, form: str) -> str:
        return api_server.JSON if self.place.kind.fields else METADATA.format(form)

    async def _taken(self, told: Sequence[Told]) -> bool:
        """Tell what was heard; return whether to go on listening."""
        fault = next((one for one in told if isinstance(one, Fault)), None) or await self._doubt(told)
        if fault is not None:
            await self._failed(fault, 0.0, 1)
            return False
        await self._reached()
        for number, one in enumerate(told, 1):
            await self._tell(one)
            if not number % _BREATH:
                await asyncio.sleep(0)
        return True

    async def _doubt(self, told: Sequence[Told]) -> Fault | None:
        """Return why objects that seem to be gone are not: their definition is, with which they were swept away."""
        gone = [one.key for one in told if isinstance(one, Gone)]
        fault = await self._dropped(self.place.kind) if gone and self.place.kind.is_ours else None
        if fault is not None:
            self._reflector.doubt(gone)
        return fault

    async def _tell(self, one: Told) -> None:
        match one:
            case Here(_, document):
                self.standing = replace(self.standing, events=self.standing.events + 1)
                await self._here(document)
            case Gone((namespace, name)):
                self.standing = replace(self.standing, events=self.standing.events + 1)
                await self._gone(Ref(self.place.kind.name, namespace, name))
            case Complete():
                self.standing = replace(self.standing, is_synced=True)
                self.answered.set()
            case Fault():
                return  # over before anything is told

    async def _here(self, document: Mapping[str, Any]) -> None:
        found = kinds.parsed(self.place.kind, document)
        ref = found.resource.ref if found.resource is not None else names.best_effort_ref(_named(self.place, document))
        if found.resource is not None:
            await self._outlet.here(found.resource, document)
        await self._report(ref, found.problems)

    async def _gone(self, ref: Ref) -> None:
        await self._outlet.gone(ref)
        await self._report(ref, ())

    async def _report(self, ref: Ref, problems: tuple[Problem, ...]) -> None:
        """Say what is wrong with an object, once; it is told as it was last, if it was ever right."""
        if problems or ref in self._wrong:
            await self._outlet.put(Reported(f"{SOURCE}:{ref}", problems))
            self._wrong = self._wrong | {ref} if problems else self._wrong - {ref}

    async def _failed(self, fault: Fault, lasted: float = 0.0, heard: int = 0) -> None:
        self._reflector.failed(fault, lasted, heard)
        before, now = self.standing, _now()
        self._failing = now if self._last is None else self._failing
        self._last, since = fault, before.since or time.time()
        self.standing = replace(before, fault=standing.words(fault), since=since, faults=before.faults + 1)
        is_refused = fault.status in standing.REFUSALS
        if self._said != fault.status and (is_refused or now - self._failing >= self._pace.patience):
            self._said = fault.status
            await self._outlet.put(Reported(str(self.place), (standing.problem(self.standing, fault),)))
        if is_refused and self.place.name:
            self.standing = replace(self.standing, is_synced=True)
            self.answered.set()

    async def _reached(self) -> None:
        """Note that the server answers as it should."""
        if self._last is not None and self._last.status in _SHARED:
            self._pulse.beat()
        self._last = None
        objects = self._reflector.known
        self.standing = replace(self.standing, fault="", since=0.0, contact=time.time(), objects=objects)
        if self._said is not None:
            self._said = None
            await self._outlet.put(Reported(str(self.place), ()))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _named(place: Place, document: Mapping[str, Any]) -> dict[object, object]:
    return {"kind": place.kind.name, "metadata": document.get("metadata")}


def fault_of(error: api_server.ApiError) -> Fault:
    """Return what went wrong with a request."""
    return Fault(error.status, error.reason, error.message, error.retry_after)
