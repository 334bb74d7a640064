"""The rules of a gateway's route table, with their destinations found.

Law: a rule that no listener can carry is left out and named; the other rules work.
"""

from dataclasses import dataclass

from mesh import graph, resources
from mesh.problems import Ref
from mesh.resolve import gateway_rule_faults, services, tables
from mesh.resolve.references import Bonds, GatewayRoute, Settled, gateway_routes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule counts, which service and port it leads to, and where it is written."""

    host: str
    """The name of a gateway host, or empty: every host."""
    port: int
    """A port of that host, or 0: every port."""
    service: Ref
    service_port: int
    """The port written, or 0: the service's own default."""
    field: str
    table: Ref

    def covers(self, host: str, port: int) -> bool:
        """Return whether the rule counts for a port of a gateway host."""
        return self.host in ("", host) and self.port in (0, port)


@dataclass(frozen=True, slots=True)
class HttpRule:
    """A rule for requests: what it matches and how it changes them."""

    place: Place
    path: str
    is_grpc: bool
    timeout_ms: int
    rewrites_path: bool
    rewrites_host: bool


@dataclass(frozen=True, slots=True)
class ConnectionRule:
    """A rule for connections, of TCP or of TLS that is not opened."""

    place: Place
    family: graph.Family


Rule = HttpRule | ConnectionRule
Rules = tuple[Rule, ...]


def table(
    written: resources.IngressGatewayRouteTable, bonds: Bonds, gateway: resources.IngressGateway, segment: bool
) -> Settled[Rules]:
    """Return the rules of a gateway's route table; those that no listener can carry are left out and named."""
    listed = tuple(enumerate(written.spec.route_rules)) if written.spec else ()
    found = tuple(
        problem
        for index, rule in listed
        for problem in gateway_rule_faults.rule_faults(written.ref, index, rule, gateway)
    )
    kept = (_rule(written.ref, index, rule, bonds, segment) for index, rule in listed)
    return Settled(tuple(rule for rule in kept if rule), found)


def _rule(ref: Ref, index: int, rule: resources.GatewayRouteRule, bonds: Bonds, segment: bool) -> Rule | None:
    routes = gateway_routes(rule)
    if len(routes) != 1:
        return None
    ((name, route),) = routes
    field = f"spec.routeRules[{index}].{name}"
    service = bonds.get(f"{field}.destinations[0].virtualService")
    if service is None:
        return None
    place = _place(ref, field, route, service)
    if isinstance(route, resources.GatewayHttpRoute):
        return _http_rule(place, route, segment) if services.is_matchable(route.path) else None
    return ConnectionRule(place, tables.CARRIED[name])


def _place(ref: Ref, field: str, route: GatewayRoute, service: Ref) -> Place:
    return Place(
        host=route.ingress_gateway_host.name if route.ingress_gateway_host else "",
        port=(route.ingress_gateway_host.port or 0) if route.ingress_gateway_host else 0,
        service=service,
        service_port=route.destinations[0].port or 0,
        field=field,
        table=ref,
    )


def _http_rule(place: Place, route: resources.GatewayHttpRoute, segment: bool) -> HttpRule:
    return HttpRule(
        place,
        path=services.path_prefix(route.path, segment),
        is_grpc=route.is_grpc,
        timeout_ms=tables.request_timeout_ms(route),
        rewrites_path=route.is_path_rewrite_enabled,
        rewrites_host=route.is_host_rewrite_enabled,
    )
