"""What is wrong between a rule of a gateway's route table and the hosts and listeners of the gateway.

Law: these are findings; a rule that no listener can carry is left out elsewhere.
"""

from collections.abc import Iterator

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resolve.references import gateway_routes
from mesh.rules import gateways as gateway_rules
from mesh.rules import wording


def rule_faults(
    ref: Ref, index: int, rule: resources.GatewayRouteRule, gateway: resources.IngressGateway
) -> Iterator[Problem]:
    """Yield what keeps a rule of a gateway's route table from being served by the gateway's listeners."""
    written_hosts = gateway.spec.hosts if gateway.spec else ()
    for name, route in gateway_routes(rule):
        field = f"spec.routeRules[{index}].{name}"
        if route.ingress_gateway_host:
            yield from _host_faults(
                ref, f"{field}.ingressGatewayHost", route.ingress_gateway_host, written_hosts, gateway.ref
            )
        yield from _protocol_faults(ref, field, name, route.ingress_gateway_host, gateway)


def _host_faults(
    ref: Ref,
    field: str,
    wanted: resources.IngressGatewayHostRef,
    written: tuple[resources.GatewayHost, ...],
    gateway: Ref,
) -> Iterator[Problem]:
    """Rule 2.10.2: the host and the port that a rule names are the gateway's."""
    named = [host for host in written if host.name == wanted.name]
    ports = sorted({listener.port for host in named for listener in host.listeners})
    if not named:
        known = ", ".join(dict.fromkeys(wording.printable(host.name) for host in written))
        fault = f"{gateway} has no host named {wording.printable(wanted.name)}, so this rule is ignored"
        yield problems.error(ref, f"{field}.name", fault, f"use one of its hosts: {known}")
    elif wanted.port is not None and wanted.port not in ports:
        place = f"host {wording.printable(wanted.name)} of {gateway}"
        fault = f"{place} has no listener on port {wanted.port}, so this rule is ignored"
        yield problems.error(ref, f"{field}.port", fault, f"use one of its ports: {', '.join(map(str, ports))}")


_CARRIED_BY = {
    "httpRoute": resources.GatewayProtocol.HTTP,
    "tcpRoute": resources.GatewayProtocol.TCP,
    "tlsPassthroughRoute": resources.GatewayProtocol.TLS_PASSTHROUGH,
}


def _protocol_faults(
    ref: Ref,
    field: str,
    name: str,
    wanted: resources.IngressGatewayHostRef | None,
    gateway: resources.IngressGateway,
) -> Iterator[Problem]:
    """Rule 2.10.3: one of the listeners that a rule is for carries routes of its kind."""
    placed = gateway_rules.placed_listeners(gateway.spec) if gateway.spec else ()
    meant = [
        listener.protocol
        for _, host, listener in placed
        if wanted is None or (host.name == wanted.name and wanted.port in (None, listener.port))
    ]
    protocol = _CARRIED_BY[name]
    if meant and protocol not in meant:
        fault = f"{gateway.ref} has no listener of protocol {protocol.value} there, so this rule is ignored"
        yield problems.error(ref, field, fault, "use the kind of route of its listeners' protocol")
