"""An IngressGateway with its hosts and routes settled.

Law: of listeners that cannot stand beside each other on a port the first is served. A name that a host has is that
host's on its port, also where the host cannot be served: nobody else gets its requests.
"""

import dataclasses
import itertools
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

    def behind(self, of: gateway_conflicts.Placed) -> tuple[graph.HttpRoute, ...] | graph.Conduit:
        if of.listener.protocol is GatewayProtocol.HTTP:
            return self.routes(of.host.name, of.listener.port)
        return self.conduit(of.listener, of.host.name)

    def routes(self, host: str, port: int) -> tuple[graph.HttpRoute, ...]:
        counting = [rule for rule in self.rules if isinstance(rule, HttpRule) and rule.place.covers(host, port)]
        return gateway_routes.routes(counting, self.back, self.segment)

    def conduit(self, of: resources.GatewayListener, host: str) -> graph.Conduit:
        connections = [rule for rule in self.rules if isinstance(rule, ConnectionRule)]
        family = _FAMILIES[of.protocol]
        counting = (rule for rule in connections if rule.family is family and rule.place.covers(host, of.port))
        return gateway_routes.conduit(counting, self.back)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener that yields to no other on its port: where it is written, the names that are its own there, and what
    is behind it.
    """

    placed: gateway_conflicts.Placed
    names: tuple[str, ...]
    behind: tuple[graph.HttpRoute, ...] | graph.Conduit

    @property
    def port(self) -> int:
        """Return its port."""
        return self.placed.listener.port


@dataclass(frozen=True, slots=True)
class Outline:
    """A gateway but for the certificates that its listeners need; these in order of their ports."""

    gateway: graph.Gateway
    listeners: tuple[Listener, ...]


def outline(
    written: resources.IngressGateway, owner: graph.Mesh | None, back: Behind, segment: bool, *listed: Rules
) -> Settled[Outline | None]:
    """Return the gateway that is meant; None without a spec or a mesh. `listed` are tables in order of precedence."""
    if written.spec is None or owner is None:
        return Settled(None)
    rules = tuple(rule for table in listed for rule in table)
    value = graph.Gateway(
        written.ref,
        identity.effective_name(written, written.spec.name),
        owner.ref,
        identity.Identity(owner.trust_domain, written.ref),
        bool(written.spec.access_logging and written.spec.access_logging.is_enabled),
        (),
    )
    placed = gateway_conflicts.sorted_listeners(written.spec).served
    listeners = tuple(_listeners(placed, _Given(rules, back, segment)))
    return Settled(Outline(value, listeners), tuple(_rule_faults(written, rules, back, owner, segment)))


def _rule_faults(
    written: resources.IngressGateway, rules: Rules, back: Behind, owner: graph.Mesh, segment: bool
) -> Iterator[Problem]:
    yield from gateway_faults.rule_faults(rules, back, owner, segment)
    yield from gateway_faults.overtaken(written, rules)


def _listeners(found: Sequence[gateway_conflicts.Placed], given: _Given) -> Iterator[Listener]:
    for port in sorted({one.listener.port for one in found}):
        on_port = [one for one in found if one.listener.port == port]
        free = _first_claims([_names(one.host) for one in on_port])
        yield from (Listener(one, names, given.behind(one)) for one, names in zip(on_port, free, strict=True))


# ---------------------------------------------------------------------------- with its certificates


def gateway(of: Outline | None, keys: Keys) -> graph.Gateway | None:
    """Return a gateway whose listeners receive with these certificates; those that lack theirs are left out."""
    if of is None:
        return None
    by_port = itertools.groupby(of.listeners, lambda one: one.port)
    made = (_port(port, [*listeners], keys) for port, listeners in by_port)
    return dataclasses.replace(of.gateway, ports=tuple(one for one in made if one.hosts or one.passages or one.tcp))


def _port(port: int, listeners: Sequence[Listener], keys: Keys) -> graph.GatewayPort:
    received = [(one, gateway_tls.reception(one.placed.listener, keys)) for one in listeners]
    behind = [_behind(one, how) for one, how in received if how is not None]
    return graph.GatewayPort(
        port,
        tuple(one for one in behind if isinstance(one, graph.GatewayHost) and one.hostnames),
        tuple(one for one in behind if isinstance(one, graph.GatewayPassage) and one.hostnames),
        next((one for one in behind if isinstance(one, graph.GatewayTcp)), None),
        tuple(name for one, how in received if how is None for name in one.names),
    )


def _behind(of: Listener, how: Reception) -> graph.GatewayHost | graph.GatewayPassage | graph.GatewayTcp:
    if not isinstance(of.behind, graph.Conduit):
        return graph.GatewayHost(of.placed.host.name, of.names, of.behind, how.tls, how.in_clear)
    if of.placed.listener.protocol is GatewayProtocol.TCP:
        return graph.GatewayTcp(of.behind, how.tls, how.in_clear)
    return graph.GatewayPassage(of.names, of.behind)


def _names(host: resources.GatewayHost) -> tuple[str, ...]:
    parsed = (hosts.parsed_host(text) for text in host.hostnames)
    return tuple(dict.fromkeys(one.name for one in parsed if one))


def _first_claims(listed: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return of each host's names those that no earlier host of the port has."""
    given = list(listed)
    taken = [frozenset(name for names in given[:index] for name in names) for index in range(len(given))]
    return [tuple(name for name in names if name not in before) for names, before in zip(given, taken, strict=True)]
