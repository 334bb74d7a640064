"""Virtual hosts: the routes of one port of a service or one host of a gateway, under the domains that lead there.

Law: encoded once for all proxies that have them; Envoy refuses a domain that stands twice in a route configuration,
so of two virtual hosts that claim one domain the first has it.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.google import protobuf

from mesh import graph
from mesh.hosts import Host
from translator import authorities, names, replies, resources, routes, wire
from translator.resources import ResourceName

_DOMAINS = 2  # the number of the field


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """An encoded virtual host. `settings` is the encoding without domains, `body` the whole."""

    domains: authorities.Domains
    settings: bytes
    body: bytes

    def only_for(self, domains: authorities.Domains) -> "VirtualHost":
        """Return it with these domains in place of its own."""
        return self if domains == self.domains else _with_domains(self.settings, domains)


@dataclass(frozen=True, slots=True)
class Site:
    """What a service or a gateway's host is to its callers.

    `answering` lead to `targets`, whose clusters are `references`; `refusing` say 404 to requests for ports that are
    not served.
    """

    answering: tuple[VirtualHost, ...]
    refusing: tuple[VirtualHost, ...]
    targets: tuple[graph.Target, ...]
    references: tuple[ResourceName, ...]


def of_service(service: graph.Service, called_by: tuple[Host, ...]) -> Site:
    """Return the virtual hosts by which callers inside the mesh reach a service through these hosts."""
    domains = authorities.leading_to_ports(service, called_by)
    nowhere = authorities.leading_nowhere(service, called_by)
    served = [port for port in service.http if domains[port.port]]
    return _site(
        (_of_port(service, port, domains[port.port]) for port in served),
        (_other_ports(service, ports, named) for ports, named in nowhere.items() if named),
        routes.targets(route for port in served for route in port.routes),
    )


def _site(answering: Iterable[VirtualHost], refusing: Iterable[VirtualHost], targets: tuple[graph.Target, ...]) -> Site:
    references = ((resources.CLUSTER, names.target(target)) for target in targets)
    return Site(tuple(answering), tuple(refusing), targets, tuple(references))


def _of_port(service: graph.Service, port: graph.HttpPort, domains: authorities.Domains) -> VirtualHost:
    rules = [routes.route(route, is_inside=True) for route in port.routes]
    unmatched = [] if routes.is_exhaustive(port.routes) else [routes.everything(404, _no_route(service))]
    return _encoded(names.service_port(service.ref, port.port), domains, [*rules, *unmatched])


def _no_route(service: graph.Service) -> str:
    return (
        f"no route of {service.ref} matches this request; "
        "add one to a VirtualServiceRouteTable or set spec.defaultRoutingPolicy.type to UNIFORM"
    )


def _other_ports(service: graph.Service, ports: tuple[int, ...], domains: authorities.Domains) -> VirtualHost:
    answer = routes.everything(404, _no_such_port(service, ports))
    return _encoded(names.other_ports(service.ref, ports), domains, [answer])


def _no_such_port(service: graph.Service, ports: tuple[int, ...]) -> str:
    if not ports:
        return f"{service.ref} serves no HTTP here; give a VirtualDeployment of it an HTTP, HTTP2 or GRPC listener"
    listed = ", ".join(map(str, ports))
    return f"{service.ref} serves no HTTP on this port (80 unless the host names one); name one of: {listed}"


def of_gateway(host: graph.GatewayHost) -> Site:
    """Return the virtual host of a gateway's host; what matches no route gets 404 and no word about the mesh."""
    rules = [routes.route(route, is_inside=False) for route in host.routes]
    domains = tuple(dict.fromkeys(str(Host(name)) for name in host.hostnames))
    return _site((_encoded(host.name, domains, rules),), (), routes.targets(host.routes))


def of_application(listener: graph.Listener, access: Mapping[str, protobuf.Any]) -> VirtualHost:
    """Return the virtual host of all requests that a deployment's listener receives."""
    return _encoded(names.inbound(listener.port), (names.NOBODY_ELSE,), [routes.to_application(listener)], access)


@functools.cache
def forbidden() -> VirtualHost:
    """Return the virtual host of requests for whatever a caller may not reach; the listener has the words for it."""
    return _encoded(names.NOBODY_ELSE, (names.NOBODY_ELSE,), [routes.everything(replies.FORBIDDEN)])


def first_come(virtual_hosts: Iterable[VirtualHost]) -> tuple[VirtualHost, ...]:
    """Return the virtual hosts, each with the domains that none before it has; those left without any are gone."""
    given = tuple(virtual_hosts)
    if len({domain for host in given for domain in host.domains}) == sum(len(host.domains) for host in given):
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


def _encoded(
    name: str,
    domains: authorities.Domains,
    rules: list[route_v3.Route],
    access: Mapping[str, protobuf.Any] | None = None,
) -> VirtualHost:
    message = route_v3.VirtualHost(name=name, routes=rules, typed_per_filter_config=dict(access or {}))
    return _with_domains(wire.encode(message), domains)


def _with_domains(settings: bytes, domains: authorities.Domains) -> VirtualHost:
    body = settings + wire.repeated(_DOMAINS, (domain.encode() for domain in domains))
    return VirtualHost(domains, settings, body)
