"""How far each proxy is: from what its stream, its peer record and its snapshot say to what people are shown.

Law: pure; it reads what the protocol tells and decides nothing about it.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from meshloom import plain, short_names
from meshloom.identity import claim
from meshloom.operator import shapes
from translator import proxies
from xds import gate, peers, resource_types, snapshot, standing

NAMES_SHOWN: Final = 20
"""Resources of one rejection that are named."""

WAITS_SHOWN: Final = 20
"""Resources of one type that are held back and named."""

WORDS_SHOWN: Final = 4096
IDENTITY_SHOWN: Final = 1024

_WORST: Final[tuple[shapes.TypeState, ...]] = ("rejected", "pending", "synced", "unused")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is held back, behind what, and since when, in seconds since the epoch."""

    wait: gate.Wait
    at: float


@dataclass(frozen=True, slots=True)
class Connected:
    """All that is known of one stream: who it is, what it was told, how far it is, and what it should have."""

    proxy: proxies.Proxy
    told: peers.PeerView
    standings: Mapping[str, standing.Standing]
    should: snapshot.Snapshot | None
    waits: tuple[Waiting, ...] = ()


def _capture(of: proxies.Proxy) -> shapes.Capture:
    match of:
        case proxies.Sidecar(capture=proxies.Explicit()):
            return "explicit"
        case proxies.Sidecar():
            return "transparent"
        case proxies.Gateway():
            return "none"
        case proxies.Proxyless():
            return "proxyless"


def _deployment(of: proxies.Proxy) -> str:
    return of.deployment.key if isinstance(of, proxies.Gateway) and of.deployment is not None else ""


def proxy(connected: Connected) -> shapes.Proxy:
    """Return how far a proxy is."""
    owner, peer = claim.owner(connected.proxy), connected.told.peer
    types = tuple(_type(connected, type_url) for type_url in short_names.OF)
    return shapes.Proxy(
        kind="IngressGateway" if isinstance(connected.proxy, proxies.Gateway) else "VirtualDeployment",
        namespace=owner.namespace,
        name=owner.name,
        node=plain.printable(peer.node_id, IDENTITY_SHOWN),
        stream=peer.stream,
        envoy=plain.printable(peer.version, IDENTITY_SHOWN),
        variant="delta" if peer.variant == "delta" else "sotw",
        capture=_capture(connected.proxy),
        deployment=_deployment(connected.proxy),
        address=peer.address,
        connected=moment(peer.since),
        state=worst(each.state for each in types),
        types=types,
    )


def worst(states: Iterator[shapes.TypeState]) -> shapes.TypeState:
    """Return the state that most wants attention; `unused` if there is none."""
    return min(states, key=_WORST.index, default="unused")


def moment(seconds: float) -> datetime.datetime:
    """Return seconds since the epoch as a time in UTC, to the millisecond."""
    return datetime.datetime.fromtimestamp(round(seconds, 3), datetime.UTC)


def since(several: peers.Waits, now: float) -> tuple[Waiting, ...]:
    """Return what is held back, with when that began."""
    return tuple(Waiting(wait, now - seconds) for wait, seconds in several)


def waits(connected: Connected, type_url: str) -> tuple[shapes.Wait, ...]:
    """Return what is held back of a type, longest first."""
    own = sorted((each for each in connected.waits if each.wait.type_url == type_url), key=_longest)
    return tuple(_wait(connected, each) for each in own)


def rejections(told: peers.TypeView) -> tuple[shapes.Rejection, ...]:
    """Return the rejections that stand, oldest first."""
    return tuple(
        shapes.Rejection(
            resources=nack.names[:NAMES_SHOWN],
            more=max(0, len(nack.names) - NAMES_SHOWN),
            message=plain.printable(nack.message, WORDS_SHOWN),
            version=nack.version,
            since=moment(nack.at),
        )
        for nack in told.nacks
    )


_WHERE_ASKED_FOR = frozenset({resource_types.SECRET, resource_types.RUNTIME})


def is_due(connected: Connected, type_url: str) -> bool:
    """Return whether the proxy should have resources of a type that it does not ask for."""
    stands = connected.standings[type_url]
    return any(not stands.covers(name) for name in expected(connected, type_url))


def expected(connected: Connected, type_url: str) -> Iterator[str]:
    """Yield the names that a proxy is to have: all in its snapshot, but of secrets, and of runtimes, which bootstraps
    of old do not know, only those that it asks for, and a proxyless client only what it asks for: who has no use for
    them leaves nothing undone.
    """
    if connected.should is None:
        return
    stands = connected.standings[type_url]
    is_free = isinstance(connected.proxy, proxies.Proxyless) or type_url in _WHERE_ASKED_FOR
    yield from (name for name in connected.should.names(type_url) if not is_free or stands.covers(name))


def _type(connected: Connected, type_url: str) -> shapes.Type:
    told = connected.told.types.get(type_url, peers.TypeView())
    stands = state(connected, type_url, told)
    held_back = waits(connected, type_url)
    return shapes.Type(
        type=short_names.OF[type_url],
        state=stands,
        since=None if stands == "unused" else moment(_since(stands, told, connected.told.peer.since)),
        sent=told.sent,
        acked=told.acked,
        rejections=rejections(told),
        waits=held_back[:WAITS_SHOWN],
        more_waits=max(0, len(held_back) - WAITS_SHOWN),
    )


def state(connected: Connected, type_url: str, told: peers.TypeView) -> shapes.TypeState:
    """Return how far a proxy is with a type."""
    stands = connected.standings[type_url]
    if told.nacks:
        return "rejected"
    if is_due(connected, type_url):
        return "pending"
    if not stands.asked:
        return "unused"
    return "synced" if stands.settled else "pending"


def _since(state: shapes.TypeState, told: peers.TypeView, connected: float) -> float:
    """Return when a state began; a proxy that returned with what it had was in sync from the start."""
    if state == "rejected":
        return told.nacks[0].at
    return (told.acked_at if state == "synced" else max(told.sent_at, told.acked_at)) or connected


def _longest(waiting: Waiting) -> tuple[float, str]:
    return waiting.at, waiting.wait.name


def _wait(connected: Connected, waiting: Waiting) -> shapes.Wait:
    wait = waiting.wait
    behind = tuple(f"{short_names.OF[type_url]} {name}" for type_url, name in wait.behind)
    return shapes.Wait(
        resource=wait.name,
        withdrawn=connected.should is None or connected.should.get(wait.type_url, wait.name) is None,
        behind=behind[:NAMES_SHOWN],
        more=max(0, len(behind) - NAMES_SHOWN),
        since=moment(waiting.at),
    )
