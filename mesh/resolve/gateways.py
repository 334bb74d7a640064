"""An IngressGateway with its hosts and routes settled, combined with the routes of the services behind it.

Law: a gateway's first matching rule decides; inside it, the tables of the service it leads to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mesh import graph, hosts, identity, problems, resources
from mesh.problems import Problem, Ref
from mesh.resolve import gateway_rule_faults, services, tables
from mesh.resolve.references import Bonds, Settled, gateway_routes
from mesh.rules import gateway_conflicts, wording

_NO_ROUTE = graph.Refusal(404, "no route of the service matches")
_DENIED = graph.Refusal(403, "no access policy lets this gateway reach the service")


@dataclass(frozen=True, slots=True)
class Rule:
    """An HTTP rule of a gateway: where it counts, what it matches, which service and port it leads to."""

    host: str
    """The name of a gateway host, or empty: every host."""
    port: int
    """A port of that host, or 0: every port."""
    path: str
    is_grpc: bool
    timeout_ms: int
    rewrites_path: bool
    rewrites_host: bool
    service: Ref
    service_port: int
    """The port written, or 0: the service's own default."""
    field: str
    table: Ref


Rules = tuple[Rule, ...]


def table(
    written: resources.IngressGatewayRouteTable, bonds: Bonds, gateway: resources.IngressGateway, segment: bool
) -> Settled[Rules]:
    """Return the HTTP rules of a gateway's route table; those that no listener can carry are left out and named."""
    listed = tuple(enumerate(written.spec.route_rules)) if written.spec else ()
    found = tuple(
        problem
        for index, rule in listed
        for problem in gateway_rule_faults.rule_faults(written.ref, index, rule, gateway)
    )
    kept = (_rule(written.ref, index, rule, bonds, segment) for index, rule in listed)
    return Settled(tuple(rule for rule in kept if rule), found)


def _rule(ref: Ref, index: int, rule: resources.GatewayRouteRule, bonds: Bonds, segment: bool) -> Rule | None:
    route = rule.http_route
    field = f"spec.routeRules[{index}].httpRoute"
    service = bonds.get(f"{field}.destinations[0].virtualService")
    is_single = len(gateway_routes(rule)) == 1
    if route is None or service is None or not is_single or not services.is_matchable(route.path):
        return None
    return Rule(
        host=route.ingress_gateway_host.name if route.ingress_gateway_host else "",
        port=(route.ingress_gateway_host.port or 0) if route.ingress_gateway_host else 0,
        path=services.path_prefix(route.path, segment),
        is_grpc=route.is_grpc,
        timeout_ms=tables.request_timeout_ms(route),
        rewrites_path=route.is_path_rewrite_enabled,
        rewrites_host=route.is_host_rewrite_enabled,
        service=service,
        service_port=route.destinations[0].port or 0,
        field=field,
        table=ref,
    )


# ---------------------------------------------------------------------------- the gateway


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
        {item.ref: item.discovery.hostname for item in deployments if isinstance(item.discovery, graph.Dns)},
        frozenset(scope.services if scope else ()),
    )


def gateway(
    written: resources.IngressGateway, owner: graph.Mesh | None, back: Behind, segment: bool, *listed: Rules
) -> Settled[graph.Gateway | None]:
    """Return the gateway that is meant; None without a spec or a mesh. `listed` are tables in order of precedence."""
    if written.spec is None or owner is None:
        return Settled(None)
    rules = tuple(rule for table in listed for rule in table)
    served = _clear_listeners(written.spec)
    value = graph.Gateway(
        written.ref,
        identity.effective_name(written, written.spec.name),
        owner.ref,
        identity.Identity(owner.trust_domain, written.ref),
        bool(written.spec.access_logging and written.spec.access_logging.is_enabled),
        tuple(_port(port, served, rules, back, segment) for port in sorted({one.listener.port for one in served})),
    )
    return Settled(value, (*_listener_faults(written), *_port_faults(rules, back, owner, segment)))


def _is_clear(listener: resources.GatewayListener) -> bool:
    is_tls = listener.tls is not None and listener.tls.mode is not resources.TlsMode.DISABLED
    return listener.protocol is resources.GatewayProtocol.HTTP and not is_tls


def _clear_listeners(spec: resources.IngressGatewaySpec) -> tuple[gateway_conflicts.Placed, ...]:
    """Return the listeners that speak HTTP in clear and yield to no other on their port."""
    return tuple(one for one in gateway_conflicts.sorted_listeners(spec).served if _is_clear(one.listener))


def _port(
    port: int, served: Iterable[gateway_conflicts.Placed], rules: Rules, back: Behind, segment: bool
) -> graph.GatewayPort:
    on_port = [one.host for one in served if one.listener.port == port]
    free = _first_claims([(host.name, _names(host)) for host in on_port])
    return graph.GatewayPort(
        port,
        tuple(
            graph.GatewayHost(host.name, names, _routes(host.name, port, rules, back, segment))
            for host, names in zip(on_port, free, strict=True)
            if names
        ),
    )


def _names(host: resources.GatewayHost) -> tuple[str, ...]:
    parsed = (hosts.parsed_host(text) for text in host.hostnames)
    return tuple(dict.fromkeys(one.name for one in parsed if one))


def _first_claims(named: Iterable[tuple[str, tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """Return for each host the names that no earlier host of the port has."""
    listed = [names for _, names in named]
    taken = [frozenset(name for names in listed[:index] for name in names) for index in range(len(listed))]
    return [tuple(name for name in names if name not in before) for names, before in zip(listed, taken, strict=True)]


# ---------------------------------------------------------------------------- routes


def _routes(host: str, port: int, rules: Rules, back: Behind, segment: bool) -> tuple[graph.HttpRoute, ...]:
    counting = (rule for rule in rules if rule.host in ("", host) and rule.port in (0, port))
    return tuple(services.reachable(route for rule in counting for route in _combined(rule, back, segment)))


def _combined(rule: Rule, back: Behind, segment: bool) -> Iterator[graph.HttpRoute]:
    """Yield the routes of the service behind a rule, narrowed to the rule, then what ends the rule."""
    served = _served_port(rule, back)
    if rule.service not in back.allowed:
        yield graph.HttpRoute(rule.path, segment, rule.is_grpc, _DENIED)
    elif served is not None:
        for route in served.routes:
            path = _combined_path(rule, route, segment)
            if path is not None:
                is_grpc = rule.is_grpc or route.is_grpc
                yield graph.HttpRoute(path, segment, is_grpc, _action(rule, route, path, back))
        yield graph.HttpRoute(rule.path, segment, rule.is_grpc, _NO_ROUTE)


def _served_port(rule: Rule, back: Behind) -> graph.HttpPort | None:
    service = back.services.get(rule.service)
    if service is None:
        return None
    wanted = rule.service_port or service.default_http_port()
    return next((port for port in service.http if port.port == wanted), None)


def _combined_path(rule: Rule, route: graph.HttpRoute, segment: bool) -> str | None:
    """Return the path that both match: joined where the gateway takes its own off, else the more specific one."""
    if rule.rewrites_path:
        return rule.path if route.path == "/" else rule.path.rstrip("/") + route.path
    if services.covers(rule.path, route.path, segment):
        return route.path
    return rule.path if services.covers(route.path, rule.path, segment) else None


def _action(rule: Rule, route: graph.HttpRoute, path: str, back: Behind) -> graph.Forward | graph.Refusal:
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


# ---------------------------------------------------------------------------- what is wrong


def _listener_faults(written: resources.IngressGateway) -> Iterator[Problem]:
    for place, host in enumerate(written.spec.hosts if written.spec else ()):
        for index, listener in enumerate(host.listeners):
            field = f"spec.hosts[{place}].listeners[{index}]"
            if listener.protocol is not resources.GatewayProtocol.HTTP:
                what = f"{listener.protocol.value} gateway listeners"
                yield tables.unserved(written.ref, f"{field}.protocol", what, "HTTP")
            elif not _is_clear(listener) and listener.tls:
                mode = listener.tls.mode.value
                fault = f"gateway listeners of TLS mode {mode} are not served by this version of meshloom"
                yield problems.error(written.ref, f"{field}.tls.mode", fault, "use mode DISABLED, or wait for it")


def _port_faults(rules: Rules, back: Behind, owner: graph.Mesh, segment: bool) -> Iterator[Problem]:
    """Rules 2.10.7 and 2.10.8: a gateway may reach the services of its rules, at a port that each of them has."""
    for rule in rules:
        service = back.services.get(rule.service)
        field = f"{rule.field}.destinations[0]"
        if service is None:
            continue
        if service.mesh != owner.ref:
            fault = f"{service.ref} belongs to another mesh, so the gateway answers 403"
            yield problems.error(rule.table, f"{field}.virtualService", fault, f"name a VirtualService of {owner.ref}")
        elif _served_port(rule, back) is None:
            yield _port_fault(rule, service, f"{field}.port")
        elif rule.service not in back.allowed:
            fault = f"no access policy lets this gateway reach {service.ref}, so it answers 403"
            remedy = "add an AccessPolicy rule with the gateway as its source and the service as its destination"
            yield problems.warning(rule.table, f"{field}.virtualService", fault, remedy)
        else:
            yield from _route_faults(rule, service, back, segment)


def _route_faults(rule: Rule, service: graph.Service, back: Behind, segment: bool) -> Iterator[Problem]:
    """Rules 2.10.5 and 2.10.6: some request that a rule matches is served, and a host to be written is known."""
    forwards = [one for one in _combined(rule, back, segment) if isinstance(one.action, graph.Forward)]
    unknown = {
        share.target.deployment
        for one in forwards
        if isinstance(one.action, graph.Forward)
        for share in one.action.shares
        if share.target.deployment not in back.hostnames
    }
    if not forwards:
        fault = f"{service.ref} has no route below {wording.quoted(rule.path)}, so that no request is served"
        remedy = "add a rule to its route table, set its defaultRoutingPolicy to UNIFORM, or correct the path"
        yield problems.warning(rule.table, rule.field, fault, remedy)
    if rule.rewrites_host and unknown:
        fault = f"{min(unknown)} has no hostname, so that the host stays as the client wrote it"
        remedy = "add serviceDiscovery with `type: DNS` and a hostname"
        yield problems.warning(rule.table, f"{rule.field}.isHostRewriteEnabled", fault, remedy)


def _port_fault(rule: Rule, service: graph.Service, field: str) -> Problem:
    ports = ", ".join(str(port.port) for port in service.http)
    if not service.http:
        fault = f"no VirtualDeployment of {service.ref} has a listener of protocol HTTP, HTTP2 or GRPC"
        return problems.error(rule.table, field, fault, "add a VirtualDeployment with such a listener")
    if rule.service_port:
        fault = f"{service.ref} has no HTTP listener on port {rule.service_port}, so this rule is ignored"
        return problems.error(rule.table, field, fault, f"use one of its ports: {ports}")
    fault = f"{service.ref} listens on several ports and none is named, so this rule is ignored"
    return problems.error(rule.table, field, fault, f"name one of its ports: {ports}")
