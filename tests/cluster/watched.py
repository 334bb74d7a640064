"""A source of a real API server, drained into a store; `until` waits for it to look as expected."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from mesh.problems import Ref
from mesh.resources import Resource
from watchers import api_server, events, following, kinds, kube, standing, store

PATIENCE = 60.0
"""Seconds after which an awaited event is taken not to come; never waited for in a passing test."""

EAGER = following.Pace(watch=(300.0, 600.0), silence=150.0, answer=10.0, patience=0.0)
"""Faults are said at once."""


def kinds_of(*names: str) -> tuple[kinds.Kind, ...]:
    """Return the kinds of these names."""
    return tuple(kind for kind in kinds.FOLLOWED if kind.name in names)


class Watched:
    """What a source has told."""

    def __init__(self, source: kube.KubeSource) -> None:
        self.source, self.store, self.told = source, store.Store(), list[events.Event]()
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        async with contextlib.aclosing(self.source.events()) as stream:
            async for event in stream:
                async with self._news:
                    self.told.append(event)
                    self.store.apply(event)
                    self._news.notify_all()

    async def until(self, expected: Callable[[], object]) -> None:
        """Wait until this is so; what it looks at may also change without an event."""
        async with asyncio.timeout(PATIENCE):
            while not expected():
                if self._task.done():
                    await self._task
                async with self._news:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), 0.05)

    async def until_synced(self) -> None:
        """Wait until everything has been listed."""
        await self.until(lambda: self.is_synced)

    @property
    def is_synced(self) -> bool:
        return self.store.synced([self.source.name])

    def names(self, kind: str) -> set[str]:
        """Return the names of all objects of a kind."""
        return {item.metadata.name for item in self.store.inventory() if item.kind == kind}

    def get(self, kind: str, namespace: str, name: str) -> Resource | None:
        return self.store.inventory().get(Ref(kind, namespace, name))

    def standing(self, kind: str) -> standing.Standing:
        """Return how a kind is followed that is followed in one place."""
        (found,) = (one for one in self.source.standings if one.kind.name == kind)
        return found

    def problems(self) -> list[str]:
        return [str(problem) for problem in self.store.problems()]

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def watching(access: api_server.Access, wanted: kube.Wanted) -> AsyncIterator[Watched]:
    """Yield what is seen through this access, until the block ends."""
    async with api_server.connected(access) as api:
        watched = Watched(kube.KubeSource(api, wanted))
        try:
            yield watched
        finally:
            await watched.stop()


def service(namespace: str, name: str, port: int = 80) -> dict[str, Any]:
    """Return a Service."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


async def applied(api: api_server.ApiServer, document: dict[str, Any]) -> None:
    """Apply an object of any kind that a mesh is made of."""
    kind = next(one for one in kinds.FOLLOWED if one.name == document["kind"])
    at = document["metadata"]
    await api.applied(api_server.path(kind.api_version, kind.plural, at["namespace"], at["name"]), document)
