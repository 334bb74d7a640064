"""Who may call whom: all policies of a mesh as one table, read from the caller's side and from the target's.

Law: only what a rule allows is allowed; scopes and callers are two renderings of the same table. In audit everybody may
try, and callers say who is allowed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mesh import graph, identity, problems, resources
from mesh.external import NOTHING, External
from mesh.problems import Problem, Ref
from mesh.resolve import outside
from mesh.resolve.claims import Claims
from mesh.resolve.outside import EVERY, Members, Side, Way
from mesh.resolve.references import Bonds, Settled


@dataclass(frozen=True, slots=True)
class Access:
    """The table of one mesh: scopes by caller, callers by service."""

    scopes: Mapping[Ref, graph.Scope]
    callers: Mapping[Ref, graph.Callers]


Rules = tuple[tuple[Side, Side], ...]
"""Allowed pairs of source and destination."""


def rules(written: resources.AccessPolicy, bonds: Bonds, foreign: frozenset[Ref]) -> Settled[Rules]:
    """Return the pairs that a policy allows. `foreign` are the members that live in another mesh."""
    listed = tuple(enumerate(written.spec.rules)) if written.spec else ()
    pairs = tuple(pair for index, rule in listed if (pair := _pair(index, rule, bonds, foreign)))
    return Settled(pairs, tuple(_faults(written.ref, listed, bonds, foreign)))


def _pair(
    index: int, rule: resources.AccessPolicyRule, bonds: Bonds, foreign: frozenset[Ref]
) -> tuple[Side, Side] | None:
    source = _side(f"spec.rules[{index}].source", rule.source, bonds)
    destination = _side(f"spec.rules[{index}].destination", rule.destination, bonds)
    is_known = source is not None and destination is not None and source not in foreign and destination not in foreign
    is_sound = isinstance(destination, str) or (destination is not None and destination.kind == "VirtualService")
    return (source, destination) if is_known and is_sound and source and destination else None


def openings(written: resources.AccessPolicy, bonds: Bonds) -> tuple[outside.Opening, ...]:
    """Return what a policy opens outside of its mesh, and to whom. Gateways call nothing there."""
    listed = enumerate(written.spec.rules) if written.spec else ()
    found = (
        (f"spec.rules[{index}]", rule, rule.destination.external_service)
        for index, rule in listed
        if _is_one(rule.destination)
    )
    sides = ((at, _side(f"{at}.source", rule.source, bonds), service) for at, rule, service in found if service)
    return tuple(
        outside.Opening(f"{at}.destination.externalService", side, service)
        for at, side, service in sides
        if side and (isinstance(side, str) or side.kind == "VirtualService")
    )


def _is_one(target: resources.TrafficTarget) -> bool:
    named = (target.all_virtual_services, target.virtual_service, target.ingress_gateway, target.external_service)
    return sum(member is not None for member in named) == 1


def _side(field: str, target: resources.TrafficTarget, bonds: Bonds) -> Side | None:
    if not _is_one(target):
        return None
    if target.all_virtual_services is not None:
        return EVERY
    return bonds.get(f"{field}.virtualService") or bonds.get(f"{field}.ingressGateway")


def _faults(
    ref: Ref, listed: Iterable[tuple[int, resources.AccessPolicyRule]], bonds: Bonds, foreign: frozenset[Ref]
) -> Iterator[Problem]:
    """Rule 2.13.28: the members of a rule belong to the mesh of their policy."""
    for index, _ in listed:
        for side in ("source", "destination"):
            for member in ("virtualService", "ingressGateway"):
                field = f"spec.rules[{index}].{side}.{member}"
                target = bonds.get(field)
                if target in foreign:
                    fault = f"{target} belongs to another mesh, so this rule is ignored"
                    yield problems.error(ref, field, fault, "name a member of the mesh that this policy names")


class Surroundings(NamedTuple):
    """What is outside of a mesh: ways that its policies open, what its members take, and networks that never are."""

    ways: tuple[Way, ...] = ()
    members: Members = Members()
    refused: tuple[str, ...] = ()


def access(
    mesh: graph.Mesh,
    claims: Claims,
    around: Surroundings,
    services: tuple[Ref, ...],
    gateways: tuple[Ref, ...],
    *policies: Rules,
) -> Access:
    """Return the table of a mesh. `services` and `gateways` are its members, in order; nobody else is in the table.

    In audit every member may try every service; callers stay those that the policies allow, so that others are counted.
    What is outside stays closed in audit, too: nobody there counts who calls.
    """
    members = frozenset((EVERY, *services, *gateways))
    allowed = frozenset(pair for policy in policies for pair in policy if members.issuperset(pair))
    everybody: tuple[Side, ...] = (EVERY, *gateways)
    in_audit = frozenset((side, EVERY) for side in everybody)
    tried = in_audit if mesh.enforcement is graph.Enforcement.AUDIT else allowed
    leading = _outside(claims, around, services)
    scopes = _scopes(claims, services, gateways, _by(tried, 0, 1), leading)
    return Access(scopes, _callers(mesh, services, _by(allowed, 1, 0)))


def _by(allowed: frozenset[tuple[Side, Side]], key: int, value: int) -> Mapping[Side, frozenset[Side]]:
    found: dict[Side, set[Side]] = {}
    for pair in allowed:
        found.setdefault(pair[key], set()).add(pair[value])
    return {side: frozenset(others) for side, others in found.items()}


def _scopes(
    claims: Claims,
    services: tuple[Ref, ...],
    gateways: tuple[Ref, ...],
    by_source: Mapping[Side, frozenset[Side]],
    leading: Mapping[Ref, External],
) -> Mapping[Ref, graph.Scope]:
    from_every = by_source.get(EVERY, frozenset())
    reached = {
        **{ref: by_source.get(ref, frozenset()) | from_every for ref in services},
        **{ref: by_source.get(ref, frozenset()) for ref in gateways},
    }
    listed = {sides: services if EVERY in sides else _members(sides) for sides in set(reached.values())}
    given = {
        ref: (ref.namespace if ref.namespace in claims.local else "", sides, leading.get(ref, NOTHING))
        for ref, sides in reached.items()
    }
    made = {one: _scope(claims, one[0], listed[one[1]], one[2]) for one in set(given.values())}
    shared: dict[graph.Scope, graph.Scope] = {}
    return {ref: shared.setdefault(made[one], made[one]) for ref, one in given.items()}


def _members(sides: Iterable[Side]) -> tuple[Ref, ...]:
    return tuple(sorted(side for side in sides if isinstance(side, Ref)))


def _scope(claims: Claims, namespace: str, reached: tuple[Ref, ...], leading: External) -> graph.Scope:
    """Return a scope; the namespace is said where some service has a host for its callers alone."""
    named = [(ref, claims.hosts(namespace, ref)) for ref in reached] if namespace or leading.taken else []
    hosts = tuple((ref, names) for ref, names in named if names != claims.granted.get(ref))
    own = {host for _, names in named for host in names}
    return graph.Scope(reached, hosts, outside.without(leading, own) if leading.taken else leading)


def _outside(claims: Claims, around: Surroundings, services: tuple[Ref, ...]) -> Mapping[Ref, External]:
    """Return what is outside to each service that may reach anything there."""
    if not around.ways:
        return {}
    by_source: dict[Side, tuple[Way, ...]] = {}
    for way in around.ways:
        by_source[way.source] = (*by_source.get(way.source, ()), way)
    of_every = by_source.get(EVERY, ())
    given = {ref: (*of_every, *by_source.get(ref, ())) for ref in services}
    inside = outside.hosts_inside(claims, around.members)
    made = {ways: outside.reached(ways, inside, around.refused) for ways in set(given.values()) if ways}
    return {ref: made[ways] for ref, ways in given.items() if ways}


def _callers(
    mesh: graph.Mesh, services: tuple[Ref, ...], by_destination: Mapping[Side, frozenset[Side]]
) -> Mapping[Ref, graph.Callers]:
    to_every = by_destination.get(EVERY, frozenset())
    by_sides = {ref: by_destination.get(ref, frozenset()) | to_every for ref in services}
    made = {sides: _allowed(mesh, sides) for sides in set(by_sides.values())}
    return {ref: made[sides] for ref, sides in by_sides.items()}


def _allowed(mesh: graph.Mesh, sides: frozenset[Side]) -> graph.Callers:
    members = (ref for ref in _members(sides) if EVERY not in sides or ref.kind != "VirtualService")
    identities = tuple(identity.Identity(mesh.trust_domain, ref) for ref in members)
    return graph.Callers(mesh.trust_domain, EVERY in sides, identities, mesh.enforcement)
