"""Sidecars in explicit capture: what the proxies of a deployment have beyond what all callers of a scope share.

Law: a door is built once for each service, routes once for each deployment; for each proxy there are only the small
messages that hold its addresses.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mesh import graph, layers, mtls
from mesh.layers import NEVER, Stage, same
from mesh.problems import Ref
from translator import (
    access_log,
    bundles,
    clusters,
    doors,
    filter_chains,
    listeners,
    names,
    outbound_tcp,
    rbac,
    resources,
    route_configurations,
    runtimes,
    virtual_hosts,
)
from translator.access_log import Owner
from translator.bundles import Bundle, Part
from translator.doors import Door
from translator.outbound import Outbound, Reach, Scoped
from translator.outbound_tcp import OutboundTcp, Way
from translator.proxies import Explicit, Sidecar, TcpWay
from translator.traffic import Traffic

Proxies = Mapping[Sidecar, None]
Listeners = tuple[graph.Listener, ...]
Doors = tuple[tuple[graph.Listener, Door], ...]
Deployments = tuple[tuple[Ref, Listeners], ...]
Graphed = Mapping[Ref, graph.Deployment]
Inputs = dict[Any, tuple[Any, ...]]
Doorway = Callable[[Owner, mtls.Mode, graph.Callers, graph.Listener], Door]
"""What makes the door of a listener."""


class Calls(NamedTuple):
    """How applications of a service call others: a door, and what it needs, wherever it is."""

    door: Door
    inside: Part


class Inbound(NamedTuple):
    """How the listeners of a deployment are served: each with its door, and the routes of all."""

    doors: Doors
    routes: Part


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Deployments by service, outbound calls by service, inbound by service and by deployment, own parts and
    bundles by proxy.
    """

    deployments: Stage[Ref, Deployments]
    owners: Stage[Ref, Owner]
    calls: Stage[Ref, Calls]
    tcp: OutboundTcp
    modes: Stage[Ref, mtls.Mode]
    inbound_of_service: Stage[Ref, Mapping[Ref, Inbound]]
    inbound: Stage[Ref, Doors]
    routes: Stage[Ref, Part]
    runtimes: Stage[Ref, Part]
    """By deployment."""
    own: Stage[Sidecar, Part]
    digests: Stage[Sidecar, str]
    """Of the scope of each proxy."""
    of_digest: Stage[str, tuple[Sidecar, ...]]
    bundles: Stage[Sidecar, Bundle]


NOBODY = Sidecars(NEVER, NEVER, NEVER, outbound_tcp.NOBODY, *[NEVER] * 9)
"""What there is without sidecars, and before there were any."""


def sidecars(
    of: graph.Graph, proxies: Proxies, reach: Reach, shared: Outbound, kept: Traffic, previous: Sidecars
) -> Sidecars:
    """Return what these sidecars get. Their deployments are in the graph, `reach` and `shared` know their services, and
    their traffic is `kept` alive by that.
    """
    if not proxies:
        return NOBODY
    found = layers.grouped(previous.deployments, (proxies, of.deployments), by_service)
    called = (found.values, reach.routeless.values)
    owners = layers.staged(previous.owners, called, services_of, access_log.owner, (same, same))
    calls = layers.staged(previous.calls, (owners.values,), layers.alone, _outbound, (same,))
    tcp = outbound_tcp.outbound_tcp(of, proxies, reach, kept, previous.tcp)
    modes = layers.staged(previous.modes, called, modes_of, layers.as_given, (same, same))
    sources = (found.values, owners.values, modes.values, of.callers)
    of_service = layers.staged(previous.inbound_of_service, sources, inbound_inputs, _inbound, (same,) * 4)
    inbound = layers.staged(previous.inbound, (of_service.values,), doors_by_deployment, layers.as_given)
    routes = layers.staged(previous.routes, (of_service.values,), routes_by_deployment, layers.as_given)
    running = layers.staged(
        previous.runtimes, (inbound.values, of.deployments), runtimes_of, runtimes.part, (same, same)
    )
    bound = (proxies, of.deployments, calls.values, tcp.ways.values, inbound.values)
    own = layers.staged(previous.own, bound, _own_inputs, _own)
    digests = layers.grouped(previous.digests, (proxies, of.deployments, reach.scopes.values), _digests)
    of_digest = layers.grouped(previous.of_digest, (digests.values,), _of_digest)
    common = (shared.clusters.values, shared.endpoints.parts.values, shared.egress.parts.values, shared.routes.values)
    holders = layers.among(of_digest.values)
    given = (digests.values, *common, routes.values, own.values, running.values)
    reads = (same, holders, holders, holders, holders, None, same, None)
    made = layers.staged(previous.bundles, given, _parts, bundles.bundle, reads)
    return Sidecars(
        found, owners, calls, tcp, modes, of_service, inbound, routes, running, own, digests, of_digest, made
    )


def by_service(proxies: Proxies, deployments: Graphed) -> dict[Ref, Deployments]:
    """Return the deployments of these proxies, with their listeners, by service."""
    grouped: dict[Ref, list[tuple[Ref, Listeners]]] = {}
    for item in (deployments[ref] for ref in dict.fromkeys(proxy.deployment for proxy in proxies)):
        grouped.setdefault(item.service, []).append((item.ref, item.listeners))
    return {service: tuple(items) for service, items in grouped.items()}


def services_of(found: Mapping[Ref, Deployments], services: Mapping[Ref, graph.Service]) -> Inputs:
    """Return the services whose deployments these are."""
    return {ref: (services[ref],) for ref in found}


def modes_of(found: Mapping[Ref, Deployments], services: Mapping[Ref, graph.Service]) -> Inputs:
    """Return the mode of each service whose deployments these are."""
    return {ref: (services[ref].mode,) for ref in found}


# ---------------------------------------------------------------------------- calls to the application


def inbound_inputs(
    found: Mapping[Ref, Deployments],
    owners: Mapping[Ref, Owner],
    modes: Mapping[Ref, mtls.Mode],
    callers: Mapping[Ref, graph.Callers],
) -> Inputs:
    """Return what decides how the deployments of each service are called."""
    return {ref: (owners[ref], modes[ref], callers[ref], items) for ref, items in found.items()}


def doors_by_deployment(of_service: Mapping[Ref, Mapping[Ref, Inbound]]) -> Inputs:
    """Return the doors of each deployment apart: a change to one leaves its siblings the same objects."""
    return {ref: (inbound.doors,) for group in of_service.values() for ref, inbound in group.items()}


def routes_by_deployment(of_service: Mapping[Ref, Mapping[Ref, Inbound]]) -> Inputs:
    """Return the routes of each deployment apart; a port of TCP that comes or goes leaves them the same object."""
    return {ref: (inbound.routes,) for group in of_service.values() for ref, inbound in group.items()}


def _inbound(service: Owner, mode: mtls.Mode, callers: graph.Callers, deployments: Deployments) -> dict[Ref, Inbound]:
    return inbound(service, mode, callers, deployments, doors.inbound)


def inbound(
    service: Owner, mode: mtls.Mode, callers: graph.Callers, deployments: Deployments, door: Doorway
) -> dict[Ref, Inbound]:
    """Return how each deployment of a service is called; those with equal listeners share one value."""
    listeners_of = dict(deployments)
    distinct = {
        item: (door(service, mode, callers, item), _routes(callers, mode, item)) for item in _each(listeners_of)
    }
    shared = {
        given: Inbound(
            tuple((one, distinct[one][0]) for one in given), tuple(item for one in given for item in distinct[one][1])
        )
        for given in dict.fromkeys(listeners_of.values())
    }
    return {ref: shared[given] for ref, given in listeners_of.items()}


def _each(listeners_of: Mapping[Ref, Listeners]) -> Iterable[graph.Listener]:
    return dict.fromkeys(listener for given in listeners_of.values() for listener in given)


def _routes(callers: graph.Callers, mode: mtls.Mode, listener: graph.Listener) -> Part:
    """Return the routes of a listener, if it receives requests."""
    if listener.family is not graph.Family.HTTP:
        return ()
    host = virtual_hosts.of_application(listener, rbac.access(callers, mode))
    return (route_configurations.inbound(listener.port, host),)


# ---------------------------------------------------------------------------- a single proxy


def runtimes_of(given: Mapping[Ref, Doors], deployments: Graphed) -> Inputs:
    """Return what is switched in the proxies of each deployment."""
    return {ref: (deployments[ref].access_log,) for ref in given}


def _outbound(caller: Owner) -> Calls:
    routes = (resources.ROUTES, names.OUTBOUND)
    inside = doors.plain(filter_chains.inside_connect(caller), routes)
    door = doors.plain(filter_chains.outbound(caller), routes)
    return Calls(door, (clusters.inside_connect(), listeners.inside_connect(inside)))


def _own_inputs(
    proxies: Proxies,
    deployments: Graphed,
    calls: Mapping[Ref, Calls],
    tcp: Mapping[Sidecar, tuple[Way, ...]],
    inbound: Mapping[Ref, Doors],
) -> Inputs:
    return {
        proxy: (
            proxy.capture,
            calls[deployments[proxy.deployment].service],
            tcp.get(proxy, ()),
            inbound[proxy.deployment],
        )
        for proxy in proxies
    }


def _own(capture: Explicit, calls: Calls, tcp: tuple[Way, ...], inbound: Doors) -> Part:
    """Return the resources that hold the addresses of a proxy: its listeners and the clusters of its application."""
    return (
        *(clusters.of_application(listener, capture) for listener, _ in inbound),
        *calls.inside,
        listeners.outbound(capture.workload_address, calls.door),
        *(listeners.inbound(capture.workload_address, listener.port, door) for listener, door in inbound),
        *bundles.merged(*(_way(at, way) for at, way in _unbound(capture, tcp, inbound))),
    )


def _way(at: TcpWay, way: Way) -> Part:
    return (listeners.outbound_tcp(at.address, at.port, way.door), *way.filters)


def _unbound(capture: Explicit, tcp: tuple[Way, ...], inbound: Doors) -> Iterable[tuple[TcpWay, Way]]:
    """Return the ways out that are not where callers come in: Envoy would refuse both, callers keep theirs."""
    taken = {(capture.workload_address, listener.port) for listener, _ in inbound}
    pairs = zip(capture.outbound_tcp, tcp, strict=True)
    return ((at, way) for at, way in pairs if (at.address, at.port) not in taken)


def _digests(proxies: Proxies, deployments: Graphed, scopes: Mapping[Ref, Scoped]) -> dict[Sidecar, str]:
    return {proxy: scopes[deployments[proxy.deployment].service].digest for proxy in proxies}


def _of_digest(digests: Mapping[Sidecar, str]) -> dict[str, tuple[Sidecar, ...]]:
    return layers.readers((proxy, (digest,)) for proxy, digest in digests.items())


def _parts(
    digests: Mapping[Sidecar, str],
    clusters: Mapping[str, Part],
    endpoints: Mapping[str, Part],
    exits: Mapping[str, Part],
    routes: Mapping[str, Part],
    inbound: Mapping[Ref, Part],
    own: Mapping[Sidecar, Part],
    running: Mapping[Ref, Part],
) -> Inputs:
    return {
        proxy: (
            clusters[digest],
            endpoints[digest],
            exits[digest],
            routes[digest],
            inbound[proxy.deployment],
            own[proxy],
            running[proxy.deployment],
        )
        for proxy, digest in digests.items()
    }
