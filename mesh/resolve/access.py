"""Who may call whom: all policies of a mesh as one table, read from the caller's side and from the target's.

Law: only what a rule allows is allowed; scopes and callers are two renderings of the same table. In audit everybody may
try, and callers say who is allowed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mesh import graph, identity, problems, resources
from mesh.problems import Problem, Ref
from mesh.resolve.claims import Claims
from mesh.resolve.references import Bonds, Settled

EVERY = "*"
Side = Ref | str
"""A VirtualService or an IngressGateway by its address, or EVERY VirtualService of the mesh."""


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


def _side(field: str, target: resources.TrafficTarget, bonds: Bonds) -> Side | None:
    named = (target.all_virtual_services, target.virtual_service, target.ingress_gateway, target.external_service)
    if sum(member is not None for member in named) != 1:
        return None
    if target.all_virtual_services is not None:
        return EVERY
    return bonds.get(f"{field}.virtualService") or bonds.get(f"{field}.ingressGateway")


def _faults(
    ref: Ref, listed: Iterable[tuple[int, resources.AccessPolicyRule]], bonds: Bonds, foreign: frozenset[Ref]
) -> Iterator[Problem]:
    """Rule 2.13.28: the members of a rule belong to the mesh of their policy."""
    for index, rule in listed:
        for side in ("source", "destination"):
            for member in ("virtualService", "ingressGateway"):
                field = f"spec.rules[{index}].{side}.{member}"
                target = bonds.get(field)
                if target in foreign:
                    fault = f"{target} belongs to another mesh, so this rule is ignored"
                    yield problems.error(ref, field, fault, "name a member of the mesh that this policy names")
        if rule.destination.external_service:
            field = f"spec.rules[{index}].destination.externalService"
            fault = "services outside of the mesh are not served by this version of meshloom"
            yield problems.error(ref, field, fault, "call them past the sidecar for now, or wait for it")


def access(
    mesh: graph.Mesh, claims: Claims, services: tuple[Ref, ...], gateways: tuple[Ref, ...], *policies: Rules
) -> Access:
    """Return the table of a mesh. `services` and `gateways` are its members, in order; nobody else is in the table.

    In audit every member may try every service; callers stay those that the policies allow, so that others are counted.
    """
    members = frozenset((EVERY, *services, *gateways))
    allowed = frozenset(pair for policy in policies for pair in policy if members.issuperset(pair))
    everybody: tuple[Side, ...] = (EVERY, *gateways)
    in_audit = frozenset((side, EVERY) for side in everybody)
    tried = in_audit if mesh.enforcement is graph.Enforcement.AUDIT else allowed
    scopes = _scopes(claims, services, gateways, _by(tried, 0, 1))
    return Access(scopes, _callers(mesh, services, _by(allowed, 1, 0)))


def _by(allowed: frozenset[tuple[Side, Side]], key: int, value: int) -> Mapping[Side, frozenset[Side]]:
    found: dict[Side, set[Side]] = {}
    for pair in allowed:
        found.setdefault(pair[key], set()).add(pair[value])
    return {side: frozenset(others) for side, others in found.items()}


def _scopes(
    claims: Claims, services: tuple[Ref, ...], gateways: tuple[Ref, ...], by_source: Mapping[Side, frozenset[Side]]
) -> Mapping[Ref, graph.Scope]:
    from_every = by_source.get(EVERY, frozenset())
    reached = {
        **{ref: by_source.get(ref, frozenset()) | from_every for ref in services},
        **{ref: by_source.get(ref, frozenset()) for ref in gateways},
    }
    listed = {sides: services if EVERY in sides else _members(sides) for sides in set(reached.values())}
    shared: dict[graph.Scope, graph.Scope] = {}
    made = {ref: _scope(claims, ref.namespace, listed[sides]) for ref, sides in reached.items()}
    return {ref: shared.setdefault(scope, scope) for ref, scope in made.items()}


def _members(sides: Iterable[Side]) -> tuple[Ref, ...]:
    return tuple(sorted(side for side in sides if isinstance(side, Ref)))


def _scope(claims: Claims, namespace: str, reached: tuple[Ref, ...]) -> graph.Scope:
    if namespace not in claims.local:
        return graph.Scope(reached)
    named = ((ref, claims.hosts(namespace, ref)) for ref in reached)
    return graph.Scope(reached, tuple((ref, names) for ref, names in named if names != claims.granted.get(ref)))


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
