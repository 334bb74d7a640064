"""A source of a real API server, and objects to put there."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import yaml

from mesh.problems import Ref
from mesh.resources import Resource
from tests import drained
from tests import written as shorts
from watchers import api_server, following, kinds, kube, standing

EAGER = following.Pace(watch=(300.0, 600.0), silence=150.0, answer=10.0, patience=0.0)
"""Faults are said at once."""


def kinds_of(*names: str) -> tuple[kinds.Kind, ...]:
    """Return the kinds of these names."""
    return tuple(kind for kind in kinds.FOLLOWED if kind.name in names)


class Watched(drained.Drained[kube.KubeSource]):
    """What the API server has told."""

    def names(self, kind: str) -> set[str]:
        """Return the names of all objects of a kind."""
        return {item.metadata.name for item in self.store.inventory() if item.kind == kind}

    def get(self, kind: str, namespace: str, name: str) -> Resource | None:
        return self.store.inventory().get(Ref(kind, namespace, name))

    def standing(self, kind: str) -> standing.Standing:
        """Return how a kind is followed that is followed in one place."""
        (found,) = (one for one in self.source.standings if one.kind.name == kind)
        return found


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


async def written(api: api_server.ApiServer, text: str, namespace: str) -> None:
    """Apply short documents (`tests.written`) of the namespace `shop` in another namespace."""
    for short in yaml.safe_load_all(text.replace("shop/", f"{namespace}/")):
        await applied(api, shorts.document(short))
