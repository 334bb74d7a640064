"""Virtual hosts: the routes of one port of a service or one host of a gateway, under the domains that lead there.

Law: encoded once for all proxies that have them; Envoy refuses a domain that stands twice in a route configuration,
so of two virtual hosts that claim one domain the first has it.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.google import protobuf

from mesh import graph, hosts
from mesh.hosts import Host
from translator import authorities, names, replies, resources, routes, traffic, wire
from translator.resources import ResourceName
from translator.traffic import Traffic

_NAME, _DOMAINS, _ROUTES = 1, 2, 3  # the numbers of the fields
_IN_CONFIGURATION = 2  # that of a RouteConfiguration
_EVERYTHING: authorities.Domains = (hosts.ANY,)


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """An encoded virtual host: `settings` is the encoding without domains, `element` the whole, ready to be joined to
    a route configuration, and `digest` stands for that in its version.
    """

    domains: authorities.Domains
    settings: bytes
    element: bytes
    digest: bytes

    def only_for(self, domains: authorities.Domains) -> "VirtualHost":
        """Return it with these domains in place of its own."""
        return self if domains == self.domains else _with_domains(self.settings, domains)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Encoded routes for the authorities that a wildcard covers and that name a port its service does not have."""

    host: Host
    routes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What says 404 to requests for ports that a service does not have: `refusing`, for the hosts in `open`, which
    stand for every port, and `wildcards` where there is no domain for them.
    """

    refusing: tuple[VirtualHost, ...] = ()
    open: tuple[Host, ...] = ()
    wildcards: tuple[Wildcard, ...] = ()


_NOWHERE = Elsewhere()


@dataclass(frozen=True, slots=True)
class Site:
    """What a service or a gateway's host is to its callers.

    `answering` lead to `targets`, whose clusters are `references`; `wild` are the wildcards among their domains, each
    with its port.
    """

    answering: tuple[VirtualHost, ...]
    targets: tuple[graph.Target, ...]
    references: tuple[ResourceName, ...]
    wild: tuple[Host, ...] = ()
    elsewhere: Elsewhere = _NOWHERE


@dataclass(frozen=True, slots=True)
class Outline:
    """What stays of a site when its routes lead to the same targets by other rules or weights."""

    domains: authorities.Domains
    references: tuple[ResourceName, ...]
    wild: tuple[Host, ...]
    elsewhere: Elsewhere


def outline(site: Site) -> Outline:
    """Return the outline of a site."""
    domains = tuple(domain for host in site.answering for domain in host.domains)
    return Outline(domains, site.references, site.wild, site.elsewhere)


def of_service(
    service: graph.Service, called_by: tuple[Host, ...], elsewhere: Elsewhere, kept: Traffic = traffic.DEFAULT
) -> Site:
    """Return the virtual hosts by which callers inside the mesh reach a service through these hosts."""
    http = [
        (port, domains) for port in service.http if (domains := authorities.leading_to(service, port.port, called_by))
    ]
    bytes_only = _of_bytes(service, called_by)
    targets = routes.targets((route for port, _ in http for route in port.routes), (port for port, _ in bytes_only))
    inside = ((resources.CLUSTER, names.CONNECT),) if http else ()
    return Site(
        (
            *(of_port(service, port, domains, kept, _into_requests()) for port, domains in http),
            *(_of_bytes_port(service, port, domains, kept) for port, domains in bytes_only),
        ),
        targets,
        (*clusters_of(targets), *inside),
        authorities.wild(service, called_by),
        elsewhere,
    )


def routeless(service: graph.Service) -> graph.Service:
    """Return a service without its routes, which is all that counts where nothing is routed."""
    http = tuple(graph.HttpPort(port.port, ()) for port in service.http)
    tcp, tls = (tuple(graph.TcpPort(port.port, (), 0) for port in ports) for ports in (service.tcp, service.tls))
    return dataclasses.replace(service, http=http, tcp=tcp, tls=tls)


def elsewhere(service: graph.Service, called_by: tuple[Host, ...]) -> Elsewhere:
    """Return what answers requests for ports that a service does not have, which is given without routes."""
    open_hosts = authorities.open_hosts(called_by)
    return Elsewhere(
        (_other_ports(service, called_by),) if open_hosts else (),
        open_hosts,
        tuple(_wildcard(service, host) for host in open_hosts if authorities.has_pattern(host)),
    )


def clusters_of(targets: Iterable[graph.Target]) -> tuple[ResourceName, ...]:
    """Return the clusters of targets."""
    return tuple((resources.CLUSTER, names.target(target)) for target in targets)


def of_port(
    service: graph.Service, port: graph.HttpPort, domains: authorities.Domains, kept: Traffic, *before: bytes
) -> VirtualHost:
    """Return the virtual host of a service's port, with these encoded routes before its own."""
    rules: list[route_v3.Route | bytes] = [*before, *[routes.encoded(route, is_inside=True) for route in port.routes]]
    unmatched = [] if routes.is_exhaustive(port.routes) else [routes.everything(404, replies.no_route(service))]
    return _encoded(names.service_port(service.ref, port.port), domains, [*rules, *unmatched], _retrying(kept))


def _of_bytes(
    service: graph.Service, called_by: tuple[Host, ...]
) -> tuple[tuple[graph.TcpPort, authorities.Domains], ...]:
    """Return the ports of bytes alone, with their domains."""
    ports = {port.port: port for port in (*service.tls, *service.tcp)}
    alone = (ports[number] for number in service.ports()[len(service.http) :])
    found = ((port, authorities.leading_to(service, port.port, called_by)) for port in alone)
    return tuple((port, domains) for port, domains in found if domains)


def _of_bytes_port(
    service: graph.Service, port: graph.TcpPort, domains: authorities.Domains, kept: Traffic
) -> VirtualHost:
    """Return the virtual host of a port that is reached by CONNECT; other requests mean nothing to it."""
    leading = routes.into_bytes(port) if port.shares else routes.every_connect(404, replies.no_route(service))
    named = f"port {port.port} of {service.ref} is not one of HTTP; reach it by CONNECT, as https_proxy does"
    rules = [leading, routes.everything(404, named)]
    return _encoded(names.service_port(service.ref, port.port), domains, rules, _retrying(kept))


def _refusals(service: graph.Service) -> tuple[route_v3.Route, ...]:
    """Return the routes that answer for ports that a service does not have."""
    return routes.every_connect(404, replies.nothing_there(service)), routes.everything(
        404, replies.no_such_port(service)
    )


def _other_ports(service: graph.Service, called_by: tuple[Host, ...]) -> VirtualHost:
    domains = authorities.leading_nowhere(service, called_by)
    return _encoded(names.other_ports(service.ref), domains, [*_refusals(service)])


def _wildcard(service: graph.Service, host: Host) -> Wildcard:
    pattern = authorities.pattern_of_other_ports(host)
    return Wildcard(host, tuple(wire.encode(routes.by_authority(pattern, each)) for each in _refusals(service)))


def of_gateway(host: graph.GatewayHost, kept: Traffic = traffic.DEFAULT) -> Site:
    """Return the virtual host of a gateway's host; what matches no route gets 404 and no word about the mesh."""
    rules = [routes.encoded(route, is_inside=False) for route in host.routes]
    domains = tuple(dict.fromkeys(str(Host(name)) for name in host.hostnames))
    targets = routes.targets(host.routes)
    return Site((_encoded(host.name, domains, rules, _retrying(kept)),), targets, clusters_of(targets))


def of_conduit(conduit: graph.Conduit) -> Site:
    """Return what is behind the connections that a gateway hands on unread: targets without virtual hosts."""
    targets = tuple(sorted({share.target for share in conduit.shares}))
    return Site((), targets, clusters_of(targets))


def misdirected(hostnames: Iterable[str]) -> VirtualHost:
    """Return the virtual host of a gateway for names that are served, but not by the connection that asks for them."""
    domains = tuple(dict.fromkeys(str(Host(name)) for name in hostnames))
    return _encoded(names.MISDIRECTED, domains, [routes.everything(421)])


def of_application(listener: graph.Listener, access: Mapping[str, protobuf.Any]) -> VirtualHost:
    """Return the virtual host of all requests that a deployment's listener receives."""
    guards = wire.encode(route_v3.VirtualHost(typed_per_filter_config=dict(access)))
    return _encoded(names.inbound(listener.port), _EVERYTHING, [routes.to_application(listener)], guards)


def of_nobody(wildcards: Iterable[Wildcard], outside: Iterable[bytes] = ()) -> VirtualHost:
    """Return the virtual host of requests for whatever a caller may not reach; the listener has the words for it.

    Requests for other ports of wildcards end up there too, and are told so, by the longest wildcard; and those that
    these encoded routes lead outside.
    """
    ordered = sorted(wildcards, key=lambda item: item.host.precedence)
    told = [*(route for item in ordered for route in item.routes), *outside]
    return _telling(told) if told else _silent()


@functools.cache
def _silent() -> VirtualHost:
    return _telling([])


def _telling(told: Iterable[bytes]) -> VirtualHost:
    return joined(names.NOBODY, _EVERYTHING, [*told, *map(wire.encode, routes.refusals())])


def joined(name: str, domains: authorities.Domains, encoded: Iterable[bytes]) -> VirtualHost:
    """Return a virtual host of routes that are encoded already."""
    return _with_domains(wire.repeated(_NAME, [name.encode()]) + wire.repeated(_ROUTES, encoded), domains)


def refusing(sites: Sequence[Outline]) -> Iterator[VirtualHost]:
    """Yield the virtual hosts that refuse, also on the ports of wildcards that would take requests away from them.

    To Envoy `*.pets:81` is nearer to `my.pets:81` than `my.pets:*`; to people the service of `my.pets` is meant. One
    without a domain, which Envoy would refuse with all the others, is left out.
    """
    wild = [host for site in sites for host in site.wild]
    for each in (site.elsewhere for site in sites):
        taken = authorities.taken_by(wild, each.open) if wild else ()
        refusing = (host.only_for((*host.domains, *taken)) for host in each.refusing) if taken else each.refusing
        yield from (host for host in refusing if host.domains)


def first_come(virtual_hosts: Iterable[VirtualHost]) -> tuple[VirtualHost, ...]:
    """Return the virtual hosts, each with the domains that none before it has; those left without any are gone."""
    given = tuple(virtual_hosts)
    if is_each_once(domain for host in given for domain in host.domains):
        return given
    owners: dict[str, int] = {}
    for index, host in enumerate(given):
        for domain in host.domains:
            owners.setdefault(domain, index)
    kept = (
        host.only_for(tuple(domain for domain in host.domains if owners[domain] == index))
        for index, host in enumerate(given)
    )
    return tuple(host for host in kept if host.domains)


def is_each_once(domains: Iterable[str]) -> bool:
    """Return whether no domain is claimed twice."""
    claimed = [*domains]
    return len({*claimed}) == len(claimed)


def _encoded(
    name: str, domains: authorities.Domains, rules: Iterable[route_v3.Route | bytes], others: bytes = b""
) -> VirtualHost:
    """Return a virtual host of these routes, encoded already or not; `others` is the encoding of its other fields."""
    encoded = [rule if isinstance(rule, bytes) else wire.encode(rule) for rule in rules]
    return _with_domains(wire.repeated(_NAME, [name.encode()]) + wire.repeated(_ROUTES, encoded) + others, domains)


@functools.cache
def _into_requests() -> bytes:
    return wire.encode(routes.into_requests())


@functools.cache
def _retrying(kept: Traffic) -> bytes:
    """Return the encoding of when requests are sent once more."""
    return wire.encode(route_v3.VirtualHost(retry_policy=traffic.retry_policy(kept)))


def _with_domains(settings: bytes, domains: authorities.Domains) -> VirtualHost:
    body = settings + wire.repeated(_DOMAINS, (domain.encode() for domain in domains))
    element = wire.repeated(_IN_CONFIGURATION, [body])
    return VirtualHost(domains, settings, element, resources.digest(element))
