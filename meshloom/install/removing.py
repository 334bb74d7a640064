"""Take an installation away without taking traffic away: proxies keep what they have.

Law: what could hold others up goes first (the webhooks), then who writes (the control plane), then what only it could
have removed (finalizers), then the rest. Keys, kinds and people's resources stay unless they are asked for.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from mesh import resources
from meshloom.cluster import finalizers
from meshloom.install import applying, grants, objects, places, values
from meshloom.install.applying import Say
from meshloom.install.places import Place
from watchers import api_server

PAGE = 500
ENDED_SECONDS = 60.0
GONE_SECONDS = 60.0

_FIRST = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "Deployment")
_KEPT = ("Namespace", "CustomResourceDefinition")


def first(namespace: str) -> tuple[Place, ...]:
    """Return what goes before anything else, in this order."""
    found = {place.kind: place for place in _places(namespace)}
    return tuple(found[kind] for kind in _FIRST)


def rest(namespace: str) -> tuple[Place, ...]:
    """Return what goes once the control plane has ended, in this order."""
    return tuple(place for place in reversed(_places(namespace)) if place.kind not in (*_FIRST, *_KEPT))


def purged(namespace: str) -> tuple[Place, ...]:
    """Return what goes only if it is asked for: the kinds with all their resources, the namespace with all keys."""
    return tuple(place for place in reversed(_places(namespace)) if place.kind in _KEPT)


def _places(namespace: str) -> tuple[Place, ...]:
    return tuple(map(places.place, objects.objects(values.values([]), namespace)))


async def remove(api: api_server.ApiServer, namespace: str, say: Say, *, purge: bool) -> None:
    """Remove the installation of a namespace. Raises errors.UserError."""
    for place in first(namespace):
        await applying.delete(api, place, say)
    await _wait_ended(api, namespace)
    await release(api, say)
    bound = [place for kind in ("RoleBinding",) for place in await applying.labelled(api, kind)]
    for place in dict.fromkeys((*bound, *rest(namespace))):
        await applying.delete(api, place, say)
    if purge:
        await _purge(api, namespace, say)


async def _purge(api: api_server.ApiServer, namespace: str, say: Say) -> None:
    for place in (*await applying.labelled(api, "ConfigMap"), *purged(namespace)):
        await applying.delete(api, place, say)
    for place in purged(namespace):
        if not await _is_gone(api, place):
            say(f"{place} is still being deleted; kubectl describe says what it waits for")


async def _is_gone(api: api_server.ApiServer, place: Place) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GONE_SECONDS):
            for _ in itertools.count():
                with applying.told(f"{place} could not be read"):
                    if not await _is_there(api, place):
                        return True
                await asyncio.sleep(applying.POLL_SECONDS)
    return False


async def _is_there(api: api_server.ApiServer, place: Place) -> bool:
    try:
        await api.request("GET", place.path)
    except api_server.ApiError as fault:
        if fault.is_absent:
            return False
        raise
    return True


async def _wait_ended(api: api_server.ApiServer, namespace: str) -> None:
    """Wait until no control plane runs that could put back what is taken away."""
    await applying.wait_pods(api, namespace, running, ENDED_SECONDS)


def running(pods: Any) -> str:
    """Return how many of these pods there are, empty if none."""
    return f"still has {len(pods['items'])} pods" if pods["items"] else ""


# ---------------------------------------------------------------------------- finalizers


async def release(api: api_server.ApiServer, say: Say) -> None:
    """Take the finalizers off all resources of the mesh, so that they can be deleted. Raises errors.UserError."""
    for kind in resources.KINDS.values():
        released = 0
        with applying.told(f"the finalizers of {kind.plural} could not be released"):
            async for item in _items(api, kind.plural):
                released += await _released(api, kind, item)
        if released:
            say(f"{released} {kind.plural} released of their finalizers")


async def _items(api: api_server.ApiServer, plural: str) -> AsyncIterator[Mapping[str, Any]]:
    at, query = api_server.path(resources.API_VERSION, plural), {"limit": str(PAGE)}
    while True:
        try:
            page = await api.request("GET", at, query)
        except api_server.ApiError as fault:
            if fault.is_absent:
                return
            raise
        for item in page["items"]:
            yield item
        if not page["metadata"].get("continue"):
            return
        query = {"limit": str(PAGE), "continue": page["metadata"]["continue"]}


async def _released(api: api_server.ApiServer, kind: type[resources.Resource], item: Mapping[str, Any]) -> bool:
    metadata = item["metadata"]
    at = api_server.path(resources.API_VERSION, kind.plural, metadata["namespace"], metadata["name"])
    while (left := without_ours(kind.__name__, metadata.get("finalizers", ()))) is not None:
        body = {"metadata": {"finalizers": left, "resourceVersion": metadata["resourceVersion"]}}
        try:
            await api.request("PATCH", at, {}, body, content_type=api_server.MERGE_PATCH)
        except api_server.ApiError as fault:
            if fault.is_absent:
                return False
            if fault.reason != "Conflict":
                raise
            metadata = (await api.request("GET", at))["metadata"]
        else:
            return True
    return False


def without_ours(kind: str, present: Iterable[str]) -> list[str] | None:
    """Return the finalizers that stay on an object, those of others; None if none goes."""
    listed = list(present)
    left = [each for each in listed if each not in (finalizers.own(kind), finalizers.COMMON)]
    return left if len(left) < len(listed) else None


def described(namespace: str, *, purge: bool) -> list[str]:
    """Return what would be removed, one line each."""
    kinds = f"finalizers of meshloom on all {', '.join(kind.plural for kind in resources.KINDS.values())}"
    homes = [f"ConfigMap {grants.ROOT_MAP} of all namespaces", *map(str, purged(namespace))] if purge else []
    return [*map(str, first(namespace)), kinds, *map(str, rest(namespace)), *homes]
