"""Which listeners of an IngressGateway cannot stand beside each other on one port.

Law: the first in the order of the lists wins; who lost takes nobody else out.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mesh import hosts, problems
from mesh.problems import Problem, Ref
from mesh.resources import GatewayHost, GatewayListener, GatewayProtocol, IngressGatewaySpec, ListenerTls, TlsMode
from mesh.rules import gateways


@dataclass(frozen=True, slots=True)
class Placed:
    """A listener, its host, and its path as `spec.hosts[0].listeners[1]`."""

    at: str
    host: GatewayHost
    listener: GatewayListener


@dataclass(frozen=True, slots=True)
class Sorted:
    """Listeners that are served, and those that are not, each with the one that it must yield to and why."""

    served: tuple[Placed, ...] = ()
    refused: tuple[tuple[Placed, Placed, str], ...] = ()


def sorted_listeners(spec: IngressGatewaySpec) -> Sorted:
    """Return which listeners of a gateway are served and which yield."""
    return functools.reduce(_with, (Placed(*item) for item in gateways.placed_listeners(spec)), Sorted())


def _with(so_far: Sorted, placed: Placed) -> Sorted:
    same_port = (other for other in so_far.served if other.listener.port == placed.listener.port)
    conflicts = ((placed, other, reason) for other in same_port if (reason := _conflict(other, placed)))
    conflict = next(conflicts, None)
    if conflict is None:
        return Sorted((*so_far.served, placed), so_far.refused)
    return Sorted(so_far.served, (*so_far.refused, conflict))


def _conflict(first: Placed, second: Placed) -> str:
    """Return why two listeners of one port cannot both be served, or nothing."""
    if first.host is second.host:
        return "its host has a listener on this port already"
    if GatewayProtocol.TCP in (first.listener.protocol, second.listener.protocol):
        return "a TCP listener has the port to itself"
    difference = _difference(first, second) if _share_a_name(first.host, second.host, hosts.overlaps) else ""
    return f"they have a host name in common, but not {difference}" if difference else ""


def _difference(first: Placed, second: Placed) -> str:
    """Return in what two listeners differ so that a name of both cannot be served, or nothing."""
    one, other = _tls(first.listener), _tls(second.listener)
    if first.listener.protocol is not second.listener.protocol:
        return "the protocol"
    if (one and one.mode) is not (other and other.mode):
        return "the TLS mode"
    if one != other and _share_a_name(first.host, second.host, _same_name):
        return "the certificates"
    return ""


def _tls(listener: GatewayListener) -> ListenerTls | None:
    """Return how a listener opens connections: not at all in mode DISABLED and where they are handed on unopened."""
    if listener.tls is None or listener.tls.mode is TlsMode.DISABLED:
        return None
    return None if listener.protocol is GatewayProtocol.TLS_PASSTHROUGH else listener.tls


def _same_name(one: hosts.Host, other: hosts.Host) -> bool:
    return one.name == other.name


def _names(host: GatewayHost) -> frozenset[hosts.Host]:
    """Return the names of a host without ports, which the listeners say."""
    read = (hosts.parsed_host(text) for text in host.hostnames)
    return frozenset(hosts.Host(found.name) for found in read if found is not None)


def _share_a_name(one: GatewayHost, other: GatewayHost, alike: Callable[[hosts.Host, hosts.Host], bool]) -> bool:
    return any(alike(mine, theirs) for mine in _names(one) for theirs in _names(other))


def conflicting_listeners(subject: Ref, spec: IngressGatewaySpec) -> Iterator[Problem]:
    """Rule 2.9.5: hosts that share a port are told apart by name, or agree in protocol, TLS mode and certificates."""
    for placed, winner, reason in sorted_listeners(spec).refused:
        yield problems.error(
            subject,
            placed.at,
            f"is not served on port {placed.listener.port} because of {winner.at}: {reason}",
            "use another port, or make both alike",
        )
