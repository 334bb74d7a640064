"""Outbound connections of bytes in explicit capture: where an application dials, and which service that reaches.

Law: a way that leads nowhere stays a listener that closes its connections at once; its counters say why by their name.
A chain is built once for each port of a service, whoever calls. What the routes of a port say never touches a listener.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mesh import graph, layers
from mesh.layers import NEVER, Stage
from mesh.problems import Ref
from translator import doors, names, outbound, resources, tcp
from translator.bundles import Part
from translator.doors import Door
from translator.outbound import Reach, Scoped
from translator.proxies import Explicit, Sidecar
from translator.traffic import Traffic

Proxies = Mapping[Sidecar, None]


class Called(NamedTuple):
    """A service and one of its ports, 0 where it has but one."""

    service: Ref
    port: int


class Way(NamedTuple):
    """The door of a way, and the filters that it takes from elsewhere."""

    door: Door
    filters: Part = ()


@dataclass(frozen=True, slots=True)
class OutboundTcp:
    """The proxies that have such ways; ways by what is called, and by proxy in the order of its own."""

    proxies: Stage[Sidecar, tuple[Called, ...]]
    called: Stage[Called, Way]
    ways: Stage[Sidecar, tuple[Way, ...]]


NOBODY = OutboundTcp(NEVER, NEVER, NEVER)
"""What there is where nobody has such ways."""


def outbound_tcp(of: graph.Graph, proxies: Proxies, reach: Reach, kept: Traffic, previous: OutboundTcp) -> OutboundTcp:
    """Return all ways of these sidecars."""
    asked = layers.grouped(previous.proxies, (proxies,), _asked)
    called = layers.staged(previous.called, (asked.values, of.services), _called, functools.partial(_way, kept=kept))
    given = (asked.values, of.deployments, reach.scopes.values, called.values)
    return OutboundTcp(asked, called, layers.staged(previous.ways, given, _each, _ways))


def _asked(proxies: Proxies) -> dict[Sidecar, tuple[Called, ...]]:
    explicit = ((proxy, proxy.capture) for proxy in proxies if isinstance(proxy.capture, Explicit))
    return {
        proxy: tuple(Called(way.service, way.service_port) for way in capture.outbound_tcp)
        for proxy, capture in explicit
        if capture.outbound_tcp
    }


def _called(
    asked: Mapping[Sidecar, tuple[Called, ...]], services: Mapping[Ref, graph.Service]
) -> dict[Called, tuple[Any, ...]]:
    found = dict.fromkeys(one for several in asked.values() for one in several)
    return {one: (one, _port(services.get(one.service), one.port)) for one in found}


def _port(service: graph.Service | None, port: int) -> graph.TcpPort | None:
    """Return the port that is meant, or None if there is no such port, or more than one and none named."""
    served = {each.port: each for each in (*service.tls, *service.tcp)} if service else {}
    return served.get(port or (next(iter(served)) if len(served) == 1 else 0))


def _way(called: Called, port: graph.TcpPort | None, kept: Traffic) -> Way:
    return _closed(called, names.NO_PORT) if port is None else way(called.service, port, kept)


def way(service: Ref, port: graph.TcpPort, kept: Traffic) -> Way:
    """Return the way to a port of a service."""
    name = names.outbound_port(service, port.port)
    split = tcp.split(port, name, name if port.shares else f"{name}/{names.NO_SHARES}", kept)
    return Way(doors.plain(tcp.outbound(name), (resources.FILTER, name)), (split,))


def _closed(called: Called, reason: str) -> Way:
    return Way(doors.plain(tcp.nowhere(f"{names.outbound_port(called.service, called.port)}/{reason}")))


def _each(
    asked: Mapping[Sidecar, tuple[Called, ...]],
    deployments: Mapping[Ref, graph.Deployment],
    scopes: Mapping[Ref, Scoped],
    called: Mapping[Called, Way],
) -> dict[Sidecar, tuple[Any, ...]]:
    """Return for each proxy what it calls and how, where its scope has the service, else how it does not."""
    found = {}
    for proxy, several in asked.items():
        reached = outbound.services(scopes[deployments[proxy.deployment].service])
        found[proxy] = tuple(called[one] if one.service in reached else one for one in several)
    return {proxy: (those,) for proxy, those in found.items()}


def _ways(given: tuple[Way | Called, ...]) -> tuple[Way, ...]:
    return tuple(one if isinstance(one, Way) else _closed(one, names.NO_POLICY) for one in given)
