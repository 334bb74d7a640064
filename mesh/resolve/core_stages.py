"""The stages of single objects, meshes, services, deployments and route tables.

Law: each stage is a pure function of earlier ones; a fault in one object leaves the others untouched.
"""

from collections.abc import Mapping
from typing import Any

from mesh import graph, identity, resources, workloads
from mesh.hosts import Host
from mesh.layers import LookedUp, Stage, alone, same
from mesh.problems import Ref
from mesh.resolve import (
    addresses,
    claims,
    deployments,
    endpoints,
    meshes,
    references,
    services,
    shapes,
    single_stages,
    tables,
)
from mesh.resolve.crossings import Crossings
from mesh.resolve.references import Settled
from mesh.resolve.run import Bound, Run, Stages, owned_stages, target, tuples

Inputs = dict[Ref, tuple[Any, ...]]
Shells = Mapping[Ref, Settled[services.Shell | None]]
Deployments = Mapping[Ref, graph.Deployment | None]

# ---------------------------------------------------------------------------- single objects


def reference_stages(run: Run) -> Stages:
    """Return the stages of single objects, and `bonds <kind>`: where the references of each lead."""
    single = single_stages.single_stages(run)
    known = run.grouping("known ids", tuple(single[f"ids {kind}"].values for kind in identity.TOKENS), _known)
    there = tuple(single[f"refs {kind}"].values for kind in _READ)
    links = tuple(single[f"links {kind}"].values for kind in _NINE)
    bonds = run.together("bonds", (known.values, *there, *links), lambda run: _bonds(run, known.values, there, links))
    return {**single, "known ids": known, **bonds}


_NINE = tuple(resources.KINDS)
_READ = tuple(references.READ_KINDS)


def _bonds(
    run: Run, known: Mapping[str, Ref], there: tuple[Mapping[Ref, Ref], ...], links: tuple[Mapping[Ref, Any], ...]
) -> Stages:
    names = {f"bonds {kind}": mine for kind, mine in zip(_NINE, links, strict=True)}
    permitted = run.settings.crossings
    return {
        name: run.stage(name, (mine, known, permitted, *there), _found, references.bonds, (same,))
        for name, mine in names.items()
    }


def _known(*issued: Mapping[Ref, str]) -> Mapping[str, Ref]:
    return {name: ref for ids in issued for ref, name in ids.items()}


def _found(
    links: Mapping[Ref, tuple[references.Link, ...]],
    ids: Mapping[str, Ref],
    permitted: Crossings,
    *there: Mapping[Ref, Ref],
) -> Inputs:
    by_kind = dict(zip(_READ, there, strict=True))
    return {
        ref: (ref, listed, tuple(references.found(link, by_kind[link.kind], ids) for link in listed), permitted)
        for ref, listed in links.items()
    }


# ---------------------------------------------------------------------------- services


def service_stages(run: Run, base: Stages) -> Stages:
    """Return the stages from meshes to routed services."""
    written = (run.of(resources.Mesh), run.of(resources.VirtualService), run.of(resources.VirtualDeployment))
    bound = (base["bonds VirtualService"].values, base["bonds VirtualDeployment"].values)
    tied = (run.of(resources.VirtualDeploymentBinding), base["bonds VirtualDeploymentBinding"].values)
    located = (run.of(workloads.Service), run.of(workloads.EndpointSlice), run.of(workloads.Pod))
    members = run.together("unrouted", (*written, *bound, *tied, *located), lambda run: _unrouted(run, base))
    return {**members, **_routed(run, base, members)}


def _unrouted(run: Run, base: Stages) -> Stages:
    """Return the stages of meshes, services and deployments, which no route table has a part in."""
    drafts = run.stage("drafts", (run.of(resources.Mesh),), alone, meshes.draft, (same,))
    domains = run.grouping("trust domains", (drafts.values,), meshes.trust_domains)
    settled = run.stage("meshes", (drafts.values, domains.values), _mesh_inputs, _mesh, (same, same))
    shells = run.stage(
        "shells",
        (run.of(resources.VirtualService), settled.values, base["bonds VirtualService"].values),
        _shell_inputs,
        services.shell,
        (same, None, same),
    )
    members = run.grouping("members", (shells.values,), _members)
    claimed: Stage[Ref, Settled[claims.Claims]] = run.stage("claims", (members.values,), dict, claims.claims)
    slices = addresses.slice_stages(run)
    bound = base["bonds VirtualDeploymentBinding"].values
    tied = endpoints.bindings(run, bound, slices["slices, services"].values)
    made = _deployments(run, base, shells, tied)
    by_service = run.grouping("by service", (made.values,), _by_service)
    named = run.grouping("named", (claimed.values,), _named)
    return {
        **slices,
        **addresses.address_stages(run, named.values, by_service.values, slices),
        **endpoints.endpoint_stages(run, tied.values, made.values, slices),
        "bindings": tied,
        "named": named,
        "drafts": drafts,
        "trust domains": domains,
        "meshes": settled,
        "shells": shells,
        "members": members,
        "claims": claimed,
        "deployments": made,
        "by service": by_service,
        "deployment faults": _deployment_faults(run, base),
        "conflicts": run.stage("conflicts", (by_service.values,), alone, _conflicts, (same,)),
        "host ports": run.stage(
            "host ports", (shells.values, by_service.values), _host_port_inputs, _unserved, (same, same)
        ),
    }


def _routed(run: Run, base: Stages, members: Stages) -> Stages:
    """Return the stages of route tables and of the services that they route."""
    shells, claimed, made, by_service = (
        members[name].values for name in ("shells", "claims", "deployments", "by service")
    )
    listed = _tables(run, base, made)
    bound = base["bonds VirtualServiceRouteTable"].values
    written = shapes.unweighted(run, base, "VirtualServiceRouteTable")
    owned = owned_stages(run, "tables by service", written, bound, "spec.virtualService", listed.values)
    segment = run.settings.paths_by_segment
    located = members["addresses"].values
    sources = (shells, claimed, by_service, owned["tables by service"].values, segment, located)
    return {
        "tables": listed,
        **owned,
        "services": run.stage("services", sources, _service_inputs, services.service, _READ_BY_SERVICES),
    }


_READ_BY_SERVICES = (same, None, same, same, None, same)


def _mesh_inputs(drafts: Mapping[Ref, Settled[Any]], domains: Mapping[Ref, Settled[str]]) -> Inputs:
    return {ref: (one.value, domains[ref].value if one.value else "") for ref, one in drafts.items()}


def _mesh(draft: meshes.Draft | None, trust_domain: str) -> graph.Mesh | None:
    return meshes.mesh(draft, trust_domain) if draft else None


def _shell_inputs(
    written: Mapping[Ref, resources.VirtualService], meshes: Mapping[Ref, graph.Mesh | None], bound: Bound
) -> Inputs:
    return {
        ref: (item, meshes[owner] if (owner := target(bound, ref, "spec.mesh")) else None)
        for ref, item in written.items()
    }


def _members(shells: Shells) -> Mapping[Ref, tuple[services.Shell, ...]]:
    return tuples((one.value.mesh, one.value) for one in shells.values() if one.value is not None)


def _named(claimed: Mapping[Ref, Settled[claims.Claims]]) -> Mapping[Ref, claims.Named]:
    return {ref: named for one in claimed.values() for ref, named in one.value.named.items()}


def _service_inputs(
    shells: Shells,
    claimed: Mapping[Ref, Settled[claims.Claims]],
    by_service: Mapping[Ref, tuple[graph.Deployment, ...]],
    by_owner: Mapping[Ref, tuple[services.Table, ...]],
    segment: bool,
    located: Mapping[Ref, Settled[tuple[Host, ...]]],
) -> Inputs:
    cores = {ref: one.value for ref, one in shells.items() if one.value is not None}
    granted = {ref: claimed[core.mesh].value.granted[ref] for ref, core in cores.items()}
    return {
        ref: (core, granted[ref], by_service.get(ref, ()), by_owner.get(ref, ()), segment, located[ref].value)
        for ref, core in cores.items()
    }


# ---------------------------------------------------------------------------- deployments


def _deployments(
    run: Run, base: Stages, shells: Stage[Ref, Any], tied: Stage[Ref, Any]
) -> Stage[Ref, graph.Deployment | None]:
    written, bound = run.of(resources.VirtualDeployment), base["bonds VirtualDeployment"].values
    sources = (written, bound, shells.values, tied.values)
    return run.stage(
        "deployments", sources, _deployment_inputs, services.deployment, (same, same, None, LookedUp(same))
    )


def _deployment_inputs(
    written: Mapping[Ref, resources.VirtualDeployment], bound: Bound, shells: Shells, tied: Mapping[Ref, Any]
) -> Inputs:
    def owner(ref: Ref) -> Ref | None:
        parent = target(bound, ref, "spec.virtualService")
        return parent if parent is not None and shells[parent].value is not None else None

    return {ref: (item, owner(ref), ref in tied) for ref, item in written.items()}


def _by_service(made: Deployments) -> Mapping[Ref, tuple[graph.Deployment, ...]]:
    present = (item for ref in sorted(made) if (item := made[ref]) is not None)
    return tuples((item.service, item) for item in present)


def _deployment_faults(run: Run, base: Stages) -> Stage[Ref, Settled[None]]:
    sources = (
        run.of(resources.VirtualDeployment),
        run.of(resources.VirtualService),
        base["bonds VirtualDeployment"].values,
    )
    return run.stage("deployment faults", sources, _with_parents, _deployment_problems, (same, None, same))


def _with_parents(
    written: Mapping[Ref, resources.VirtualDeployment], parents: Mapping[Ref, resources.VirtualService], bound: Bound
) -> Inputs:
    owners = {ref: target(bound, ref, "spec.virtualService") for ref in written}
    return {ref: (item, parents[owner] if (owner := owners[ref]) else None) for ref, item in written.items()}


def _deployment_problems(
    written: resources.VirtualDeployment, parent: resources.VirtualService | None
) -> Settled[None]:
    return Settled(None, deployments.missing_hosts(written, parent) if parent else ())


def _conflicts(members: tuple[graph.Deployment, ...]) -> Settled[None]:
    return Settled(None, (*deployments.protocol_conflicts(members), *deployments.shared_endpoints(members)))


def _host_port_inputs(shells: Shells, by_service: Mapping[Ref, tuple[graph.Deployment, ...]]) -> Inputs:
    return {ref: (ref, one.value.wanted, by_service.get(ref, ())) for ref, one in shells.items() if one.value}


def _unserved(service: Ref, wanted: tuple[Host, ...], members: tuple[graph.Deployment, ...]) -> Settled[None]:
    return Settled(None, deployments.unserved_host_ports(service, wanted, members))


# ---------------------------------------------------------------------------- route tables


def _tables(run: Run, base: Stages, made: Deployments) -> Stage[Ref, Settled[services.Table]]:
    written, bound = run.of(resources.VirtualServiceRouteTable), base["bonds VirtualServiceRouteTable"].values
    sources = (written, bound, made, run.settings.paths_by_segment)
    return run.stage("tables", sources, _table_inputs, tables.table, (same, same))


def _table_inputs(
    written: Mapping[Ref, resources.VirtualServiceRouteTable], bound: Bound, made: Deployments, segment: bool
) -> Inputs:
    def named(ref: Ref) -> tuple[graph.Deployment, ...]:
        targets = dict.fromkeys(bound[ref].value.targets.values())
        return tuple(item for one in targets if (item := made.get(one)))

    return {ref: (item, bound[ref].value, named(ref), segment) for ref, item in written.items()}
