"""From a graph to the Envoy resources of the proxies that are connected, in parts that are shared.

Law: a compile that starts from a previous one equals a fresh one byte for byte, and what a change does not touch
stays the same object; whatever the number of proxies, nothing is built for each pair of proxy and destination.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, layers
from mesh.layers import Layer
from mesh.problems import Ref
from translator import bundles, clusters, gateway, outbound, sidecar
from translator.bundles import Bundle, Part
from translator.proxies import Gateway, Proxy, Sidecar
from translator.resources import EncodedResource
from translator.virtual_hosts import Site

SiteKey = outbound.SiteKey | gateway.SiteKey
ByPort = Mapping[int, EncodedResource]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Clusters by deployment and port, and those of each site."""

    by_deployment: Layer[Ref, ByPort]
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
    sidecar.Sidecars(_EMPTY, _EMPTY, _EMPTY, _EMPTY),
    gateway.Gateways(_EMPTY, _EMPTY, _EMPTY, _EMPTY),
)
"""The compile of nothing for nobody."""


def compiled(of: graph.Graph, proxies: Iterable[Proxy], previous: Compilation | None = None) -> Compilation:
    """Return the bundles of these proxies. One whose deployment or gateway is not in the graph has none."""
    before = previous or NOTHING
    asked = sorted(set(proxies))
    beside = [proxy for proxy in asked if isinstance(proxy, Sidecar) and proxy.deployment in of.deployments]
    before_all = [proxy for proxy in asked if isinstance(proxy, Gateway) and proxy.gateway in of.gateways]

    reach = outbound.reach(of, dict.fromkeys(of.deployments[one.deployment].service for one in beside), before.reach)
    doors = gateway.sites(of, dict.fromkeys(one.gateway for one in before_all), before.doors)
    upstreams = _upstreams(of, {**reach.sites.values, **doors.values}, before.upstreams)
    shared = outbound.outbound(reach, upstreams.by_site.values, before.outbound)
    sidecars = sidecar.sidecars(of, beside, reach, shared, before.sidecars)
    gateways = gateway.gateways(of, before_all, doors.values, upstreams.by_site.values, before.gateways)
    found: Mapping[Proxy, Bundle] = {**gateways.bundles.values, **sidecars.bundles.values}
    return Compilation(found, reach, doors, upstreams, shared, sidecars, gateways)


def _upstreams(of: graph.Graph, sites: Mapping[Any, Site], previous: Upstreams) -> Upstreams:
    """Return the clusters of the deployments that some site leads to, and those of each site."""
    named = dict.fromkeys(target.deployment for site in sites.values() for target in site.targets)
    deployments = {ref: (of.deployments[ref],) for ref in named}
    by_deployment = layers.refreshed(previous.by_deployment, deployments, clusters.target_clusters)
    inputs = {key: _site_inputs(site, by_deployment.values) for key, site in sites.items()}
    return Upstreams(by_deployment, layers.refreshed(previous.by_site, inputs, _site_clusters))


def _site_inputs(site: Site, by_deployment: Mapping[Ref, ByPort]) -> tuple[object, ...]:
    return site.targets, *(by_deployment[target.deployment] for target in site.targets)


def _site_clusters(targets: tuple[graph.Target, ...], *by_port: ByPort) -> Part:
    return bundles.part(found[target.port] for target, found in zip(targets, by_port, strict=True))
