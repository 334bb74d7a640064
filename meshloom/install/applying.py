"""Bring a cluster to what an installation is, and wait until it is so.

Law: applied by the server as one owner, so that doing it again changes nothing and what others own stays; what earlier
values asked for and these do not is removed; definitions never are.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from meshloom import errors
from meshloom.install import grants, places, roles, workload
from meshloom.install.places import Document, Place
from watchers import api_server

MANAGER = "meshloom-install"
"""The field manager: not that of the program, which owns what it writes into the same objects."""

ESTABLISHED_SECONDS = 60.0
POLL_SECONDS = 0.2

_OPTIONAL = ("ClusterRoleBinding", "NetworkPolicy", "RoleBinding")
"""Kinds of which other values may ask for other objects."""

_NAMES = (grants.NAME, roles.READER, roles.MAKER, grants.ROOT_MAP)

WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")

Say = Callable[[str], None]
Missing = Callable[[Any], str]
"""Returns what something lacks, empty if nothing."""


async def apply(api: api_server.ApiServer, documents: tuple[Document, ...], say: Say) -> None:
    """Apply the objects in their order, each definition established before the next kind. Raises errors.UserError."""
    for document in documents:
        await _applied(api, document, say)
        if document["kind"] == "CustomResourceDefinition":
            await _wait(api, places.place(document), unestablished, ESTABLISHED_SECONDS)
    for place in await _superseded(api, frozenset(map(places.place, documents))):
        await delete(api, place, say)


async def _applied(api: api_server.ApiServer, document: Document, say: Say) -> None:
    place = places.place(document)
    with told(f"{place} could not be applied"):
        await api.applied(place.path, document, {"fieldManager": MANAGER})
    say(f"{place} applied")


async def delete(api: api_server.ApiServer, place: Place, say: Say) -> None:
    """Delete an object, if it is there. Raises errors.UserError."""
    with told(f"{place} could not be deleted"):
        try:
            await api.request("DELETE", place.path, {"propagationPolicy": "Background"})
        except api_server.ApiError as fault:
            if fault.is_absent:
                return
            raise
    say(f"{place} deleted")


async def _superseded(api: api_server.ApiServer, wanted: frozenset[Place]) -> tuple[Place, ...]:
    found = [place for kind in _OPTIONAL for place in await labelled(api, kind)]
    return tuple(place for place in found if place not in wanted)


async def labelled(api: api_server.ApiServer, kind: str) -> list[Place]:
    """Return what there is of a kind, in any namespace, under our label and one of our names."""
    label = ",".join(f"{key}={value}" for key, value in roles.LABELS.items())
    with told(f"{kind} could not be listed"):
        listed = await api.request("GET", places.collection(kind), {"labelSelector": label})
    found = (Place(kind, *_address(item)) for item in listed["items"])
    return [place for place in found if place.name in _NAMES]


def _address(item: Any) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


# ---------------------------------------------------------------------------- waiting


async def wait_ready(api: api_server.ApiServer, namespace: str, seconds: float) -> None:
    """Return when all replicas are ready, no others run, and the webhooks can be asked. Raises errors.UserError.

    A former replica that is ending answers the webhooks, too, and as it was told to.
    """
    await _wait(api, Place("Deployment", namespace, grants.NAME), unready, seconds)
    await wait_pods(api, namespace, leaving, seconds)
    for kind in WEBHOOKS:
        await _wait(api, Place(kind, "", grants.NAME), unbundled, seconds)


async def wait_pods(api: api_server.ApiServer, namespace: str, missing: Missing, seconds: float) -> None:
    """Return when nothing is missing of the list of the control plane's pods. Raises errors.UserError."""
    selector = ",".join(f"{key}={value}" for key, value in workload.SELECTOR.items())
    at = api_server.path("v1", "pods", namespace)
    await _until(
        lambda: api.request("GET", at, {"labelSelector": selector}),
        f"Deployment {namespace}/{grants.NAME}",
        missing,
        seconds,
    )


async def _wait(api: api_server.ApiServer, place: Place, missing: Missing, seconds: float) -> None:
    await _until(lambda: api.request("GET", place.path), str(place), missing, seconds)


async def _until(read: Callable[[], Awaitable[Any]], what: str, missing: Missing, seconds: float) -> None:
    said = "has not been seen"
    try:
        async with asyncio.timeout(seconds):
            for _ in itertools.count():
                with told(f"{what} could not be read"):
                    said = missing(await read())
                if not said:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise errors.UserError(f"{what} {said} after {seconds:g} s; kubectl describe says more") from None


def unestablished(document: Any) -> str:
    """Return why a definition cannot be used yet, empty if it can."""
    conditions = {each["type"]: each for each in document.get("status", {}).get("conditions") or ()}
    if conditions.get("Established", {}).get("status") == "True":
        return ""
    refused = conditions.get("NamesAccepted", {})
    return f"is not established: {refused['message']}" if refused.get("status") == "False" else "is not established"


def unready(document: Any) -> str:
    """Return what a Deployment lacks, empty if all that is wanted is there and nothing else."""
    status, wanted = document.get("status", {}), document["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < document["metadata"]["generation"]:
        return "has not been taken up by the cluster"
    new, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if min(new, ready) < wanted:
        return f"has {min(new, ready)} of {wanted} replicas ready"
    return f"has {status['replicas'] - new} old replicas left" if status.get("replicas", 0) > new else ""


def leaving(pods: Any) -> str:
    """Return how many of these pods are ending, empty if none is."""
    count = sum(bool(each["metadata"].get("deletionTimestamp")) for each in pods["items"])
    return f"has {count} old replicas that are ending" if count else ""


def unbundled(document: Any) -> str:
    """Return what API servers lack to trust a webhook, empty if nothing: the program itself puts it there."""
    clients = [each.get("clientConfig", {}) for each in document.get("webhooks") or ()]
    return "" if all(each.get("caBundle") for each in clients) else "has no certificate authority"


# ---------------------------------------------------------------------------- what goes wrong


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Say what the API server refuses as a fault of the user's side, which it nearly always is."""
    try:
        yield
    except api_server.ApiError as fault:
        raise errors.UserError(f"{what}: {fault.message}") from None
