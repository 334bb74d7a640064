"""Sidecars in transparent capture: what the proxies of a deployment have beyond what all callers of a scope share.

Law: all replicas are one proxy, for nothing here depends on where they are; what others call is received by the same
doors and routes as in explicit capture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, layers, mtls
from mesh.layers import NEVER, Stage, same
from mesh.problems import Ref
from translator import access_log, bundles, captured, captured_listeners, clusters, doors, runtimes, sidecar
from translator.access_log import Owner
from translator.bundles import Bundle, Part
from translator.captured import Calling, Captured, Sharing
from translator.outbound import Outbound, Reach
from translator.proxies import Sidecar, Transparent
from translator.sidecar import Deployments, Doors, Inbound
from translator.traffic import Traffic

Proxies = Mapping[Sidecar, None]
Inputs = dict[Any, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class CapturedSidecars:
    """Deployments by service, inbound by service and deployment, what callers share, own parts and bundles by proxy."""

    deployments: Stage[Ref, Deployments]
    owners: Stage[Ref, Owner]
    modes: Stage[Ref, mtls.Mode]
    inbound_of_service: Stage[Ref, Mapping[Ref, Inbound]]
    inbound: Stage[Ref, Doors]
    routes: Stage[Ref, Part]
    runtimes: Stage[Ref, Part]
    captured: Captured
    own: Stage[Sidecar, Part]
    bundles: Stage[Sidecar, Bundle]


NOBODY = CapturedSidecars(NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, captured.NOBODY, NEVER, NEVER)
"""What there is without such sidecars."""


def sidecars(
    of: graph.Graph, proxies: Proxies, reach: Reach, shared: Outbound, kept: Traffic, previous: CapturedSidecars
) -> CapturedSidecars:
    """Return what these sidecars get. Their deployments are in the graph, `reach` and `shared` know their services, and
    their traffic is `kept` alive by that.
    """
    if not proxies:
        return NOBODY
    found = layers.grouped(previous.deployments, (proxies, of.deployments), sidecar.by_service)
    sources = (found.values, reach.routeless.values)
    owners = layers.staged(previous.owners, sources, sidecar.services_of, access_log.owner, (same, same))
    modes = layers.staged(previous.modes, sources, sidecar.modes_of, layers.as_given, (same, same))
    called = (found.values, owners.values, modes.values, of.callers)
    of_service = layers.staged(previous.inbound_of_service, called, sidecar.inbound_inputs, _inbound, (same,) * 4)
    inbound = layers.staged(previous.inbound, (of_service.values,), sidecar.doors_by_deployment, layers.as_given)
    routes = layers.staged(previous.routes, (of_service.values,), sidecar.routes_by_deployment, layers.as_given)
    logging = (inbound.values, of.deployments)
    running = layers.staged(previous.runtimes, logging, sidecar.runtimes_of, runtimes.part, (same, same))
    kernel = captured.captured(of, proxies, reach, owners.values, shared.outside.values, kept, previous.captured)
    own = layers.staged(previous.own, (proxies, of.deployments, owners.values, inbound.values), _own_inputs, _own)
    reached = (shared.clusters.values, shared.endpoints.parts.values, shared.egress.parts.values)
    led = (kernel.calling.values, *reached, kernel.routes.values)
    told = (kernel.listeners.values, kernel.by_address.values)
    given = (proxies, of.deployments, *led, *told, routes.values, own.values, running.values)
    made = layers.staged(previous.bundles, given, _parts, bundles.bundle)
    return CapturedSidecars(found, owners, modes, of_service, inbound, routes, running, kernel, own, made)


def _inbound(service: Owner, mode: mtls.Mode, callers: graph.Callers, deployments: Deployments) -> dict[Ref, Inbound]:
    return sidecar.inbound(service, mode, callers, deployments, doors.captured)


def _own_inputs(
    proxies: Proxies,
    deployments: Mapping[Ref, graph.Deployment],
    owners: Mapping[Ref, Owner],
    inbound: Mapping[Ref, Doors],
) -> Inputs:
    return {
        proxy: (owners[deployments[proxy.deployment].service], proxy.capture, inbound[proxy.deployment])
        for proxy in proxies
    }


def _own(owner: Owner, capture: Transparent, inbound: Doors) -> Part:
    """Return what does not depend on whom a proxy calls: its application, and how that is called."""
    served = {listener.port for listener, _ in inbound}
    through = tuple(port for port in capture.passthrough if port not in served)
    return (
        *(clusters.of_captured_application(listener) for listener, _ in inbound),
        *((clusters.of_passthrough(),) if through else ()),
        captured_listeners.inbound(owner, [door for _, door in inbound], through, capture.is_ipv4_only),
    )


def _parts(
    proxies: Proxies,
    deployments: Mapping[Ref, graph.Deployment],
    calling: Mapping[Calling, str],
    clusters: Mapping[str, Part],
    endpoints: Mapping[str, Part],
    exits: Mapping[str, Part],
    called: Mapping[str, Part],
    listeners: Mapping[Calling, Part],
    by_address: Mapping[Sharing, Part],
    routes: Mapping[Ref, Part],
    own: Mapping[Sidecar, Part],
    running: Mapping[Ref, Part],
) -> Inputs:
    callers = {proxy: captured.calling(proxy, deployments) for proxy in proxies}
    return {
        proxy: (
            clusters[calling[one]],
            endpoints[calling[one]],
            exits[calling[one]],
            called.get(calling[one], ()),
            listeners[one],
            by_address[Sharing(calling[one], one.is_ipv4_only)],
            routes[proxy.deployment],
            own[proxy],
            running[proxy.deployment],
        )
        for proxy, one in callers.items()
    }
