"""From a graph to the Envoy resources of the proxies that are connected, in parts that are shared.

Law: a compile that starts from a previous one equals a fresh one byte for byte, and what a change does not touch
stays the same object; whatever the number of proxies, nothing is built for each pair of proxy and destination.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, layers
from mesh.layers import NEVER, Layer, Stage
from mesh.problems import Ref
from translator import bundles, clusters, gateway, outbound, sidecar
from translator.bundles import Bundle, Part
from translator.proxies import Gateway, Proxy, Sidecar

SiteKey = outbound.SiteKey | gateway.SiteKey


Inputs = dict[Any, tuple[object, ...]]
Behind = Mapping[SiteKey, tuple[Ref, ...]]
"""The deployments behind each site."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Clusters by deployment, and by site those of all deployments behind it.

    All, not only those that a route names today: a weight that leaves 0 then changes routes and nothing else.
    """

    behind_gateways: Stage[gateway.SiteKey, tuple[Ref, ...]]
    behind: Stage[Any, tuple[Ref, ...]]
    by_deployment: Stage[Ref, Part]
    by_site: Stage[Any, Part]


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose bundles are asked for, and those of them in order that have a place in the graph."""

    proxies: frozenset[Proxy]
    sidecars: Stage[Sidecar, None]
    gateways: Stage[Gateway, None]


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
    upstreams: Upstreams
    outbound: outbound.Outbound
    sidecars: sidecar.Sidecars
    gateways: gateway.Gateways


_NOTHING: Layer[Any, Any] = Layer({}, {})

NOTHING = Compilation(
    {},
    NEVER,
    Asked(frozenset(), NEVER, NEVER),
    outbound.Reach(*[NEVER] * 10),
    _NOTHING,
    Upstreams(*[NEVER] * 4),
    outbound.Outbound(*[NEVER] * 3),
    sidecar.Sidecars(*[NEVER] * 9),
    gateway.Gateways(*[_NOTHING] * 4),
)
"""The compile of nothing for nobody."""


def compiled(of: graph.Graph, proxies: Iterable[Proxy], previous: Compilation | None = None) -> Compilation:
    """Return the bundles of these proxies. One whose deployment or gateway is not in the graph has none."""
    before = previous or NOTHING
    asked = _asked(of, frozenset(proxies), before.asked)
    beside, edges = asked.sidecars.values, asked.gateways.values

    reach = outbound.reach(of, beside, before.reach)
    doors = gateway.sites(of, dict.fromkeys(one.gateway for one in edges), before.doors)
    upstreams = _upstreams(of, reach, doors, before.upstreams)
    shared = outbound.outbound(reach, upstreams.by_site.values, before.outbound)
    sidecars = sidecar.sidecars(of, beside, reach, shared, before.sidecars)
    gateways = gateway.gateways(of, edges, doors.values, upstreams.by_site.values, before.gateways)
    joined: Stage[Any, Bundle] = layers.united(before.joined, gateways.bundles.values, sidecars.bundles.values)
    return Compilation(joined.values, joined, asked, reach, doors, upstreams, shared, sidecars, gateways)


def _asked(of: graph.Graph, proxies: frozenset[Proxy], previous: Asked) -> Asked:
    same = previous.proxies if proxies is previous.proxies or proxies == previous.proxies else proxies
    return Asked(
        same,
        layers.grouped(previous.sidecars, (same, of.deployments), _sidecars),
        layers.grouped(previous.gateways, (same, of.gateways), _gateways),
    )


def _sidecars(asked: frozenset[Proxy], deployments: Mapping[Ref, graph.Deployment]) -> dict[Sidecar, None]:
    found = (proxy for proxy in asked if isinstance(proxy, Sidecar) and proxy.deployment in deployments)
    return dict.fromkeys(sorted(found))


def _gateways(asked: frozenset[Proxy], gateways: Mapping[Ref, graph.Gateway]) -> dict[Gateway, None]:
    found = (proxy for proxy in asked if isinstance(proxy, Gateway) and proxy.gateway in gateways)
    return dict.fromkeys(sorted(found))


def _upstreams(of: graph.Graph, reach: outbound.Reach, doors: gateway.Sites, previous: Upstreams) -> Upstreams:
    """Return the clusters of the deployments behind some site, and those behind each site."""
    given = (doors.values, of.deployments, of.services)
    edges = layers.staged(previous.behind_gateways, given, gateway.behind_inputs, layers.as_given)
    behind: Stage[Any, tuple[Ref, ...]] = layers.united(previous.behind, reach.behind.values, edges.values)
    by_deployment = layers.staged(
        previous.by_deployment, (behind.values, of.deployments), _named, clusters.of_deployment
    )
    sources = (behind.values, by_deployment.values)
    by_site = layers.staged(previous.by_site, sources, _each, bundles.merged, (layers.same,))
    return Upstreams(edges, behind, by_deployment, by_site)


def _named(behind: Behind, deployments: Mapping[Ref, graph.Deployment]) -> Inputs:
    return {ref: (deployments[ref],) for ref in dict.fromkeys(itertools.chain.from_iterable(behind.values()))}


def _each(behind: Behind, by_deployment: Mapping[Ref, Part]) -> Inputs:
    return {key: tuple(map(by_deployment.__getitem__, refs)) for key, refs in behind.items()}
