"""The routes of a gateway's host: its rules combined with the routes of the services behind them.

Law: a gateway's first matching rule decides; inside it, the tables of the service it leads to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mesh import graph
from mesh.problems import Ref
from mesh.resolve import services
from mesh.resolve.gateway_rules import ConnectionRule, HttpRule, Place

_NO_ROUTE = graph.Refusal(404, "no route of the service matches")
_DENIED = graph.Refusal(403, "no access policy lets this gateway reach the service")

NO_POLICY, NO_PORT, NO_SHARES, NO_RULE = "no-access-policy", "no-such-port", "no-route", "no-rule"
"""Why connections are closed."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What lies behind a gateway: services its rules name, their deployments' host names, and which are allowed."""

    services: Mapping[Ref, graph.Service]
    hostnames: Mapping[Ref, str]
    allowed: frozenset[Ref]


def behind(
    scope: graph.Scope | None, reached: tuple[graph.Service, ...], deployments: tuple[graph.Deployment, ...]
) -> Behind:
    """Return what lies behind a gateway, made of parts that change on their own."""
    return Behind(
        {service.ref: service for service in reached},
        {item.ref: item.hostname for item in deployments if item.hostname},
        frozenset(scope.services if scope else ()),
    )


def routes(rules: Iterable[HttpRule], back: Behind, segment: bool) -> tuple[graph.HttpRoute, ...]:
    """Return the routes of a host for which these rules count."""
    return tuple(services.reachable(route for rule in rules for route in combined(rule, back, segment)))


def combined(rule: HttpRule, back: Behind, segment: bool) -> Iterator[graph.HttpRoute]:
    """Yield the routes of the service behind a rule, narrowed to the rule, then what ends the rule."""
    served = http_port(rule.place, back)
    if rule.place.service not in back.allowed:
        yield graph.HttpRoute(rule.path, segment, rule.is_grpc, _DENIED)
    elif served is not None:
        for route in served.routes:
            path = _combined_path(rule, route, segment)
            if path is not None:
                is_grpc = rule.is_grpc or route.is_grpc
                yield graph.HttpRoute(path, segment, is_grpc, _action(rule, route, path, back))
        yield graph.HttpRoute(rule.path, segment, rule.is_grpc, _NO_ROUTE)


def http_port(place: Place, back: Behind) -> graph.HttpPort | None:
    """Return the port of the service behind a rule for requests, or None if none is meant."""
    service = back.services.get(place.service)
    if service is None:
        return None
    wanted = place.service_port or service.default_http_port()
    return next((port for port in service.http if port.port == wanted), None)


def _combined_path(rule: HttpRule, route: graph.HttpRoute, segment: bool) -> str | None:
    """Return the path that both match: joined where the gateway takes its own off, else the more specific one."""
    if rule.rewrites_path:
        return rule.path if route.path == "/" else rule.path.rstrip("/") + route.path
    if services.covers(rule.path, route.path, segment):
        return route.path
    return rule.path if services.covers(route.path, rule.path, segment) else None


def _action(rule: HttpRule, route: graph.HttpRoute, path: str, back: Behind) -> graph.Forward | graph.Refusal:
    if isinstance(route.action, graph.Refusal):
        return route.action
    shares = route.action.shares
    if rule.rewrites_host:
        shares = tuple(
            graph.Share(share.target, share.weight, back.hostnames.get(share.target.deployment, "")) for share in shares
        )
    return graph.Forward(
        shares,
        services.shortest((rule.timeout_ms, route.action.timeout_ms)),
        route.action.idle_timeout_ms,
        route.path if rule.rewrites_path and route.path != path else "",
    )


# ---------------------------------------------------------------------------- connections


def conduit(rules: Iterable[ConnectionRule], back: Behind) -> graph.Conduit:
    """Return where the connections of a listener go: the first of the rules that count for it says so."""
    rule = next(iter(rules), None)
    if rule is None:
        return graph.Conduit(reason=NO_RULE)
    if rule.place.service not in back.allowed:
        return graph.Conduit(reason=NO_POLICY)
    port = connection_port(rule, back)
    if port is None:
        return graph.Conduit(reason=NO_PORT)
    return graph.Conduit(port.shares, port.idle_timeout_ms, "" if port.shares else NO_SHARES)


def connection_port(rule: ConnectionRule, back: Behind) -> graph.TcpPort | None:
    """Return the port of the service behind a rule for connections, or None if none is meant."""
    service = back.services.get(rule.place.service)
    ports = connection_ports(service, rule.family) if service else ()
    meant = [port for port in ports if rule.place.service_port in (0, port.port)]
    return meant[0] if len(meant) == 1 else None


def connection_ports(service: graph.Service, family: graph.Family) -> tuple[graph.TcpPort, ...]:
    """Return the ports of a service that carry connections of a family."""
    return service.tcp if family is graph.Family.TCP else service.tls
