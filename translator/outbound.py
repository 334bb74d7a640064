"""What the sidecars of a service may reach: its scope, as virtual hosts shared with all other callers.

Law: nothing is built per caller: a virtual host is encoded once for each service (and the hosts it is called by), a
route configuration once for each distinct scope.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from mesh import graph, layers
from mesh.hosts import Host
from mesh.layers import Layer
from mesh.problems import Ref
from translator import bundles, route_configurations, virtual_hosts
from translator.bundles import Part
from translator.virtual_hosts import Site

V = TypeVar("V")

SiteKey = Ref | tuple[Ref, tuple[Host, ...]]
"""A service by its own hosts, or by those of a scope."""


class Scoped(NamedTuple):
    """A scope in the terms of this module: `digest` is equal where scopes are."""

    digest: str
    sites: tuple[SiteKey, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """The scopes of callers, and the sites that some scope holds."""

    scopes: Layer[Ref, Scoped]
    sites: Layer[SiteKey, Site]


def reach(of: graph.Graph, callers: Iterable[Ref], previous: Reach) -> Reach:
    """Return what these services may reach."""
    scopes = layers.refreshed(previous.scopes, {caller: (of.scopes[caller],) for caller in callers}, scoped)
    keys = dict.fromkeys(itertools.chain.from_iterable(sites for sites in distinct(scopes.values).values()))
    inputs = {key: _site_inputs(of, key) for key in keys}
    return Reach(scopes, layers.refreshed(previous.sites, inputs, virtual_hosts.of_service))


def behind(of: graph.Graph, given: Reach) -> Iterator[tuple[SiteKey, tuple[Ref, ...]]]:
    """Yield each site with the deployments behind it: all of its service."""
    return ((key, _service(of, key).deployments) for key in given.sites.values)


def _site_inputs(of: graph.Graph, key: SiteKey) -> tuple[graph.Service, tuple[Host, ...]]:
    service = _service(of, key)
    return service, service.hosts if isinstance(key, Ref) else key[1]


def _service(of: graph.Graph, key: SiteKey) -> graph.Service:
    return of.services[key if isinstance(key, Ref) else key[0]]


def scoped(scope: graph.Scope) -> Scoped:
    """Return a scope with its digest and the keys of its sites."""
    special = dict(scope.hosts)
    words = itertools.chain.from_iterable(scope.services)
    hosts = (f"{ref.key} {' '.join(map(str, hosts))}" for ref, hosts in scope.hosts)
    text = "\0".join(itertools.chain(words, hosts))
    sites = (
        tuple((ref, special[ref]) if ref in special else ref for ref in scope.services) if special else scope.services
    )
    return Scoped(hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), sites)


def distinct(scopes: Mapping[Ref, Scoped]) -> Mapping[str, tuple[SiteKey, ...]]:
    """Return the sites of each distinct scope, by its digest."""
    return {scope.digest: scope.sites for scope in scopes.values()}


@dataclass(frozen=True, slots=True)
class Outbound:
    """The parts that callers of one scope share: clusters and routes, by the scope's digest."""

    clusters: Layer[str, Part]
    routes: Layer[str, Part]


def outbound(given: Reach, clusters: Mapping[SiteKey, Part], previous: Outbound) -> Outbound:
    """Return the shared parts of all scopes; `clusters` are those of each site."""
    scopes = distinct(given.scopes.values)
    return Outbound(
        layers.refreshed(previous.clusters, _each(scopes, clusters), bundles.merged),
        layers.refreshed(previous.routes, _each(scopes, given.sites.values), _routes),
    )


def _each(scopes: Mapping[str, tuple[SiteKey, ...]], values: Mapping[SiteKey, V]) -> dict[str, tuple[V, ...]]:
    return {digest: tuple(map(values.__getitem__, sites)) for digest, sites in scopes.items()}


def _routes(*sites: Site) -> Part:
    return (route_configurations.outbound(sites),)
