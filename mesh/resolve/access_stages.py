"""The stages of access policies.

Law: each stage is a pure function of earlier ones; a fault in one object leaves the others untouched.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mesh import graph, resources
from mesh.layers import same
from mesh.problems import Ref
from mesh.resolve import access, claims, outside
from mesh.resolve.references import Settled
from mesh.resolve.run import Bound, Run, Stages, target, tuples

Inputs = dict[Ref, tuple[Any, ...]]
Meshes = Mapping[Ref, graph.Mesh | None]
Homes = Mapping[Ref, Ref]
"""The mesh of each VirtualService and IngressGateway."""


def access_stages(run: Run, base: Stages, core: Stages) -> Stages:
    """Return the stages from policies to the access table of each mesh."""
    bound = (base["bonds IngressGateway"].values, base["bonds AccessPolicy"].values)
    written = (run.of(resources.IngressGateway), run.of(resources.AccessPolicy))
    members = tuple(core[name].values for name in ("meshes", "shells", "claims", "by service"))
    return run.together("allowed", (*written, *bound, *members), lambda run: _allowed(run, base, core))


def _allowed(run: Run, base: Stages, core: Stages) -> Stages:
    meshes = core["meshes"].values
    homes = run.grouping(
        "homes",
        (core["shells"].values, run.of(resources.IngressGateway), base["bonds IngressGateway"].values, meshes),
        _homes,
    )
    written, bound = run.of(resources.AccessPolicy), base["bonds AccessPolicy"].values
    allowed = run.stage("rules", (written, bound, homes.values), _rules_inputs, access.rules)
    claimed = core["claims"].values
    opening = run.stage("openings", (written, bound), _opening_inputs, access.openings, (same, same))
    inside = run.grouping("inside", (opening.values, core["by service"].values, homes.values), _inside)
    known = (bound, homes.values, claimed, inside.values)
    opened = run.stage("ways outside", (opening.values, *known), _way_inputs, outside.ways)
    around = (opened.values, inside.values, run.settings.refused)
    sources = (meshes, claimed, homes.values, bound, allowed.values, *around)
    table = run.stage("access", sources, _access_inputs, access.access)
    scopes = run.grouping("scopes", (table.values,), lambda made: _merged(one.scopes for one in made.values()))
    callers = run.grouping("callers", (table.values,), lambda made: _merged(one.callers for one in made.values()))
    return {
        "homes": homes,
        "rules": allowed,
        "openings": opening,
        "inside": inside,
        "ways outside": opened,
        "access": table,
        "scopes": scopes,
        "callers": callers,
    }


def _homes(
    shells: Mapping[Ref, Any], gates: Mapping[Ref, resources.IngressGateway], bound: Bound, meshes: Meshes
) -> Homes:
    inside = {ref: one.value.mesh for ref, one in shells.items() if one.value is not None}
    owners = {ref: target(bound, ref, "spec.mesh") for ref in gates}
    return {**inside, **{ref: owner for ref, owner in owners.items() if owner and meshes[owner] is not None}}


def _rules_inputs(written: Mapping[Ref, resources.AccessPolicy], bound: Bound, homes: Homes) -> Inputs:
    def foreign(ref: Ref) -> frozenset[Ref]:
        own = target(bound, ref, "spec.mesh")
        if own is None:
            return frozenset()
        members = (member for member in bound[ref].value.targets.values() if member.kind != "Mesh")
        return frozenset(member for member in members if homes.get(member, own) != own)

    return {ref: (item, bound[ref].value, foreign(ref)) for ref, item in written.items()}


def _opening_inputs(written: Mapping[Ref, resources.AccessPolicy], bound: Bound) -> Inputs:
    return {ref: (item, bound[ref].value) for ref, item in written.items()}


def _way_inputs(
    opened: Mapping[Ref, tuple[outside.Opening, ...]],
    bound: Bound,
    homes: Homes,
    claimed: Mapping[Ref, Settled[claims.Claims]],
    inside: Mapping[Ref, outside.Members],
) -> Inputs:
    """Return the policies that open something outside; the others are of no interest here."""
    owners = {ref: target(bound, ref, "spec.mesh") for ref, openings in opened.items() if openings}
    return {
        ref: (
            ref,
            claimed[owner].value if owner in claimed else _UNCLAIMED,
            inside.get(owner, _NOBODY),
            *_own(opened[ref], homes, owner),
        )
        for ref, owner in owners.items()
        if owner is not None
    }


def _own(openings: tuple[outside.Opening, ...], homes: Homes, mesh: Ref) -> Iterator[outside.Opening]:
    """Yield the openings for all services of a mesh, or for one of them."""
    return (one for one in openings if isinstance(one.source, str) or homes.get(one.source) == mesh)


_UNCLAIMED = claims.Claims({}, {})
_NOBODY = outside.Members()


def _inside(
    opened: Mapping[Ref, tuple[outside.Opening, ...]],
    by_service: Mapping[Ref, tuple[graph.Deployment, ...]],
    homes: Homes,
) -> dict[Ref, outside.Members]:
    """Return by mesh what of its members could be taken for something outside, if anything is opened there at all."""
    if not any(opened.values()):
        return {}
    found = tuples((homes[ref], one) for ref, several in by_service.items() if ref in homes for one in several)
    return {ref: outside.members(several) for ref, several in found.items()}


def _access_inputs(
    meshes: Meshes,
    claimed: Mapping[Ref, Settled[claims.Claims]],
    homes: Homes,
    bound: Bound,
    allowed: Mapping[Ref, Settled[access.Rules]],
    opened: Mapping[Ref, Settled[tuple[outside.Way, ...]]],
    inside: Mapping[Ref, outside.Members],
    refused: tuple[str, ...],
) -> Inputs:
    members = tuples((homes[ref], ref) for ref in sorted(homes) if ref.kind == "VirtualService")
    gates = tuples((homes[ref], ref) for ref in sorted(homes) if ref.kind == "IngressGateway")
    owners = ((target(bound, ref, "spec.mesh"), ref) for ref in sorted(allowed))
    policies = tuples((owner, allowed[ref].value) for owner, ref in owners if owner is not None)
    opening = ((target(bound, ref, "spec.mesh"), ref) for ref in sorted(opened))
    ways = tuples((owner, way) for owner, ref in opening if owner is not None for way in opened[ref].value)
    around = {ref: access.Surroundings(ways.get(ref, ()), inside.get(ref, _NOBODY), refused) for ref in meshes}
    hosts = {ref: claimed[ref].value if ref in claimed else _UNCLAIMED for ref in meshes}
    return {
        ref: (mesh, hosts[ref], around[ref], members.get(ref, ()), gates.get(ref, ()), *policies.get(ref, ()))
        for ref, mesh in meshes.items()
        if mesh is not None
    }


def _merged(parts: Any) -> Mapping[Ref, Any]:
    return {ref: value for part in parts for ref, value in part.items()}
