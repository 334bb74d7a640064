"""Gateways: what the proxies of an IngressGateway get.

Law: a gateway gets the clusters of the services that its routes lead to and no others; a virtual host is encoded again
only when its host changes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mesh import graph, layers
from mesh.layers import Layer
from mesh.problems import Ref
from translator import (
    access_log,
    bundles,
    doors,
    filter_chains,
    listeners,
    names,
    resources,
    route_configurations,
    runtimes,
    virtual_hosts,
)
from translator.access_log import Owner
from translator.bundles import Bundle, Part
from translator.proxies import Gateway
from translator.virtual_hosts import Site

SiteKey = tuple[Ref, int, int]
"""A gateway, one of its ports, and the place of a host in that port's list."""

Sites = Layer[SiteKey, Site]


@dataclass(frozen=True, slots=True)
class Gateways:
    """Clusters and routes by gateway; listeners and bundles by proxy."""

    clusters: Layer[Ref, Part]
    routes: Layer[Ref, Part]
    listeners: Layer[Gateway, Part]
    bundles: Layer[Gateway, Bundle]


def sites(of: graph.Graph, gateways: Iterable[Ref], previous: Sites) -> Sites:
    """Return the virtual hosts of these gateways."""
    found = (of.gateways[ref] for ref in gateways)
    inputs = {key: (host,) for gateway in found for key, host in _hosts(gateway)}
    return layers.refreshed(previous, inputs, virtual_hosts.of_gateway)


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


def _hosts(gateway: graph.Gateway) -> Iterator[tuple[SiteKey, graph.GatewayHost]]:
    for port in gateway.ports:
        for place, host in enumerate(port.hosts):
            yield (gateway.ref, port.port, place), host


def gateways(
    of: graph.Graph,
    proxies: Collection[Gateway],
    virtual: Mapping[SiteKey, Site],
    clusters: Mapping[SiteKey, Part],
    previous: Gateways,
) -> Gateways:
    """Return what these gateways get; `virtual` and `clusters` are the sites of all and the clusters of each site."""
    found = [of.gateways[ref] for ref in dict.fromkeys(proxy.gateway for proxy in proxies)]
    cluster_inputs = {item.ref: tuple(clusters[key] for key, _ in _hosts(item)) for item in found}
    own = layers.refreshed(previous.clusters, cluster_inputs, bundles.merged)
    routes = layers.refreshed(previous.routes, {item.ref: _route_inputs(item, virtual) for item in found}, _routes)
    owners = {item.ref: access_log.owner(item) for item in found}
    bound_inputs = {
        proxy: (proxy.address, owners[proxy.gateway], _ports(of.gateways[proxy.gateway])) for proxy in proxies
    }
    bound = layers.refreshed(previous.listeners, bound_inputs, _listeners)
    running = {item.ref: runtimes.part(item.access_log) for item in found}
    parts = {
        proxy: (own.values[proxy.gateway], routes.values[proxy.gateway], bound.values[proxy], running[proxy.gateway])
        for proxy in proxies
    }
    return Gateways(own, routes, bound, layers.refreshed(previous.bundles, parts, bundles.bundle))


def _ports(gateway: graph.Gateway) -> tuple[int, ...]:
    return tuple(port.port for port in gateway.ports)


def _route_inputs(gateway: graph.Gateway, virtual: Mapping[SiteKey, Site]) -> tuple[object, ...]:
    return tuple(
        (port.port, tuple(virtual[gateway.ref, port.port, place] for place in range(len(port.hosts))))
        for port in gateway.ports
    )


def _routes(*ports: tuple[int, tuple[Site, ...]]) -> Part:
    return tuple(route_configurations.gateway(port, given) for port, given in ports)


def _listeners(address: str, own: Owner, ports: tuple[int, ...]) -> Part:
    return tuple(listeners.gateway(address, port, _door(own, port)) for port in ports)


def _door(own: Owner, port: int) -> doors.Door:
    return doors.plain(filter_chains.gateway(own, port), (resources.ROUTES, names.gateway(port)))
