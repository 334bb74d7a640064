"""The stages of access policies and ingress gateways.

Law: each stage is a pure function of earlier ones; a fault in one object leaves the others untouched.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mesh import certificates, graph, resources, workloads
from mesh.layers import Stage, same
from mesh.problems import Ref
from mesh.resolve import access, claims, deployments, gateway_routes, gateway_rules, gateway_tls, gateways, outside
from mesh.resolve.references import Settled
from mesh.resolve.run import Bound, Run, Stages, owned_stages, target, tuples

Inputs = dict[Ref, tuple[Any, ...]]
Meshes = Mapping[Ref, graph.Mesh | None]
Homes = Mapping[Ref, Ref]
"""The mesh of each VirtualService and IngressGateway."""

Ids = Mapping[str, Ref]
"""The Secrets that ids stand for."""

SECRETS = "gateway secrets"
"""The stage of the Secrets that gateways name."""
_NO_KEYS = gateway_tls.Keys()

# ---------------------------------------------------------------------------- access


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


# ---------------------------------------------------------------------------- gateways


def gateway_stages(run: Run, base: Stages, core: Stages, allowed: Stages) -> Stages:
    """Return the stages from gateway route tables to routed gateways."""
    written, segment = run.of(resources.IngressGateway), run.settings.paths_by_segment
    listed = _gateway_tables(run, base, written, segment)
    routed, routed_bound = run.of(resources.IngressGatewayRouteTable), base["bonds IngressGatewayRouteTable"].values
    owned = owned_stages(run, "rules by gateway", routed, routed_bound, "spec.ingressGateway", listed.values)
    by_gateway = owned["rules by gateway"]
    back = run.stage(
        "behind",
        (written, allowed["scopes"].values, core["services"].values, core["deployments"].values, by_gateway.values),
        _behind_inputs,
        gateway_routes.behind,
    )
    bound, meshes, ids = base["bonds IngressGateway"].values, core["meshes"].values, run.settings.gateway_secrets
    wanted = run.stage("secrets wanted", (written, ids), _wanting_inputs, _wanted, (same,))
    there = run.of(workloads.Secret)
    secrets = run.stage(SECRETS, (wanted.values, there), _secret_inputs, certificates.standing)
    faults = run.stage("secret faults", (secrets.values,), _alone, _fault, (same,))
    sources = (written, bound, meshes, back.values, by_gateway.values, segment, ids, wanted.values, faults.values)
    return {
        "gateway tables": listed,
        **owned,
        "behind": back,
        "secrets wanted": wanted,
        SECRETS: secrets,
        "secret faults": faults,
        "gateways": run.stage("gateways", sources, _gateway_inputs, gateways.gateway),
        "gateway deployments": _gateway_deployments(run, base, written),
    }


def _gateway_tables(run: Run, base: Stages, gates: Any, segment: bool) -> Stage[Ref, Settled[gateway_rules.Rules]]:
    written, bound = run.of(resources.IngressGatewayRouteTable), base["bonds IngressGatewayRouteTable"].values
    return run.stage("gateway tables", (written, bound, gates, segment), _gateway_table_inputs, gateway_rules.table)


def _gateway_table_inputs(
    written: Mapping[Ref, resources.IngressGatewayRouteTable],
    bound: Bound,
    gates: Mapping[Ref, resources.IngressGateway],
    segment: bool,
) -> Inputs:
    owners = {ref: target(bound, ref, "spec.ingressGateway") for ref in written}
    return {
        ref: (item, bound[ref].value, gates[owner], segment)
        for ref, item in written.items()
        if (owner := owners[ref]) is not None
    }


def _behind_inputs(
    gates: Mapping[Ref, resources.IngressGateway],
    scopes: Mapping[Ref, graph.Scope],
    services: Mapping[Ref, graph.Service],
    made: Mapping[Ref, Any],
    by_gateway: Mapping[Ref, tuple[gateway_rules.Rules, ...]],
) -> Inputs:
    def parts(ref: Ref) -> tuple[Any, ...]:
        named = sorted({rule.place.service for listed in by_gateway.get(ref, ()) for rule in listed})
        reached = tuple(services[name] for name in named if name in services)
        return scopes.get(ref), reached, tuple(made[item] for one in reached for item in one.deployments)

    return {ref: parts(ref) for ref in gates}


def _gateway_inputs(
    gates: Mapping[Ref, resources.IngressGateway],
    bound: Bound,
    meshes: Meshes,
    back: Mapping[Ref, gateway_routes.Behind],
    by_gateway: Mapping[Ref, tuple[gateway_rules.Rules, ...]],
    segment: bool,
    ids: Ids,
    wanted: Mapping[Ref, tuple[gateway_tls.Wanted, ...]],
    faults: Mapping[gateway_tls.Wanted, str],
) -> Inputs:
    owners = {ref: target(bound, ref, "spec.mesh") for ref in gates}

    def keys(ref: Ref) -> gateway_tls.Keys:
        return gateway_tls.Keys(ids, {one: faults[one] for one in wanted[ref]}) if wanted[ref] else _NO_KEYS

    return {
        ref: (
            item,
            meshes[owner] if (owner := owners[ref]) else None,
            back[ref],
            segment,
            keys(ref),
            *by_gateway.get(ref, ()),
        )
        for ref, item in gates.items()
    }


def _wanting_inputs(gates: Mapping[Ref, resources.IngressGateway], ids: Ids) -> Inputs:
    return {ref: (item, ids) for ref, item in gates.items()}


def _wanted(item: resources.IngressGateway, ids: Ids) -> tuple[gateway_tls.Wanted, ...]:
    return gateway_tls.wanted(item.spec, item.metadata.namespace, ids) if item.spec else ()


def _secret_inputs(
    wanted: Mapping[Ref, tuple[gateway_tls.Wanted, ...]], there: Mapping[Ref, workloads.Secret]
) -> dict[gateway_tls.Wanted, tuple[Any, ...]]:
    found = dict.fromkeys(one for several in wanted.values() for one in several)
    return {(ref, use): (there.get(ref), use) for ref, use in found}


def _alone(values: Mapping[Any, Any]) -> dict[Any, tuple[Any]]:
    return {key: (value,) for key, value in values.items()}


def _fault(standing: certificates.Standing) -> str:
    """Return what counts of a Secret for what is served: not when its certificates end."""
    return standing.fault


def _gateway_deployments(run: Run, base: Stages, gates: Any) -> Stage[Ref, Settled[None]]:
    written, bound = run.of(resources.IngressGatewayDeployment), base["bonds IngressGatewayDeployment"].values
    return run.stage("gateway deployments", (written, bound, gates), _with_gateways, _gateway_deployment_problems)


def _with_gateways(
    written: Mapping[Ref, resources.IngressGatewayDeployment], bound: Bound, gates: Mapping[Ref, Any]
) -> Inputs:
    owners = {ref: target(bound, ref, "spec.ingressGateway") for ref in written}
    return {ref: (item, gates[owner]) for ref, item in written.items() if (owner := owners[ref]) is not None}


def _gateway_deployment_problems(
    written: resources.IngressGatewayDeployment, gateway: resources.IngressGateway
) -> Settled[None]:
    return Settled(None, deployments.unexposed_gateway(written, gateway))
