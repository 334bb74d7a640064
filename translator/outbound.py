"""What the proxies of a service may reach: its scope, as sites shared with all other callers.

Law: nothing is built per caller: a site is built once for each service (and the hosts it is called by), what a caller
gets once for each distinct scope.
"""

import functools
import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from mesh import graph, layers
from mesh.external import NOTHING, External
from mesh.hosts import Host
from mesh.layers import Stage, same
from mesh.problems import Ref
from translator import bundles, egress, endpoints, route_configurations, virtual_hosts
from translator.bundles import Part
from translator.egress import Egress, Fronts
from translator.proxies import Proxyless, Sidecar
from translator.route_configurations import Frame
from translator.traffic import Traffic
from translator.virtual_hosts import Elsewhere, Outline, Site

K = TypeVar("K")
V = TypeVar("V")
W = TypeVar("W")

Callers = Mapping[Sidecar, None] | Mapping[Proxyless, None]

SiteKey = Ref | tuple[Ref, tuple[Host, ...]]
"""A service by its own hosts, or by those of a scope."""


class Scoped(NamedTuple):
    """A scope in the terms of this module: `digest` is equal where scopes are."""

    digest: str
    sites: tuple[SiteKey, ...]
    external: External = NOTHING


@dataclass(frozen=True, slots=True)
class Reach:
    """The scopes of callers, the sites of each distinct one, and all sites that some scope holds.

    `of_service` and `holders` say which sites belong to a service and which scopes hold a site; `routeless` are all
    services as far as routes do not count, `services` those of the sites.
    """

    scopes: Stage[Ref, Scoped]
    distinct: Stage[str, tuple[SiteKey, ...]]
    keys: Stage[SiteKey, None]
    of_service: Stage[Ref, tuple[SiteKey, ...]]
    holders: Stage[SiteKey, tuple[str, ...]]
    routeless: Stage[Ref, graph.Service]
    services: Stage[SiteKey, graph.Service]
    behind: Stage[SiteKey, tuple[Ref, ...]]
    """The deployments behind each site: all of its service."""


def reach(of: graph.Graph, callers: Callers, previous: Reach) -> Reach:
    """Return what the services of these callers may reach."""
    scopes = layers.staged(previous.scopes, (callers, of.deployments, of.scopes), _scope_inputs, scoped)
    apart = layers.grouped(previous.distinct, (scopes.values,), distinct)
    keys = layers.grouped(previous.keys, (apart.values,), _keys)
    of_service = layers.grouped(previous.of_service, (keys.values,), _of_service)
    holders = layers.grouped(previous.holders, (apart.values,), _holders)
    routeless = layers.staged(previous.routeless, (of.services,), layers.alone, virtual_hosts.routeless, (same,))
    given, reads = (keys.values, routeless.values), (same, layers.among(of_service.values))
    services = layers.staged(previous.services, given, _services, layers.as_given, reads)
    called = (keys.values, services.values)
    behind = layers.staged(previous.behind, called, _behind_inputs, layers.as_given, (same, same))
    return Reach(scopes, apart, keys, of_service, holders, routeless, services, behind)


def _scope_inputs(
    callers: Callers, deployments: Mapping[Ref, graph.Deployment], scopes: Mapping[Ref, graph.Scope]
) -> dict[Ref, tuple[graph.Scope]]:
    services = dict.fromkeys(deployments[one.deployment].service for one in callers)
    return {service: (scopes[service],) for service in services}


def _keys(scopes: Mapping[str, tuple[SiteKey, ...]]) -> dict[SiteKey, None]:
    return dict.fromkeys(itertools.chain.from_iterable(scopes.values()))


def _of_service(keys: Mapping[SiteKey, None]) -> dict[Ref, tuple[SiteKey, ...]]:
    return layers.readers((key, (_service(key),)) for key in keys)


def _holders(scopes: Mapping[str, tuple[SiteKey, ...]]) -> dict[SiteKey, tuple[str, ...]]:
    return layers.readers(scopes.items())


def _services(
    keys: Mapping[SiteKey, None], services: Mapping[Ref, graph.Service]
) -> dict[SiteKey, tuple[graph.Service]]:
    return {key: (services[_service(key)],) for key in keys}


def _behind_inputs(
    keys: Mapping[SiteKey, None], services: Mapping[SiteKey, graph.Service]
) -> dict[SiteKey, tuple[tuple[Ref, ...]]]:
    return {key: (services[key].deployments,) for key in keys}


def _service(key: SiteKey) -> Ref:
    return key if isinstance(key, Ref) else key[0]


def scoped(scope: graph.Scope) -> Scoped:
    """Return a scope with its digest and the keys of its sites."""
    special = dict(scope.hosts)
    words = itertools.chain.from_iterable(scope.services)
    hosts = (f"{ref.key} {' '.join(map(str, hosts))}" for ref, hosts in scope.hosts)
    outside = [] if scope.external is NOTHING else [repr(scope.external)]
    text = "\0".join(itertools.chain(words, hosts, outside))
    sites = (
        tuple((ref, special[ref]) if ref in special else ref for ref in scope.services) if special else scope.services
    )
    return Scoped(hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), sites, scope.external)


def services(scope: Scoped) -> frozenset[Ref]:
    """Return the services of a scope."""
    return frozenset(_service(key) for key in scope.sites)


def distinct(scopes: Mapping[Ref, Scoped]) -> Mapping[str, tuple[SiteKey, ...]]:
    """Return the sites of each distinct scope, by its digest."""
    return {scope.digest: scope.sites for scope in scopes.values()}


# ---------------------------------------------------------------------------- what callers share

Called = tuple[graph.Service, tuple[Host, ...]]
"""A service, and the hosts by which it is called."""


def called(keys: Mapping[SiteKey, None], services: Mapping[Ref, graph.Service]) -> dict[SiteKey, Called]:
    """Return for each site its service and hosts."""
    return {key: _by_hosts(key, services[_service(key)]) for key in keys}


def joined(given: Reach, values: Mapping[SiteKey, V], join: Callable[..., W], previous: Stage[str, W]) -> Stage[str, W]:
    """Return by digest what the callers of each scope share: what `join` makes of the values of its sites, in order."""
    reads = (same, layers.among(given.holders.values))
    return layers.staged(previous, (given.distinct.values, values), _each, join, reads)


def _each(scopes: Mapping[str, tuple[SiteKey, ...]], values: Mapping[SiteKey, V]) -> dict[str, tuple[V, ...]]:
    return {digest: tuple(layers.picked(values, sites)) for digest, sites in scopes.items()}


def _by_hosts(key: SiteKey, service: graph.Service) -> Called:
    return service, service.hosts if isinstance(key, Ref) else key[1]


# ---------------------------------------------------------------------------- what sidecars share


@dataclass(frozen=True, slots=True)
class Outbound:
    """What each site is to sidecars; the parts that those of one scope share: clusters, endpoints and routes, by its
    digest; `outside` is, by digest, what is not of the mesh, and `egress` how calls get there.
    """

    egress: Egress
    endpoints: endpoints.Shared[str]
    outside: Stage[str, External]
    elsewhere: Stage[SiteKey, Elsewhere]
    sites: Stage[SiteKey, Site]
    outlines: Stage[SiteKey, Outline]
    clusters: Stage[str, Part]
    frames: Stage[str, Frame]
    routes: Stage[str, Part]


def outbound(
    of: graph.Graph,
    given: Reach,
    clusters: Mapping[SiteKey, Part],
    loads: Mapping[Ref, Part],
    kept: Traffic,
    previous: Outbound,
) -> Outbound:
    """Return the shared parts of all scopes; `clusters` are those of each site, `loads` the endpoints of each
    deployment.
    """
    keys, services = given.keys.values, given.services.values
    elsewhere = layers.staged(previous.elsewhere, (keys, services), called_each, virtual_hosts.elsewhere, (same, same))
    build = functools.partial(virtual_hosts.of_service, kept=kept)
    sources, reads = (keys, of.services, elsewhere.values), (same, layers.among(given.of_service.values), same)
    sites = layers.staged(previous.sites, sources, _site_inputs, build, reads)
    outlines = layers.staged(previous.outlines, (sites.values,), layers.alone, virtual_hosts.outline, (same,))
    merged = joined(given, clusters, bundles.merged, previous.clusters)
    placed = (given.distinct.values, given.behind.values)
    near = endpoints.shared(placed, endpoints.behind_each, loads, previous.endpoints)
    outside = layers.grouped(previous.outside, (given.scopes.values,), _outside)
    leaving = egress.egress(outside.values, previous.egress)
    around = (given.distinct.values, leaving.fronts.values, outlines.values)
    through = (same, same, layers.among(given.holders.values))
    frames = layers.staged(previous.frames, around, _frame_inputs, route_configurations.frame, through)
    framed = (given.distinct.values, sites.values, frames.values)
    holding = (same, layers.among(given.holders.values), same)
    routes = layers.staged(previous.routes, framed, _framed, _routes, holding)
    return Outbound(leaving, near, outside, elsewhere, sites, outlines, merged, frames, routes)


def _outside(scopes: Mapping[Ref, Scoped]) -> dict[str, External]:
    """Return by the digest of a scope what is outside for its callers."""
    return {scope.digest: scope.external for scope in scopes.values()}


def _frame_inputs(
    scopes: Mapping[str, tuple[SiteKey, ...]], fronts: Mapping[str, Fronts], outlines: Mapping[SiteKey, Outline]
) -> dict[str, tuple[Fronts | Outline, ...]]:
    return {digest: (fronts[digest], *layers.picked(outlines, keys)) for digest, keys in scopes.items()}


def called_each(keys: Mapping[SiteKey, None], services: Mapping[SiteKey, graph.Service]) -> dict[SiteKey, Called]:
    """Return for each site its service, of which each site has one of its own, and hosts."""
    return {key: _by_hosts(key, services[key]) for key in keys}


def _site_inputs(
    keys: Mapping[SiteKey, None], services: Mapping[Ref, graph.Service], elsewhere: Mapping[SiteKey, Elsewhere]
) -> dict[SiteKey, tuple[graph.Service, tuple[Host, ...], Elsewhere]]:
    return {key: (*given, elsewhere[key]) for key, given in called(keys, services).items()}


def _framed(
    scopes: Mapping[str, tuple[SiteKey, ...]], sites: Mapping[SiteKey, Site], frames: Mapping[str, Frame]
) -> dict[str, tuple[Frame | Site, ...]]:
    return {digest: (frames[digest], *layers.picked(sites, keys)) for digest, keys in scopes.items()}


def _routes(frame: Frame, *sites: Site) -> Part:
    return (route_configurations.outbound(frame, *sites),)
