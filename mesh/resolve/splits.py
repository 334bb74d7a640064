"""How traffic on one port of a service is shared out among its deployments.

Law: only a listener of the family that a route carries gets a share; weights count relative to their sum.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mesh import graph
from mesh.problems import Ref

Destinations = tuple[tuple[Ref, int, int], ...]
"""VirtualDeployment, port or 0 (the port that the caller used), weight."""
Deployments = Mapping[Ref, graph.Deployment]
"""The deployments of one service."""


@dataclass(frozen=True, slots=True)
class Split:
    """The shares of a port, none where all weights are 0, and how long their listeners let a connection idle."""

    shares: tuple[graph.Share, ...]
    idle_timeout_ms: int


def weighted(by_ref: Deployments, destinations: Destinations, port: int, family: graph.Family) -> Split | None:
    """Return the shares of a rule's destinations; None where no listener of the family is among them."""
    usable = [
        (listener, graph.Target(ref, wanted or port), weight)
        for ref, wanted, weight in destinations
        if ref in by_ref and (listener := _listener(by_ref[ref], wanted or port, family))
    ]
    if not usable:
        return None
    weights: dict[graph.Target, int] = {}
    for _, target, weight in usable:
        weights[target] = weights.get(target, 0) + weight
    shares = tuple(graph.Share(target, weight) for target, weight in weights.items() if weight)
    return Split(shares, longest(listener.idle_timeout_ms for listener, *_ in usable))


def equal(by_ref: Deployments, port: int, family: graph.Family) -> Split:
    """Return equal shares for all deployments that listen on a port."""
    listening = [(ref, one) for ref, item in by_ref.items() if (one := _listener(item, port, family))]
    shares = tuple(graph.Share(graph.Target(ref, port), 1) for ref, _ in listening)
    return Split(shares, longest(listener.idle_timeout_ms for _, listener in listening))


def _listener(item: graph.Deployment, port: int, family: graph.Family) -> graph.Listener | None:
    listener = item.listener(port)
    return listener if listener and listener.family is family else None


def ports(by_ref: Deployments, family: graph.Family) -> tuple[int, ...]:
    """Return the ports on which deployments listen for routes of one family, in order."""
    return tuple(sorted({one.port for item in by_ref.values() for one in item.listeners if one.family is family}))


def longest(timeouts_ms: Iterable[int]) -> int:
    """Return the longest of some timeouts, where 0 means none at all; 0 of nothing."""
    given = tuple(timeouts_ms)
    return 0 if 0 in given else max(given, default=0)
