"""From a graph to the Envoy resources of the proxies that are connected, in parts that are shared.

Law: a compile that starts from a previous one equals a fresh one byte for byte, and what a change does not touch
stays the same object; whatever the number of proxies, nothing is built for each pair of proxy and destination.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, layers
from mesh.layers import Layer, Stage
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

    behind: Layer[Any, tuple[Ref, ...]]
    by_deployment: Stage[Ref, Part]
    by_site: Stage[Any, Part]


@dataclass(frozen=True, slots=True)
class Compilation:
    """Bundles by proxy, in order; the rest is kept for the next compile.

    Parts, and whole bundles, are the same objects wherever and whenever their content is the same.
    """

    bundles: Mapping[Proxy, Bundle]
    beside: tuple[Sidecar, ...]
    reach: outbound.Reach
    doors: gateway.Sites
    upstreams: Upstreams
    outbound: outbound.Outbound
    sidecars: sidecar.Sidecars
    gateways: gateway.Gateways


_NOTHING: Layer[Any, Any] = Layer({}, {})
_NEVER: Stage[Any, Any] = Stage((), _NOTHING)

NOTHING = Compilation(
    {},
    (),
    outbound.Reach(_NEVER, _NEVER, _NEVER, _NOTHING),
    _NOTHING,
    Upstreams(_NOTHING, _NEVER, _NEVER),
    outbound.Outbound(_NEVER, _NEVER),
    sidecar.Sidecars(_NEVER, _NEVER, _NOTHING, _NEVER, _NEVER, _NEVER, _NEVER),
    gateway.Gateways(_NOTHING, _NOTHING, _NOTHING, _NOTHING),
)
"""The compile of nothing for nobody."""


def compiled(of: graph.Graph, proxies: Iterable[Proxy], previous: Compilation | None = None) -> Compilation:
    """Return the bundles of these proxies. One whose deployment or gateway is not in the graph has none."""
    before = previous or NOTHING
    asked = sorted(set(proxies))
    found = tuple(proxy for proxy in asked if isinstance(proxy, Sidecar) and proxy.deployment in of.deployments)
    beside = before.beside if before.beside == found else found
    edges = [proxy for proxy in asked if isinstance(proxy, Gateway) and proxy.gateway in of.gateways]

    reach = outbound.reach(of, beside, before.reach)
    doors = gateway.sites(of, dict.fromkeys(one.gateway for one in edges), before.doors)
    upstreams = _upstreams(of, (*outbound.behind(of, reach), *gateway.behind(of, doors)), before.upstreams)
    shared = outbound.outbound(reach, upstreams.by_site.values, before.outbound)
    sidecars = sidecar.sidecars(of, beside, reach, shared, before.sidecars)
    gateways = gateway.gateways(of, edges, doors.values, upstreams.by_site.values, before.gateways)
    made: dict[Proxy, Bundle] = dict((*gateways.bundles.values.items(), *sidecars.bundles.values.items()))
    return Compilation(made, beside, reach, doors, upstreams, shared, sidecars, gateways)


def _upstreams(of: graph.Graph, sites: Iterable[tuple[SiteKey, tuple[Ref, ...]]], previous: Upstreams) -> Upstreams:
    """Return the clusters of the deployments behind some site, and those behind each site."""
    behind = layers.refreshed(previous.behind, {key: (refs,) for key, refs in sites}, _as_given)
    by_deployment = layers.staged(
        previous.by_deployment, (behind.values, of.deployments), _named, clusters.of_deployment
    )
    sources = (behind.values, by_deployment.values)
    return Upstreams(behind, by_deployment, layers.staged(previous.by_site, sources, _each, bundles.merged))


def _as_given(refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
    return refs


def _named(behind: Behind, deployments: Mapping[Ref, graph.Deployment]) -> Inputs:
    return {ref: (deployments[ref],) for ref in dict.fromkeys(itertools.chain.from_iterable(behind.values()))}


def _each(behind: Behind, by_deployment: Mapping[Ref, Part]) -> Inputs:
    return {key: tuple(map(by_deployment.__getitem__, refs)) for key, refs in behind.items()}
