"""Sidecars: what the proxies of a deployment have beyond what all callers of a scope share.

Law: a chain is built once for each service, routes once for each deployment; for each proxy there are only the small
messages that hold its addresses.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mesh import graph, layers, mtls
from mesh.layers import Layer
from mesh.problems import Ref
from translator import bundles, clusters, filter_chains, listeners, rbac, route_configurations, virtual_hosts
from translator.bundles import Bundle, Part
from translator.outbound import Outbound, Reach
from translator.proxies import Explicit, Sidecar
from translator.resources import EncodedResource

Listeners = tuple[graph.Listener, ...]


class Inbound(NamedTuple):
    """How the listeners of a deployment are served: each with its chain, and the routes of all."""

    chains: tuple[tuple[graph.Listener, bytes], ...]
    routes: Part


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Chains of outbound calls by service, inbound by service and by deployment, own parts and bundles by proxy."""

    chains: Layer[Ref, bytes]
    inbound_of_service: Layer[Ref, Mapping[Ref, Inbound]]
    inbound: Layer[Ref, Inbound]
    own: Layer[Sidecar, Part]
    bundles: Layer[Sidecar, Bundle]


def sidecars(
    of: graph.Graph, proxies: Sequence[Sidecar], reach: Reach, shared: Outbound, previous: Sidecars
) -> Sidecars:
    """Return what these sidecars get. Their deployments are in the graph, `reach` and `shared` know their services."""
    deployments = [of.deployments[ref] for ref in dict.fromkeys(proxy.deployment for proxy in proxies)]
    services = {item.service: (item.service,) for item in deployments}
    chains = layers.refreshed(previous.chains, services, filter_chains.outbound)
    of_service = layers.refreshed(previous.inbound_of_service, _inbound_inputs(of, deployments), _inbound)
    found = {item.ref: (of_service.values[item.service][item.ref],) for item in deployments}
    inbound = layers.refreshed(previous.inbound, found, _same)
    own_inputs = {proxy: _own_inputs(of, proxy, chains.values, inbound.values) for proxy in proxies}
    own = layers.refreshed(previous.own, own_inputs, _own)
    parts = {proxy: _parts(of, proxy, reach, shared, inbound.values, own.values) for proxy in proxies}
    return Sidecars(chains, of_service, inbound, own, layers.refreshed(previous.bundles, parts, bundles.bundle))


# ---------------------------------------------------------------------------- calls to the application


def _inbound_inputs(of: graph.Graph, deployments: Iterable[graph.Deployment]) -> dict[Ref, tuple[object, ...]]:
    by_service: dict[Ref, list[tuple[Ref, Listeners]]] = {}
    for item in deployments:
        by_service.setdefault(item.service, []).append((item.ref, item.listeners))
    return {ref: (ref, of.services[ref].mode, of.callers[ref], tuple(items)) for ref, items in by_service.items()}


def _inbound(
    service: Ref, mode: mtls.Mode, callers: graph.Callers, deployments: tuple[tuple[Ref, Listeners], ...]
) -> dict[Ref, Inbound]:
    """Return how each deployment of a service is called; those with equal listeners share one value."""
    listeners_of = {
        ref: tuple(one for one in listeners if one.family is graph.Family.HTTP) for ref, listeners in deployments
    }
    distinct = {item: (_chain(service, mode, item), _routes(callers, mode, item)) for item in _each(listeners_of)}
    shared = {
        given: Inbound(tuple((one, distinct[one][0]) for one in given), tuple(distinct[one][1] for one in given))
        for given in dict.fromkeys(listeners_of.values())
    }
    return {ref: shared[given] for ref, given in listeners_of.items()}


def _same(inbound: Inbound) -> Inbound:
    """Return what it is given: a change to one deployment leaves the others of its service the same objects."""
    return inbound


def _each(listeners_of: Mapping[Ref, Listeners]) -> Iterable[graph.Listener]:
    return dict.fromkeys(listener for given in listeners_of.values() for listener in given)


def _chain(service: Ref, mode: mtls.Mode, listener: graph.Listener) -> bytes:
    return filter_chains.inbound(service, listener.port, listener.protocol, rbac.is_guarded(mode))


def _routes(callers: graph.Callers, mode: mtls.Mode, listener: graph.Listener) -> EncodedResource:
    host = virtual_hosts.of_application(listener, rbac.access(callers, mode))
    return route_configurations.inbound(listener.port, host)


# ---------------------------------------------------------------------------- a single proxy


def _own_inputs(
    of: graph.Graph, proxy: Sidecar, chains: Mapping[Ref, bytes], inbound: Mapping[Ref, Inbound]
) -> tuple[object, ...]:
    service = of.deployments[proxy.deployment].service
    return proxy.capture, chains[service], inbound[proxy.deployment].chains


def _own(capture: Explicit, outbound: bytes, inbound: tuple[tuple[graph.Listener, bytes], ...]) -> Part:
    """Return the resources that hold the addresses of a proxy: its listeners and the clusters of its application."""
    return (
        *(clusters.of_application(listener, capture) for listener, _ in inbound),
        listeners.outbound(capture.workload_address, outbound),
        *(listeners.inbound(capture.workload_address, listener.port, chain) for listener, chain in inbound),
    )


def _parts(
    of: graph.Graph,
    proxy: Sidecar,
    reach: Reach,
    shared: Outbound,
    inbound: Mapping[Ref, Inbound],
    own: Mapping[Sidecar, Part],
) -> tuple[Part, ...]:
    service = of.deployments[proxy.deployment].service
    scope = reach.scopes.values[service].digest
    return (
        shared.clusters.values[scope],
        shared.routes.values[scope],
        inbound[proxy.deployment].routes,
        own[proxy],
    )
