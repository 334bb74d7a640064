"""What is wrong between the rules of a gateway and the services behind it.

Law: these are findings; the gateway is built whether or not there are any.
"""

from collections.abc import Iterator, Mapping

from mesh import graph, problems, resources
from mesh.problems import Problem
from mesh.resolve import gateway_routes
from mesh.resolve.gateway_routes import Behind
from mesh.resolve.gateway_rules import ConnectionRule, HttpRule, Rule, Rules
from mesh.rules import gateway_conflicts, wording

_PROTOCOLS: Mapping[graph.Family, str] = {
    graph.Family.HTTP: "HTTP, HTTP2 or GRPC",
    graph.Family.TCP: "TCP",
    graph.Family.TLS_PASSTHROUGH: "TLS_PASSTHROUGH",
}


def rule_faults(rules: Rules, back: Behind, owner: graph.Mesh, segment: bool) -> Iterator[Problem]:
    """Rules 2.10.7 and 2.10.8: a gateway may reach the services of its rules, at a port that each of them has."""
    for rule in rules:
        place, service = rule.place, back.services.get(rule.place.service)
        field = f"{place.field}.destinations[0]"
        instead = "it answers 403" if isinstance(rule, HttpRule) else "it closes connections"
        if service is None:
            continue
        if service.mesh != owner.ref:
            fault = f"{service.ref} belongs to another mesh, so the gateway {instead.removeprefix('it ')}"
            yield problems.error(place.table, f"{field}.virtualService", fault, f"name a VirtualService of {owner.ref}")
        elif not _has_port(rule, back):
            yield _port_fault(rule, service, f"{field}.port")
        elif place.service not in back.allowed:
            fault = f"no access policy lets this gateway reach {service.ref}, so {instead}"
            remedy = "add an AccessPolicy rule with the gateway as its source and the service as its destination"
            yield problems.warning(place.table, f"{field}.virtualService", fault, remedy)
        else:
            yield from _route_faults(rule, service, back, segment)


def _has_port(rule: Rule, back: Behind) -> bool:
    if isinstance(rule, HttpRule):
        return gateway_routes.http_port(rule.place, back) is not None
    return gateway_routes.connection_port(rule, back) is not None


def _route_faults(rule: Rule, service: graph.Service, back: Behind, segment: bool) -> Iterator[Problem]:
    if isinstance(rule, HttpRule):
        yield from _http_faults(rule, service, back, segment)
    elif not gateway_routes.conduit([rule], back).shares:
        fault = f"{service.ref} sends connections nowhere, so that they are closed"
        remedy = "add a rule to its route table, or set its defaultRoutingPolicy to UNIFORM"
        yield problems.warning(rule.place.table, rule.place.field, fault, remedy)


def _http_faults(rule: HttpRule, service: graph.Service, back: Behind, segment: bool) -> Iterator[Problem]:
    """Rules 2.10.5 and 2.10.6: some request that a rule matches is served, and a host to be written is known."""
    actions = [one.action for one in gateway_routes.combined(rule, back, segment)]
    forwards = [action for action in actions if isinstance(action, graph.Forward)]
    unknown = {
        share.target.deployment
        for forward in forwards
        for share in forward.shares
        if share.target.deployment not in back.hostnames
    }
    if not forwards:
        fault = f"{service.ref} has no route below {wording.quoted(rule.path)}, so that no request is served"
        remedy = "add a rule to its route table, set its defaultRoutingPolicy to UNIFORM, or correct the path"
        yield problems.warning(rule.place.table, rule.place.field, fault, remedy)
    if rule.rewrites_host and unknown:
        fault = f"{min(unknown)} has no hostname, so that the host stays as the client wrote it"
        remedy = "add serviceDiscovery with `type: DNS` and a hostname"
        yield problems.warning(rule.place.table, f"{rule.place.field}.isHostRewriteEnabled", fault, remedy)


def _port_fault(rule: Rule, service: graph.Service, field: str) -> Problem:
    family = rule.family if isinstance(rule, ConnectionRule) else graph.Family.HTTP
    ports = ", ".join(map(str, _ports(service, family)))
    table, wanted = rule.place.table, rule.place.service_port
    if not ports:
        fault = f"no VirtualDeployment of {service.ref} has a listener of protocol {_PROTOCOLS[family]}"
        return problems.error(table, field, fault, "add a VirtualDeployment with such a listener")
    if wanted:
        fault = f"{service.ref} has no {family.value} listener on port {wanted}, so this rule is ignored"
        return problems.error(table, field, fault, f"use one of its ports: {ports}")
    fault = f"{service.ref} listens on several ports and none is named, so this rule is ignored"
    return problems.error(table, field, fault, f"name one of its ports: {ports}")


def _ports(service: graph.Service, family: graph.Family) -> tuple[int, ...]:
    if family is graph.Family.HTTP:
        return tuple(port.port for port in service.http)
    return tuple(port.port for port in gateway_routes.connection_ports(service, family))


def overtaken(written: resources.IngressGateway, rules: Rules) -> Iterator[Problem]:
    """Rule 2.10.9: a rule for connections is the first for one of the listeners that it is for."""
    placed = gateway_conflicts.sorted_listeners(written.spec).served if written.spec else ()
    for kind, family in _CARRYING.items():
        listeners = [one for one in placed if one.listener.protocol is kind]
        connections = [rule for rule in rules if isinstance(rule, ConnectionRule) and rule.family is family]
        for index, rule in enumerate(connections):
            meant = [one for one in listeners if rule.place.covers(one.host.name, one.listener.port)]
            earlier = [[one for one in connections[:index] if _counts(one, listener)] for listener in meant]
            if meant and all(earlier):
                first = earlier[0][0].place
                fault = f"{first.field} of {first.table} gets all connections first, so this rule is never reached"
                remedy = "remove one of the two, or bind them to different hosts or ports by ingressGatewayHost"
                yield problems.warning(rule.place.table, rule.place.field, fault, remedy)


_CARRYING = {
    resources.GatewayProtocol.TCP: graph.Family.TCP,
    resources.GatewayProtocol.TLS_PASSTHROUGH: graph.Family.TLS_PASSTHROUGH,
}


def _counts(rule: ConnectionRule, listener: gateway_conflicts.Placed) -> bool:
    return rule.place.covers(listener.host.name, listener.listener.port)
