"""Proxyless clients: what a gRPC program gets that speaks xDS itself and has no Envoy beside it.

Law: it may reach what a sidecar in its place may reach, and gets nothing of the rest. It asks by name: each authority
that leads to a port of a service is a listener, all authorities of a port share one route configuration.
"""

import datetime
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from envoy_data_plane.envoy.config.route import v3 as route_v3

from mesh import graph, layers, mtls
from mesh.hosts import ANY, Host
from mesh.layers import NEVER, Stage, same
from mesh.problems import Ref
from translator import (
    authorities,
    bundles,
    clusters,
    endpoints,
    listeners,
    names,
    outbound,
    resources,
    routes,
    upstreams,
    wire,
)
from translator.bundles import Bundle, Part
from translator.endpoints import Loads, Shared
from translator.outbound import Reach, Scoped, SiteKey
from translator.proxies import Proxyless
from translator.resources import EncodedResource
from translator.upstreams import Upstreams

_EARLY = datetime.timedelta(seconds=2)
"""The C core of gRPC ends a call one to two seconds before its configured limit (grpc/grpc#34547). No call may end too
early, so all get more.
"""

Proxies = Mapping[Proxyless, None]
Inputs = dict[Any, tuple[Any, ...]]


class Entrance(NamedTuple):
    """What a service is to gRPC clients: listeners, and the routes that they refer to."""

    listeners: Part
    routes: Part


@dataclass(frozen=True, slots=True)
class Clients:
    """What the services of proxyless clients may reach, by site and, as shared parts, by scope; bundles."""

    reach: Reach
    upstreams: Upstreams
    entrances: Stage[SiteKey, Entrance]
    clusters: Stage[str, Part]
    loads: Loads
    endpoints: Shared[str]
    routes: Stage[str, Part]
    digests: Stage[Proxyless, str]
    bundles: Stage[Proxyless, Bundle]


NOBODY = Clients(
    Reach(*[NEVER] * 8),
    Upstreams(*[NEVER] * 3),
    NEVER,
    NEVER,
    endpoints.NOTHING,
    endpoints.NOBODYS,
    *[NEVER] * 3,
)
"""What there is without such clients: no past either."""


def clients(of: graph.Graph, proxies: Proxies, previous: Clients) -> Clients:
    """Return what these clients get. Their deployments are in the graph; where there are none nothing is looked at."""
    if not proxies:
        return NOBODY
    reach = outbound.reach(of, proxies, previous.reach)
    behind, routeless = reach.behind.values, reach.routeless.values
    found = upstreams.upstreams(behind, of.deployments, routeless, clusters.for_grpc, previous.upstreams)
    sources, reads = (reach.keys.values, of.services), (same, layers.among(reach.of_service.values))
    entrances = layers.staged(previous.entrances, sources, outbound.called, entrance, reads)
    shared = outbound.joined(reach, found.by_site.values, bundles.merged, previous.clusters)
    loads = endpoints.loads(reach.behind.values, of, previous.loads)
    placed = (reach.distinct.values, reach.behind.values, reach.services.values)
    near = endpoints.shared(placed, _open, loads.by_deployment.values, previous.endpoints)
    leading = outbound.joined(reach, entrances.values, first_come, previous.routes)
    digests = layers.grouped(previous.digests, (proxies, of.deployments, reach.scopes.values), _digests)
    given = (digests.values, shared.values, near.parts.values, leading.values)
    made = layers.staged(previous.bundles, given, _parts, bundles.bundle)
    return Clients(reach, found, entrances, shared, loads, near, leading, digests, made)


def _open(
    scopes: Mapping[str, tuple[SiteKey, ...]],
    behind: Mapping[SiteKey, tuple[Ref, ...]],
    services: Mapping[SiteKey, graph.Service],
) -> dict[str, tuple[Ref, ...]]:
    """Return by scope the deployments that can be called without a certificate: of the others no address is given."""
    called = {
        digest: [key for key in keys if services[key].mode is not mtls.Mode.STRICT] for digest, keys in scopes.items()
    }
    return endpoints.behind_each(called, behind)


def entrance(service: graph.Service, called_by: tuple[Host, ...]) -> Entrance:
    """Return the listeners and routes by which a service is called through these hosts.

    A client names the listener it wants, so that a wildcard, which names none, has none.
    """
    named = [(port.port, _names(service, port.port, called_by)) for port in service.http]
    return Entrance(
        tuple(listeners.client(name, names.service_port(service.ref, port)) for port, found in named for name in found),
        tuple(_routes(service.ref, port) for port, (_, found) in zip(service.http, named, strict=True) if found),
    )


def first_come(*entrances: Entrance) -> Part:
    """Return the listeners and routes of several services; of two that claim one authority the first has it."""
    kept: dict[str, EncodedResource] = {}
    for item in itertools.chain.from_iterable(each.listeners for each in entrances):
        kept.setdefault(item.name, item)
    used = {name for item in kept.values() for _, name in item.references}
    return (*kept.values(), *(item for each in entrances for item in each.routes if item.name in used))


def _names(service: graph.Service, port: int, called_by: tuple[Host, ...]) -> tuple[str, ...]:
    return tuple(name for name in authorities.leading_to(service, port, called_by) if not name.startswith(ANY))


# ---------------------------------------------------------------------------- routes as gRPC reads them


def _routes(service: Ref, port: graph.HttpPort) -> EncodedResource:
    """Return the routes of a port. What none of them matches fails, and gRPC has words for it."""
    name = names.service_port(service, port.port)
    host = route_v3.VirtualHost(name=name, domains=[ANY], routes=[_route(rule) for rule in port.routes])
    body = wire.encode(route_v3.RouteConfiguration(name=name, virtual_hosts=[host]))
    targets = ((resources.CLUSTER, names.target(target)) for target in routes.targets(port.routes))
    return resources.encoded(resources.ROUTES, name, body, targets)


def _route(rule: graph.HttpRoute) -> route_v3.Route:
    """Return a route. All calls are gRPC, so a rule for gRPC alone needs no condition.

    To a route that answers by itself gRPC says UNAVAILABLE, whatever the answer.
    """
    match rule.action:
        case graph.Forward() as forward:
            return route_v3.Route(match=_match(rule), route=_action(forward))
        case graph.Refusal(status, _):
            return route_v3.Route(match=_match(rule), direct_response=route_v3.DirectResponseAction(status=status))


def _match(rule: graph.HttpRoute) -> route_v3.RouteMatch:
    """Return a match by prefix, or by pattern where it goes by segments: gRPC refuses Envoy's own way to say that."""
    if rule.by_segment and rule.path != routes.ROOT:
        return route_v3.RouteMatch(safe_regex=routes.segments(rule.path))
    return route_v3.RouteMatch(prefix=rule.path)


def _action(forward: graph.Forward) -> route_v3.RouteAction:
    """Return where calls go. Of timeouts gRPC knows that of the whole call, not that of silence."""
    cluster, weighted = routes.split(forward.shares)
    limit = datetime.timedelta(milliseconds=forward.timeout_ms)
    longest = route_v3.RouteActionMaxStreamDuration(max_stream_duration=limit + _EARLY) if limit else None
    return route_v3.RouteAction(cluster=cluster, weighted_clusters=weighted, max_stream_duration=longest)


# ---------------------------------------------------------------------------- a single client


def _digests(
    proxies: Proxies, deployments: Mapping[Ref, graph.Deployment], scopes: Mapping[Ref, Scoped]
) -> dict[Proxyless, str]:
    return {proxy: scopes[deployments[proxy.deployment].service].digest for proxy in proxies}


def _parts(
    digests: Mapping[Proxyless, str],
    clusters: Mapping[str, Part],
    near: Mapping[str, Part],
    routes: Mapping[str, Part],
) -> Inputs:
    return {proxy: (clusters[digest], near[digest], routes[digest]) for proxy, digest in digests.items()}
