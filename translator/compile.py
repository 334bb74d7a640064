"""From a graph to the Envoy resources of the proxies that are connected, in parts that are shared.

Law: a compile that starts from a previous one equals a fresh one byte for byte, and what a change does not touch
stays the same object; whatever the number of proxies, nothing is built for each pair of proxy and destination.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from mesh import graph, layers
from mesh.layers import NEVER, Layer, Stage
from mesh.problems import Ref
from translator import (
    captured_sidecar,
    clusters,
    egress,
    endpoints,
    gateway,
    outbound,
    proxyless,
    sidecar,
    traffic,
    upstreams,
)
from translator import proxies as kinds
from translator.bundles import Bundle
from translator.proxies import Explicit, Gateway, Proxy, Proxyless, Sidecar, Transparent
from translator.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Behind:
    """The deployments behind each site: behind the hosts of gateways, and behind all."""

    gateways: Stage[gateway.SiteKey, tuple[Ref, ...]]
    sites: Stage[Any, tuple[Ref, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose bundles are asked for, and those of them in order that have a place in the graph."""

    proxies: frozenset[Proxy]
    sidecars: Stage[Sidecar, None]
    explicit: Stage[Sidecar, None]
    transparent: Stage[Sidecar, None]
    """The sidecars of each kind of capture."""
    gateways: Stage[Gateway, None]
    proxyless: Stage[Proxyless, None]


@dataclass(frozen=True, slots=True)
class Compilation:
    """Bundles by proxy, in order; the rest is kept for the next compile.

    Parts, and whole bundles, are the same objects wherever and whenever their content is the same.
    """

    bundles: Mapping[Proxy, Bundle]
    joined: Stage[Proxy, Bundle]
    asked: Asked
    reach: outbound.Reach
    doors: gateway.Sites
    behind: Behind
    upstreams: upstreams.Upstreams
    loads: endpoints.Loads
    outbound: outbound.Outbound
    sidecars: sidecar.Sidecars
    captured: captured_sidecar.CapturedSidecars
    gateways: gateway.Gateways
    proxyless: proxyless.Clients
    kept: Traffic = traffic.DEFAULT


_NOTHING: Layer[Any, Any] = Layer({}, {})

NOTHING = Compilation(
    {},
    NEVER,
    Asked(frozenset(), *[NEVER] * 5),
    outbound.Reach(*[NEVER] * 8),
    _NOTHING,
    Behind(NEVER, NEVER),
    upstreams.Upstreams(*[NEVER] * 3),
    endpoints.NOTHING,
    outbound.Outbound(egress.NOBODY, endpoints.NOBODYS, *[NEVER] * 7),
    sidecar.NOBODY,
    captured_sidecar.NOBODY,
    gateway.Gateways(_NOTHING, endpoints.NOBODYS, *[_NOTHING] * 4),
    proxyless.NOBODY,
)
"""The compile of nothing for nobody."""


def compiled(
    of: graph.Graph, proxies: Iterable[Proxy], previous: Compilation | None = None, kept: Traffic = traffic.DEFAULT
) -> Compilation:
    """Return the bundles of these proxies, whose traffic is kept alive by that. One whose deployment or gateway is not
    in the graph has none.
    """
    before = previous if previous is not None and previous.kept == kept else NOTHING
    asked = _asked(of, frozenset(proxies), before.asked)
    beside, edges = asked.sidecars.values, asked.gateways.values

    reach = outbound.reach(of, beside, before.reach)
    doors = gateway.sites(of, dict.fromkeys(one.given_by for one in edges), kept, before.doors)
    behind = _behind(of, reach, doors, before.behind)
    build = functools.partial(clusters.of_deployment, kept=kept)
    found = upstreams.upstreams(behind.sites.values, of.deployments, reach.routeless.values, build, before.upstreams)
    loads = endpoints.loads(behind.sites.values, of, before.loads)
    near = loads.by_deployment.values
    shared = outbound.outbound(of, reach, found.by_site.values, near, kept, before.outbound)
    sidecars = sidecar.sidecars(of, asked.explicit.values, reach, shared, kept, before.sidecars)
    captured = captured_sidecar.sidecars(of, asked.transparent.values, reach, shared, kept, before.captured)
    by_gateway = endpoints.shared((behind.gateways.values,), gateway.deployments, near, before.gateways.endpoints)
    gateways = gateway.gateways(of, edges, doors.values, found.by_site.values, by_gateway, kept, before.gateways)
    clients = proxyless.clients(of, asked.proxyless.values, before.proxyless)
    joined: Stage[Any, Bundle] = layers.united(
        before.joined,
        gateways.bundles.values,
        sidecars.bundles.values,
        captured.bundles.values,
        clients.bundles.values,
    )
    return Compilation(
        joined.values,
        joined,
        asked,
        reach,
        doors,
        behind,
        found,
        loads,
        shared,
        sidecars,
        captured,
        gateways,
        clients,
        kept,
    )


def _asked(of: graph.Graph, proxies: frozenset[Proxy], previous: Asked) -> Asked:
    same = previous.proxies if proxies is previous.proxies or proxies == previous.proxies else proxies
    beside = layers.grouped(previous.sidecars, (same, of.deployments), _sidecars)
    return Asked(
        same,
        beside,
        layers.grouped(previous.explicit, (beside.values,), _explicit),
        layers.grouped(previous.transparent, (beside.values,), _transparent),
        layers.grouped(previous.gateways, (same, of.gateways, of.deployed), _gateways),
        layers.grouped(previous.proxyless, (same, of.deployments), _proxyless),
    )


def _sidecars(asked: frozenset[Proxy], deployments: Mapping[Ref, graph.Deployment]) -> dict[Sidecar, None]:
    found = (proxy for proxy in asked if isinstance(proxy, Sidecar) and proxy.deployment in deployments)
    return dict.fromkeys(kinds.in_order(found))


def _explicit(sidecars: Mapping[Sidecar, None]) -> dict[Sidecar, None]:
    return dict.fromkeys(one for one in sidecars if isinstance(one.capture, Explicit))


def _transparent(sidecars: Mapping[Sidecar, None]) -> dict[Sidecar, None]:
    return dict.fromkeys(one for one in sidecars if isinstance(one.capture, Transparent))


def _gateways(
    asked: frozenset[Proxy], gateways: Mapping[Ref, graph.Gateway], deployed: Mapping[Ref, graph.Gateway]
) -> dict[Gateway, None]:
    edges = ((one, (deployed if one.deployment else gateways).get(one.given_by)) for one in asked if _is_gateway(one))
    return dict.fromkeys(kinds.gateways_in_order(one for one, meant in edges if meant and meant.ref == one.gateway))


def _is_gateway(proxy: Proxy) -> TypeGuard[Gateway]:
    return isinstance(proxy, Gateway)


def _proxyless(asked: frozenset[Proxy], deployments: Mapping[Ref, graph.Deployment]) -> dict[Proxyless, None]:
    found = (proxy for proxy in asked if isinstance(proxy, Proxyless) and proxy.deployment in deployments)
    return dict.fromkeys(sorted(found))


def _behind(of: graph.Graph, reach: outbound.Reach, doors: gateway.Sites, previous: Behind) -> Behind:
    given = (doors.values, of.deployments, reach.routeless.values)
    edges = layers.staged(previous.gateways, given, gateway.behind_inputs, layers.as_given)
    sites: Stage[Any, tuple[Ref, ...]] = layers.united(previous.sites, reach.behind.values, edges.values)
    return Behind(edges, sites)
