"""Gateways: what the proxies of an IngressGateway get.

Law: a gateway gets the clusters of the services that its routes lead to and no others; a virtual host is encoded again
only when its host changes, a listener only when what is received there changes, not when it goes elsewhere.
"""

import dataclasses
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mesh import graph, layers
from mesh.layers import Layer
from mesh.problems import Ref
from translator import (
    access_log,
    bundles,
    endpoints,
    gateway_doors,
    gateway_routes,
    listeners,
    runtimes,
    virtual_hosts,
)
from translator.access_log import Owner
from translator.bundles import Bundle, Part
from translator.doors import Door
from translator.proxies import Gateway
from translator.traffic import Traffic
from translator.virtual_hosts import Site

SiteKey = tuple[Ref, int, int]
"""What gives a gateway, one of its ports, and the place of what is behind it: hosts, then passages, then TCP."""

Sites = Layer[SiteKey, Site]


Doors = tuple[tuple[int, Door], ...]
"""The door of each port."""


@dataclass(frozen=True, slots=True)
class Gateways:
    """Clusters, endpoints, routes (filters of connections among them) and doors by what gives a gateway; listeners and
    bundles by proxy.
    """

    clusters: Layer[Ref, Part]
    endpoints: endpoints.Shared[Ref]
    routes: Layer[Ref, Part]
    doors: Layer[Ref, Doors]
    listeners: Layer[Gateway, Part]
    bundles: Layer[Gateway, Bundle]


def sites(of: graph.Graph, gateways: Iterable[Ref], kept: Traffic, previous: Sites) -> Sites:
    """Return the virtual hosts of gateways, by what gives them."""
    found = _found(of, gateways)
    inputs = {key: (host,) for ref, gateway in found.items() for key, host in _hosts(ref, gateway)}
    return layers.refreshed(previous, inputs, functools.partial(_site, kept=kept))


def _site(behind: graph.GatewayHost | graph.Conduit, kept: Traffic) -> Site:
    if isinstance(behind, graph.Conduit):
        return virtual_hosts.of_conduit(behind)
    return virtual_hosts.of_gateway(behind, kept)


def behind_inputs(
    virtual: Mapping[SiteKey, Site], deployments: Mapping[Ref, graph.Deployment], services: Mapping[Ref, graph.Service]
) -> dict[SiteKey, tuple[tuple[Ref, ...]]]:
    """Return for each site the deployments behind it: all of the services that its routes lead to."""
    return {key: (_behind(site.targets, deployments, services),) for key, site in virtual.items()}


def _behind(
    targets: tuple[graph.Target, ...],
    deployments: Mapping[Ref, graph.Deployment],
    services: Mapping[Ref, graph.Service],
) -> tuple[Ref, ...]:
    owners = dict.fromkeys(deployments[target.deployment].service for target in targets)
    return tuple(deployment for owner in owners for deployment in services[owner].deployments)


def _found(of: graph.Graph, given_by: Iterable[Ref]) -> dict[Ref, graph.Gateway]:
    return {ref: gateway for ref in dict.fromkeys(given_by) if (gateway := of.gateway(ref)) is not None}


def _hosts(ref: Ref, gateway: graph.Gateway) -> Iterator[tuple[SiteKey, graph.GatewayHost | graph.Conduit]]:
    for port in gateway.ports:
        behind: list[graph.GatewayHost | graph.Conduit] = [*port.hosts]
        behind += [passage.conduit for passage in port.passages]
        behind += [port.tcp.conduit] if port.tcp else []
        for place, each in enumerate(behind):
            yield (ref, port.port, place), each


def gateways(
    of: graph.Graph,
    proxies: Collection[Gateway],
    virtual: Mapping[SiteKey, Site],
    clusters: Mapping[SiteKey, Part],
    near: endpoints.Shared[Ref],
    kept: Traffic,
    previous: Gateways,
) -> Gateways:
    """Return what these gateways get; `virtual` and `clusters` are the sites of all and the clusters of each site,
    `near` the endpoints of each.
    """
    found = _found(of, (proxy.given_by for proxy in proxies))
    cluster_inputs = {ref: tuple(clusters[key] for key, _ in _hosts(ref, item)) for ref, item in found.items()}
    own = layers.refreshed(previous.clusters, cluster_inputs, bundles.merged)
    leading = {ref: _route_inputs(ref, item, virtual) for ref, item in found.items()}
    routes = layers.refreshed(previous.routes, leading, functools.partial(_routes, kept=kept))
    outlines = {ref: (access_log.owner(item), *map(_outline, item.ports)) for ref, item in found.items()}
    doors = layers.refreshed(previous.doors, outlines, _doors)
    bound_inputs = {proxy: (proxy.address, doors.values[proxy.given_by]) for proxy in proxies}
    bound = layers.refreshed(previous.listeners, bound_inputs, _listeners)
    running = {ref: runtimes.part(item.access_log) for ref, item in found.items()}
    parts = {
        proxy: (
            own.values[proxy.given_by],
            near.parts.values.get(proxy.given_by, ()),
            routes.values[proxy.given_by],
            bound.values[proxy],
            running[proxy.given_by],
        )
        for proxy in proxies
    }
    return Gateways(own, near, routes, doors, bound, layers.refreshed(previous.bundles, parts, bundles.bundle))


def deployments(behind: Mapping[SiteKey, tuple[Ref, ...]]) -> dict[Ref, tuple[Ref, ...]]:
    """Return the deployments behind the sites of each gateway, by what gives it."""
    return endpoints.behind_each(layers.readers((key, (key[0],)) for key in behind), behind)


def _outline(port: graph.GatewayPort) -> graph.GatewayPort:
    """Return a port without what is behind it, which is all that counts for its listener."""
    return dataclasses.replace(
        port,
        hosts=tuple(dataclasses.replace(host, routes=()) for host in port.hosts),
        passages=tuple(dataclasses.replace(passage, conduit=_ANYWHERE) for passage in port.passages),
        tcp=dataclasses.replace(port.tcp, conduit=_ANYWHERE) if port.tcp else None,
    )


_ANYWHERE = graph.Conduit()


def _route_inputs(ref: Ref, gateway: graph.Gateway, virtual: Mapping[SiteKey, Site]) -> tuple[object, ...]:
    return tuple(
        (port, tuple(virtual[ref, port.port, place] for place in range(len(port.hosts)))) for port in gateway.ports
    )


def _routes(*ports: tuple[graph.GatewayPort, tuple[Site, ...]], kept: Traffic) -> Part:
    return tuple(item for port, sites in ports for item in gateway_routes.of_port(port, sites, kept))


def _doors(own: Owner, *ports: graph.GatewayPort) -> Doors:
    return tuple((port.port, gateway_doors.door(own, port)) for port in ports)


def _listeners(address: str, ports: Doors) -> Part:
    return tuple(listeners.gateway(address, port, door) for port, door in ports)
