"""From a graph to the Envoy resources of the proxies that are connected, in parts that are shared.

Law: a compile that starts from a previous one equals a fresh one byte for byte, and what a change does not touch
stays the same object; whatever the number of proxies, nothing is built for each pair of proxy and destination.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, layers
from mesh.layers import Layer
from mesh.problems import Ref
from translator import bundles, clusters, gateway, outbound, sidecar
from translator.bundles import Bundle, Part
from translator.proxies import Gateway, Proxy, Sidecar

SiteKey = outbound.SiteKey | gateway.SiteKey


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Clusters by deployment, and by site those of all deployments behind it.

    All, not only those that a route names today: a weight that leaves 0 then changes routes and nothing else.
    """

    by_deployment: Layer[Ref, Part]
    by_site: Layer[Any, Part]


@dataclass(frozen=True, slots=True)
class Compilation:
    """Bundles by proxy, in order; the rest is kept for the next compile.

    Parts, and whole bundles, are the same objects wherever and whenever their content is the same.
    """

    bundles: Mapping[Proxy, Bundle]
    reach: outbound.Reach
    doors: gateway.Sites
    upstreams: Upstreams
    outbound: outbound.Outbound
    sidecars: sidecar.Sidecars
    gateways: gateway.Gateways


_EMPTY: Layer[Any, Any] = Layer({}, {})

NOTHING = Compilation(
    {},
    outbound.Reach(_EMPTY, _EMPTY),
    _EMPTY,
    Upstreams(_EMPTY, _EMPTY),
    outbound.Outbound(_EMPTY, _EMPTY),
    sidecar.Sidecars(_EMPTY, _EMPTY, _EMPTY, _EMPTY, _EMPTY),
    gateway.Gateways(_EMPTY, _EMPTY, _EMPTY, _EMPTY),
)
"""The compile of nothing for nobody."""


def compiled(of: graph.Graph, proxies: Iterable[Proxy], previous: Compilation | None = None) -> Compilation:
    """Return the bundles of these proxies. One whose deployment or gateway is not in the graph has none."""
    before = previous or NOTHING
    asked = sorted(set(proxies))
    beside = [proxy for proxy in asked if isinstance(proxy, Sidecar) and proxy.deployment in of.deployments]
    edges = [proxy for proxy in asked if isinstance(proxy, Gateway) and proxy.gateway in of.gateways]

    reach = outbound.reach(of, dict.fromkeys(of.deployments[one.deployment].service for one in beside), before.reach)
    doors = gateway.sites(of, dict.fromkeys(one.gateway for one in edges), before.doors)
    behind: dict[SiteKey, tuple[Ref, ...]] = dict((*outbound.behind(of, reach), *gateway.behind(of, doors)))
    upstreams = _upstreams(of, behind, before.upstreams)
    shared = outbound.outbound(reach, upstreams.by_site.values, before.outbound)
    sidecars = sidecar.sidecars(of, beside, reach, shared, before.sidecars)
    gateways = gateway.gateways(of, edges, doors.values, upstreams.by_site.values, before.gateways)
    found: dict[Proxy, Bundle] = dict((*gateways.bundles.values.items(), *sidecars.bundles.values.items()))
    return Compilation(found, reach, doors, upstreams, shared, sidecars, gateways)


def _upstreams(of: graph.Graph, behind: Mapping[SiteKey, tuple[Ref, ...]], previous: Upstreams) -> Upstreams:
    """Return the clusters of the deployments behind some site, and those behind each site."""
    named = dict.fromkeys(itertools.chain.from_iterable(behind.values()))
    deployments = {ref: (of.deployments[ref],) for ref in named}
    by_deployment = layers.refreshed(previous.by_deployment, deployments, clusters.of_deployment)
    inputs = {key: tuple(map(by_deployment.values.__getitem__, refs)) for key, refs in behind.items()}
    return Upstreams(by_deployment, layers.refreshed(previous.by_site, inputs, bundles.merged))
