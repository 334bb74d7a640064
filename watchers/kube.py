"""A Kubernetes API server as a source of events: every kind that a mesh needs, listed and then watched for ever.

Law: synced when every kind has been listed to its end, and every Secret that is referred to looked for. Nothing it
meets later takes away what was seen; each kind recovers by itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mesh.problems import Ref
from mesh.resources import Resource
from watchers import api_server, following, kinds, secrets, standing
from watchers.events import Applied, Deleted, Event, Synced
from watchers.reflector import Fault

Aside = Callable[[Ref, Mapping[str, Any] | None], None]
"""Is told of each object of the nine kinds how the server writes it, with its status; None when it is gone."""

HOLD: Final = 5.0
"""Seconds that an object waits at most for the Secrets it refers to, once the source is synced."""

_ROOM: Final = 64
_DROPPED: Final = Fault(standing.NOT_FOUND, "NotDefined", "its definition is being deleted")
_DEFINITIONS: Final = ("apiextensions.k8s.io/v1", "customresourcedefinitions")


def ignored(_ref: Ref, _written: Mapping[str, Any] | None) -> None:
    """Take no note of how objects are written."""


def _no_secrets(_resource: Resource) -> Iterable[Ref]:
    return ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is followed. No namespaces: all of them. `secrets` are those that an object refers to, `always` those that
    something else does.
    """

    namespaces: tuple[str, ...] = ()
    secrets: Callable[[Resource], Iterable[Ref]] = _no_secrets
    always: frozenset[Ref] = frozenset()
    followed: tuple[kinds.Kind, ...] = kinds.FOLLOWED
    pace: following.Pace = field(default_factory=following.Pace)


class KubeSource:
    """The objects of an API server: a `watchers.feed.Source`. Its events never raise for what the server does."""

    def __init__(self, api: api_server.ApiServer, wanted: Wanted, aside: Aside = ignored) -> None:
        self.name = following.SOURCE
        self._api, self._wanted, self._aside = api, wanted, aside
        self._pulse = following.Pulse()
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue(_ROOM)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_synced = False
        self._followings = tuple(self._following(place) for place in _places(wanted))
        self._secrets: secrets.Secrets | None = None

    @property
    def standings(self) -> tuple[standing.Standing, ...]:
        """How well each kind is followed."""
        of_secrets = self._secrets.followings if self._secrets else ()
        return tuple(one.standing for one in (*self._followings, *of_secrets))

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the objects and problems of all kinds, `Synced`, then what changes."""
        self._secrets = secrets.Secrets(self._following, self.put, self._started, self._wanted.always)
        for one in self._followings:
            self._started(one.run())
        self._started(self._syncing(self._secrets))
        try:
            while True:
                event = await self._events.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def put(self, event: Event) -> None:
        """Tell this (`following.Outlet`)."""
        await self._events.put(event)

    async def here(self, resource: Resource, written: Mapping[str, Any]) -> None:
        """Tell an object, once the Secrets it refers to have been looked for (`following.Outlet`)."""
        ref, wanted = resource.ref, frozenset(self._wanted.secrets(resource))
        if ref.kind in _OURS:
            self._aside(ref, written)
        if self._secrets is not None and wanted:
            self._secrets.want(ref, wanted)
            await self._held(self._secrets, wanted)
        await self.put(Applied(resource))
        if self._secrets is not None and ref.kind in _OURS:
            await self._secrets.settle(ref, wanted)

    async def gone(self, ref: Ref) -> None:
        """Tell that an object is gone (`following.Outlet`)."""
        await self.put(Deleted(ref))
        if self._secrets is not None and ref.kind in _OURS:
            self._aside(ref, None)
            await self._secrets.settle(ref, frozenset())

    async def _held(self, held: secrets.Secrets, wanted: frozenset[Ref]) -> None:
        if not self._is_synced:
            return
        try:
            async with asyncio.timeout(HOLD):  # wait_for may swallow a cancellation before Python 3.12
                await held.answered(wanted)
        except TimeoutError:
            return  # the Secret is missed meanwhile, and taken up when it comes

    async def _syncing(self, of: secrets.Secrets) -> None:
        for one in self._followings:
            await one.answered.wait()
        await of.answered()
        self._is_synced = True
        await self.put(Synced(self.name))

    async def _dropped(self, kind: kinds.Kind) -> Fault | None:
        """Return what is wrong with the definition of a kind: it is not there, or on its way out."""
        path = api_server.path(*_DEFINITIONS, name=kind.resource)
        accept = following.METADATA.format("PartialObjectMetadata")
        try:
            found = await self._api.request("GET", path, accept=accept, within=self._wanted.pace.answer)
        except api_server.ApiError as error:
            may_look = error.status != standing.FORBIDDEN  # who may not look must believe
            return following.fault_of(error) if may_look else None
        return _DROPPED if found.get("metadata", {}).get("deletionTimestamp") else None

    def _following(self, place: following.Place) -> following.Following:
        return following.Following(place, self._api, self, self._pulse, self._wanted.pace, self._dropped)

    def _started(self, running: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Let whoever reads the events have what a task raised, which is a fault of ours."""
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._tasks.add(late := asyncio.ensure_future(self._events.put(error)))
            late.add_done_callback(self._tasks.discard)


_OURS: Final = frozenset(kind.name for kind in kinds.FOLLOWED if kind.is_ours)


def _places(wanted: Wanted) -> Iterator[following.Place]:
    """Yield what is followed for its own sake: every kind, everywhere, or of the namespaces and in each of them."""
    if not wanted.namespaces:
        yield from map(following.Place, wanted.followed)
        return
    for kind in wanted.followed:
        of_all = kind.is_namespaced
        yield from (following.Place(kind, at) if of_all else following.Place(kind, "", at) for at in wanted.namespaces)
