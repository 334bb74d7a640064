"""A VirtualServiceRouteTable with its destinations found, and what is wrong with its rules.

Law: a rule that cannot work is left out and named; the other rules work.
"""

from collections.abc import Iterator, Mapping

from mesh import graph, problems, resources
from mesh.problems import Problem, Ref
from mesh.resolve import services, splits
from mesh.resolve.references import Bonds, Settled, routes
from mesh.rules import timeouts

DEFAULT_PRIORITY = 500
_REQUEST_TIMEOUT_MS = 15_000

Deployments = Mapping[Ref, graph.Deployment]
Route = resources.HttpRoute | resources.TcpRoute | resources.TlsPassthroughRoute


def precedence(written: resources.VirtualServiceRouteTable | resources.IngressGatewayRouteTable) -> tuple[object, ...]:
    """Return the sort key of a table: a lower priority number first, then the older."""
    priority = written.spec.priority if written.spec else None
    return (DEFAULT_PRIORITY if priority is None else priority, *services.age(written))


def request_timeout_ms(route: resources.HttpRoute | resources.GatewayHttpRoute) -> int:
    """Return how long a route waits for an answer: as written, else 15 s, else for ever where gRPC is asked for."""
    if route.request_timeout_in_ms is not None:
        return timeouts.countable_ms(route.request_timeout_in_ms)
    return graph.NO_TIMEOUT if route.is_grpc else _REQUEST_TIMEOUT_MS


def table(
    written: resources.VirtualServiceRouteTable, bonds: Bonds, deployments: tuple[graph.Deployment, ...], segment: bool
) -> Settled[services.Table]:
    """Return the rules of a table. `deployments` are those its destinations name, of whatever service."""
    by_ref = {item.ref: item for item in deployments}
    owner = bonds.get("spec.virtualService")
    rules = written.spec.route_rules if written.spec else ()
    found = tuple(
        problem for index, rule in enumerate(rules) for problem in _faults(written, owner, bonds, by_ref, index, rule)
    )
    own = {ref: item for ref, item in by_ref.items() if item.service == owner}
    sound = tuple((index, rule) for index, rule in enumerate(rules) if len(routes(rule)) == 1)
    http = (_http_rule(bonds, own, index, rule.http_route, segment) for index, rule in sound if rule.http_route)
    tcp = (_destinations(bonds, own, index, "tcpRoute", rule.tcp_route) for index, rule in sound if rule.tcp_route)
    tls = (
        _destinations(bonds, own, index, "tlsPassthroughRoute", rule.tls_passthrough_route)
        for index, rule in sound
        if rule.tls_passthrough_route
    )
    return Settled(services.Table(written.ref, tuple(rule for rule in http if rule), tuple(tcp), tuple(tls)), found)


def _http_rule(
    bonds: Bonds, own: Deployments, index: int, route: resources.HttpRoute, segment: bool
) -> services.Rule | None:
    if not services.is_matchable(route.path):
        return None
    path, timeout = services.path_prefix(route.path, segment), request_timeout_ms(route)
    return services.Rule(path, route.is_grpc, timeout, _destinations(bonds, own, index, "httpRoute", route))


def _destinations(bonds: Bonds, own: Deployments, index: int, name: str, route: Route) -> splits.Destinations:
    """Return the destinations of a rule that belong to the service of its table."""
    return tuple(
        (ref, destination.port or 0, destination.weight)
        for place, destination in enumerate(route.destinations)
        if (ref := bonds.get(_field(index, name, place))) and ref in own
    )


def _field(index: int, name: str, place: int) -> str:
    return f"spec.routeRules[{index}].{name}.destinations[{place}].virtualDeployment"


def _faults(
    written: resources.VirtualServiceRouteTable,
    owner: Ref | None,
    bonds: Bonds,
    by_ref: Deployments,
    index: int,
    rule: resources.RouteRule,
) -> Iterator[Problem]:
    for name, route in routes(rule):
        for place, destination in enumerate(route.destinations):
            ref = bonds.get(_field(index, name, place))
            item = by_ref.get(ref) if ref else None
            if item is not None and owner is not None:
                yield from _destination_faults(written.ref, index, name, place, item, owner, destination.port)


def _destination_faults(
    ref: Ref, index: int, name: str, place: int, item: graph.Deployment, owner: Ref, port: int | None
) -> Iterator[Problem]:
    """Rules 2.13.25 to 2.13.27: a destination speaks what its route carries, on the port given, and is the table's."""
    field = f"spec.routeRules[{index}].{name}.destinations[{place}]"
    if item.service != owner:
        fault = f"{item.ref} belongs to {item.service}, not to {owner}, so this destination is ignored"
        yield problems.error(ref, f"{field}.virtualDeployment", fault, f"name a VirtualDeployment of {owner}")
    elif not item.listeners:
        fault = f"{item.ref} has no listener, so nothing can be sent to it"
        yield problems.error(ref, f"{field}.virtualDeployment", fault, "give it one, or remove the destination")
    elif not (fitting := [one.port for one in item.listeners if one.family is CARRIED[name]]):
        fault = f"{item.ref} has no listener of protocol {_PROTOCOLS[CARRIED[name]]} for this {name}"
        yield problems.error(ref, f"{field}.virtualDeployment", fault, "use the route type of its listeners' protocol")
    elif port is not None and port not in fitting:
        family, ports = CARRIED[name].value, ", ".join(map(str, fitting))
        fault = f"{item.ref} has no {family} listener on port {port}"
        yield problems.error(ref, f"{field}.port", fault, f"use one of its {family} ports ({ports}), or add a listener")


CARRIED = {
    "httpRoute": graph.Family.HTTP,
    "tcpRoute": graph.Family.TCP,
    "tlsPassthroughRoute": graph.Family.TLS_PASSTHROUGH,
}
"""Which listeners a kind of route leads to."""
_PROTOCOLS = {
    family: " or ".join(one.value for one, of in graph.FAMILIES.items() if of is family) for family in graph.Family
}
