"""An IngressGateway with its hosts and routes settled.

Law: of listeners that cannot stand beside each other on a port the first is served. A name that a host has is that
host's on its port, also where the host cannot be served: nobody else gets its requests.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mesh import graph, hosts, identity, resources
from mesh.problems import Problem
from mesh.resolve import gateway_faults, gateway_routes, gateway_tls
from mesh.resolve.gateway_routes import Behind
from mesh.resolve.gateway_rules import ConnectionRule, HttpRule, Rules
from mesh.resolve.gateway_tls import Keys, Reception
from mesh.resolve.references import Settled
from mesh.resources import GatewayProtocol
from mesh.rules import gateway_conflicts

_FAMILIES = {
    GatewayProtocol.TCP: graph.Family.TCP,
    GatewayProtocol.TLS_PASSTHROUGH: graph.Family.TLS_PASSTHROUGH,
}


@dataclass(frozen=True, slots=True)
class _Given:
    """What the hosts of a gateway are made of."""

    rules: Rules
    back: Behind
    segment: bool

    def routes(self, host: str, port: int) -> tuple[graph.HttpRoute, ...]:
        counting = [rule for rule in self.rules if isinstance(rule, HttpRule) and rule.place.covers(host, port)]
        return gateway_routes.routes(counting, self.back, self.segment)

    def conduit(self, of: resources.GatewayListener, host: str) -> graph.Conduit:
        connections = [rule for rule in self.rules if isinstance(rule, ConnectionRule)]
        family = _FAMILIES[of.protocol]
        counting = (rule for rule in connections if rule.family is family and rule.place.covers(host, of.port))
        return gateway_routes.conduit(counting, self.back)


@dataclass(frozen=True, slots=True)
class _Listener:
    """A listener that yields to no other on its port, with the names that are its own there; None: not served."""

    host: resources.GatewayHost
    written: resources.GatewayListener
    names: tuple[str, ...]
    reception: Reception | None


def gateway(
    written: resources.IngressGateway, owner: graph.Mesh | None, back: Behind, segment: bool, keys: Keys, *listed: Rules
) -> Settled[graph.Gateway | None]:
    """Return the gateway that is meant; None without a spec or a mesh. `listed` are tables in order of precedence."""
    if written.spec is None or owner is None:
        return Settled(None)
    rules = tuple(rule for table in listed for rule in table)
    placed = gateway_conflicts.sorted_listeners(written.spec).served
    found = [(one, gateway_tls.reception(written.ref, one.at, one.listener, keys)) for one in placed]
    receptions = [(one, settled.value) for one, settled in found]
    value = graph.Gateway(
        written.ref,
        identity.effective_name(written, written.spec.name),
        owner.ref,
        identity.Identity(owner.trust_domain, written.ref),
        bool(written.spec.access_logging and written.spec.access_logging.is_enabled),
        tuple(_ports(receptions, _Given(rules, back, segment))),
    )
    faults = [problem for _, settled in found for problem in settled.problems]
    return Settled(value, (*faults, *_rule_faults(written, rules, back, owner, segment)))


def _rule_faults(
    written: resources.IngressGateway, rules: Rules, back: Behind, owner: graph.Mesh, segment: bool
) -> Iterator[Problem]:
    yield from gateway_faults.rule_faults(rules, back, owner, segment)
    yield from gateway_faults.overtaken(written, rules)


def _ports(
    found: Sequence[tuple[gateway_conflicts.Placed, Reception | None]], given: _Given
) -> Iterator[graph.GatewayPort]:
    """Yield the ports on which something is served, in order."""
    for port in sorted({one.listener.port for one, _ in found}):
        on_port = [(one, how) for one, how in found if one.listener.port == port]
        free = _first_claims([_names(one.host) for one, _ in on_port])
        listeners = [
            _Listener(one.host, one.listener, names, how) for (one, how), names in zip(on_port, free, strict=True)
        ]
        made = _port(port, listeners, given)
        if made.hosts or made.passages or made.tcp:
            yield made


def _port(port: int, listeners: Sequence[_Listener], given: _Given) -> graph.GatewayPort:
    served = [(one, one.reception) for one in listeners if one.reception is not None]
    of = {
        protocol: [(one, how) for one, how in served if one.written.protocol is protocol]
        for protocol in GatewayProtocol
    }
    tcp = [
        graph.GatewayTcp(given.conduit(one.written, one.host.name), how.tls, how.in_clear)
        for one, how in of[GatewayProtocol.TCP]
    ]
    return graph.GatewayPort(
        port,
        tuple(
            graph.GatewayHost(one.host.name, one.names, given.routes(one.host.name, port), how.tls, how.in_clear)
            for one, how in of[GatewayProtocol.HTTP]
            if one.names
        ),
        tuple(
            graph.GatewayPassage(one.names, given.conduit(one.written, one.host.name))
            for one, _ in of[GatewayProtocol.TLS_PASSTHROUGH]
            if one.names
        ),
        tcp[0] if tcp else None,
        tuple(name for one in listeners if one.reception is None for name in one.names),
    )


def _names(host: resources.GatewayHost) -> tuple[str, ...]:
    parsed = (hosts.parsed_host(text) for text in host.hostnames)
    return tuple(dict.fromkeys(one.name for one in parsed if one))


def _first_claims(listed: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return of each host's names those that no earlier host of the port has."""
    given = list(listed)
    taken = [frozenset(name for names in given[:index] for name in names) for index in range(len(given))]
    return [tuple(name for name in names if name not in before) for names, before in zip(given, taken, strict=True)]
