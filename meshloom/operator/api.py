"""The operator API: how far each proxy is, over HTTP on a unix socket.

Law: it only reads. What it takes from the event loop are immutable values, a few proxies at a time; comparing, decoding
and writing JSON is done in a thread.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import pydantic
from aiohttp import typedefs, web

from meshloom import listening, short_names
from meshloom.identity import claim
from meshloom.operator import comparison, shapes, view
from translator import proxies
from xds import peers, snapshot, standing

AT_ONCE = 16
"""So many proxies are looked at before the other tasks of the loop get their turn."""

Chosen = Callable[[proxies.Proxy, peers.Peer], bool]
_Held = Mapping[str, Mapping[str, str]]


class Peers(Protocol):
    """Who is connected (`xds.peers.Peers`)."""

    def views(self) -> tuple[peers.PeerView, ...]:
        """Return all connected streams, oldest first."""

    def held(self, stream: int, type_url: str) -> Mapping[str, str]:
        """Return what a peer has accepted."""

    def standing(self, stream: int, type_url: str) -> standing.Standing:
        """Return how far a peer is with a type."""

    def waits(self, stream: int) -> peers.Waits:
        """Return what is held back on a stream, and by what."""


class Snapshots(Protocol):
    """What each proxy should have (`xds.cache.Cache`)."""

    def get(self, key: proxies.Proxy, /) -> snapshot.Snapshot | None:
        """Return the newest snapshot of a proxy."""


def application(
    connected: Peers, snapshots: Snapshots, guards: tuple[typedefs.Middleware, ...] = ()
) -> web.Application:
    """Return what answers on the operator socket; `guards` are asked before each answer."""
    desk = _Desk(connected, snapshots)
    made = web.Application(middlewares=[listening.bounded, *guards])
    made.add_routes(
        [
            web.get("/proxies", desk.proxies),
            web.get("/proxies/{proxy:.+}", desk.proxies),
            web.get("/config/{proxy:.+}", desk.config),
        ]
    )
    return made


class _Desk:
    """Answers questions about the proxies that are connected."""

    def __init__(self, connected: Peers, snapshots: Snapshots) -> None:
        self._peers, self._snapshots = connected, snapshots

    async def proxies(self, request: web.Request) -> web.Response:
        """Answer how far all proxies are, or those of one name."""
        asked = request.match_info.get("proxy", "")
        found = await self._connected(asked)
        return await _answer(lambda: shapes.Proxies(version=shapes.VERSION, proxies=tuple(map(view.proxy, found))))

    async def config(self, request: web.Request) -> web.Response:
        """Answer what the proxies of one name should have and have."""
        wanted = comparison.Wanted(request.query.get("type"), request.query.get("name"))
        if wanted.type not in (None, *short_names.OF.values()):
            raise _fault(web.HTTPBadRequest, f"type is one of {', '.join(short_names.OF.values())}")
        found = await self._connected(request.match_info["proxy"])
        pairs = []
        for each in found:
            pairs.append((each, self._held(each.told.peer.stream)))
            await asyncio.sleep(0)
        return await _answer(lambda: shapes.Configs(version=shapes.VERSION, configs=tuple(_configs(pairs, wanted))))

    async def _connected(self, asked: str) -> list[view.Connected]:
        """Return the streams of the proxies of one name, or all; not found if one was named and is not there."""
        found = []
        for number, (proxy, told) in enumerate(_matching(self._peers.views(), asked)):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            stream = told.peer.stream
            standings = {type_url: self._peers.standing(stream, type_url) for type_url in short_names.OF}
            waits = view.since(self._peers.waits(stream), time.time())
            found.append(view.Connected(proxy, told, standings, self._snapshots.get(proxy), waits))
        if asked and not found:
            raise _fault(web.HTTPNotFound, f"no proxy {asked} is connected")
        return found

    def _held(self, stream: int) -> _Held:
        return {type_url: self._peers.held(stream, type_url) for type_url in short_names.OF}


def _matching(views: Iterable[peers.PeerView], asked: str) -> Iterator[tuple[proxies.Proxy, peers.PeerView]]:
    """Yield the streams of proxies whose owner or gateway deployment (`namespace/name`) or node id is asked for; all if
    nothing is.
    """
    for each in views:
        key = each.peer.key
        if isinstance(key, proxies.Proxy) and asked in (
            "",
            claim.owner(key).key,
            claim.given_by(key).key,
            each.peer.node_id,
        ):
            yield key, each


def _configs(pairs: Iterable[tuple[view.Connected, _Held]], wanted: comparison.Wanted) -> Iterator[shapes.Config]:
    return (comparison.config(connected, held, wanted) for connected, held in pairs)


async def _answer(made: Callable[[], pydantic.BaseModel]) -> web.Response:
    """Return a document as JSON, made in a thread."""
    text = await asyncio.to_thread(lambda: made().model_dump_json())
    return web.Response(text=text, content_type="application/json")


def _fault(kind: type[web.HTTPError], said: str) -> web.HTTPError:
    return kind(text=said, content_type="text/plain")
