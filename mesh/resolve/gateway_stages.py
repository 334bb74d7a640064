"""The stages of ingress gateways: what is behind their listeners, the Secrets that these need, and who gets which.

Law: each stage is a pure function of earlier ones; a fault in one object leaves the others untouched. What is behind
the listeners of a gateway is found once, whoever deploys it.
"""

from collections.abc import Mapping
from typing import Any

from mesh import certificates, graph, resources, workloads
from mesh.layers import Stage, alone, among, readers, same
from mesh.problems import Problem, Ref
from mesh.resolve import deployments, gateway_routes, gateway_rules, gateway_secrets, gateway_tls, gateways, shapes
from mesh.resolve.gateway_tls import Keys, Wanted
from mesh.resolve.gateways import Outline
from mesh.resolve.references import Settled
from mesh.resolve.run import Bound, Run, Stages, owned_stages, target, tuples

Inputs = dict[Ref, tuple[Any, ...]]
Meshes = Mapping[Ref, graph.Mesh | None]
Ids = Mapping[str, Ref]
"""The Secrets that ids stand for."""

Written = Mapping[Ref, resources.IngressGatewayDeployment]
Deployed = Mapping[Ref, tuple[Ref, ...]]
"""The IngressGatewayDeployments of each gateway that has any."""

SECRETS = "gateway secrets"
"""The stage of the Secrets that gateways need."""
WANTED, LISTED = "secrets wanted", "secrets listed"
"""The stages of those that each IngressGateway, and each IngressGatewayDeployment, needs."""
AT_HOME, ELSEWHERE = "gateway secrets at home", "gateways elsewhere"
"""The stages of what is wrong with Secrets beside each gateway, and of the gateways that deployments take them to."""

_NOTHING: Mapping[Any, Any] = {}


def gateway_stages(run: Run, base: Stages, core: Stages, allowed: Stages) -> Stages:
    """Return the stages from gateway route tables to gateways, each also as its deployments give it."""
    gates, deploying = run.of(resources.IngressGateway), run.of(resources.IngressGatewayDeployment)
    routed, routed_bound = run.of(resources.IngressGatewayRouteTable), base["bonds IngressGatewayRouteTable"].values
    routes = run.together("gateway routes", (gates, routed, routed_bound), lambda run: _route_stages(run, base))
    back = _behind(run, core, allowed, routes)
    bound = (base["bonds IngressGateway"].values, base["bonds IngressGatewayDeployment"].values)
    tables = (core["meshes"].values, back.values, routes["rules by gateway"].values)
    sources = (gates, deploying, run.of(workloads.Secret), *bound, *tables)
    made: Stages = {**routes, "behind": back}
    return {**made, **run.together("gates", sources, lambda run: _gates(run, base, core, made))}


def _gates(run: Run, base: Stages, core: Stages, routes: Stages) -> Stages:
    outlines = _outlines(run, base, core, routes)
    written, bound = run.of(resources.IngressGatewayDeployment), base["bonds IngressGatewayDeployment"].values
    by_gateway = run.grouping("deployments by gateway", (written, bound), _by_gateway)
    counting = by_gateway.values if run.settings.in_cluster else _NOTHING
    elsewhere: Stage[Ref, tuple[Ref, ...]] = run.grouping(ELSEWHERE, (counting,), dict)
    found: Stages = {"outlines": outlines, "deployments by gateway": by_gateway, ELSEWHERE: elsewhere}
    return {**found, **(keyed := _key_stages(run, bound, found)), **_gateway_stages(run, bound, {**found, **keyed})}


def _by_gateway(written: Written, bound: Bound) -> Deployed:
    owners = ((target(bound, ref, "spec.ingressGateway"), ref) for ref in sorted(written))
    return tuples((owner, ref) for owner, ref in owners if owner is not None)


# ---------------------------------------------------------------------------- what is behind listeners


def _route_stages(run: Run, base: Stages) -> Stages:
    written, segment = run.of(resources.IngressGateway), run.settings.paths_by_segment
    listed = _gateway_tables(run, base, written, segment)
    bound = base["bonds IngressGatewayRouteTable"].values
    routed = shapes.unweighted(run, base, "IngressGatewayRouteTable")
    owned = owned_stages(run, "rules by gateway", routed, bound, "spec.ingressGateway", listed.values)
    return {"gateway tables": listed, **owned}


def _behind(run: Run, core: Stages, allowed: Stages, routes: Stages) -> Stage[Ref, gateway_routes.Behind]:
    meant = (allowed["scopes"].values, core["services"].values, core["deployments"].values)
    sources = (run.of(resources.IngressGateway), *meant, routes["rules by gateway"].values)
    return run.stage("behind", sources, _behind_inputs, gateway_routes.behind)


def _outlines(run: Run, base: Stages, core: Stages, routes: Stages) -> Stage[Ref, Settled[Outline | None]]:
    written, bound = run.of(resources.IngressGateway), base["bonds IngressGateway"].values
    meshes, back, by_gateway = core["meshes"].values, routes["behind"].values, routes["rules by gateway"].values
    sources = (written, bound, meshes, back, by_gateway, run.settings.paths_by_segment)
    return run.stage("outlines", sources, _outline_inputs, gateways.outline)


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


def _outline_inputs(
    gates: Mapping[Ref, resources.IngressGateway],
    bound: Bound,
    meshes: Meshes,
    back: Mapping[Ref, gateway_routes.Behind],
    by_gateway: Mapping[Ref, tuple[gateway_rules.Rules, ...]],
    segment: bool,
) -> Inputs:
    owners = {ref: target(bound, ref, "spec.mesh") for ref in gates}
    return {
        ref: (item, meshes[owner] if (owner := owners[ref]) else None, back[ref], segment, *by_gateway.get(ref, ()))
        for ref, item in gates.items()
    }


# ---------------------------------------------------------------------------- Secrets


def _key_stages(run: Run, bound: Bound, made: Stages) -> Stages:
    """Return the stages from the Secrets that gateways and deployments need to where each finds its own."""
    written, gates, ids = _deploying(run), run.of(resources.IngressGateway), run.settings.gateway_secrets
    deployed = among(made["deployments by gateway"].values)
    wanted = run.stage(WANTED, (gates, ids), _wanted_inputs, _wanted, (same,))
    listed = run.stage(LISTED, (written, bound, gates, ids), _listed_inputs, _listed, (same, same, deployed))
    there = run.of(workloads.Secret)
    secrets = run.stage(SECRETS, (wanted.values, listed.values, there), _secret_inputs, certificates.standing)
    faults = run.stage("secret faults", (secrets.values,), alone, _fault, (same,))
    read = [
        run.grouping(f"{name}, readers", (one.values,), _readers) for name, one in ((WANTED, wanted), (LISTED, listed))
    ]
    of_gates, of_deployed = (among(one.values) for one in read)
    keys = run.stage(
        "keys", (wanted.values, gates, ids, faults.values), _key_inputs, Keys, (same, same, None, of_gates)
    )
    given = (listed.values, written, ids, faults.values)
    others = run.stage("keys listed", given, _key_inputs, Keys, (same, same, None, of_deployed))
    of_readers = {f"{name}, readers": one for name, one in zip((WANTED, LISTED), read, strict=True)}
    found: Stages = {WANTED: wanted, LISTED: listed, SECRETS: secrets, "secret faults": faults, **of_readers}
    return {**found, "keys": keys, "keys listed": others}


def _deploying(run: Run) -> Written:
    """Return the deployments by which gateways get Secrets: none outside of a cluster."""
    return run.of(resources.IngressGatewayDeployment) if run.settings.in_cluster else _NOTHING


def _wanted_inputs(gates: Mapping[Ref, resources.IngressGateway], ids: Ids) -> Inputs:
    return {ref: (item, Keys(ref.namespace, ids)) for ref, item in gates.items()}


def _wanted(gateway: resources.IngressGateway, keys: Keys) -> tuple[Wanted, ...]:
    return gateway_tls.wanted(gateway.spec, keys) if gateway.spec else ()


def _listed_inputs(written: Written, bound: Bound, gates: Mapping[Ref, resources.IngressGateway], ids: Ids) -> Inputs:
    owners = {ref: target(bound, ref, "spec.ingressGateway") for ref in written}
    return {ref: (item, gates[owner], ids) for ref, item in written.items() if (owner := owners[ref]) is not None}


def _listed(
    written: resources.IngressGatewayDeployment, gateway: resources.IngressGateway, ids: Ids
) -> tuple[Wanted, ...]:
    return _wanted(gateway, Keys(written.metadata.namespace, ids, {}, gateway_secrets.listed(written)))


def _secret_inputs(
    wanted: Mapping[Ref, tuple[Wanted, ...]],
    listed: Mapping[Ref, tuple[Wanted, ...]],
    there: Mapping[Ref, workloads.Secret],
) -> dict[Wanted, tuple[Any, ...]]:
    found = dict.fromkeys(one for some in (wanted, listed) for several in some.values() for one in several)
    return {(ref, use): (there.get(ref), use) for ref, use in found}


def _fault(standing: certificates.Standing) -> str:
    """Return what counts of a Secret for what is served: not when its certificates end."""
    return standing.fault


def _readers(wanted: Mapping[Ref, tuple[Wanted, ...]]) -> Mapping[Wanted, tuple[Ref, ...]]:
    return readers(wanted.items())


def _key_inputs(
    wanted: Mapping[Ref, tuple[Wanted, ...]], written: Mapping[Ref, Any], ids: Ids, faults: Mapping[Wanted, str]
) -> Inputs:
    def lists(item: Any) -> frozenset[str] | None:
        return gateway_secrets.listed(item) if isinstance(item, resources.IngressGatewayDeployment) else None

    return {
        ref: (ref.namespace, ids, {one: faults[one] for one in several}, lists(written[ref]))
        for ref, several in wanted.items()
    }


# ---------------------------------------------------------------------------- gateways


def _gateway_stages(run: Run, bound: Bound, made: Stages) -> Stages:
    """Return the gateways with their Secrets, as each deployment gives them, and what is wrong with either."""
    outlines, keys, others = (made[name].values for name in ("outlines", "keys", "keys listed"))
    elsewhere, by_gateway = made[ELSEWHERE].values, among(made["deployments by gateway"].values)
    at_home = run.stage(AT_HOME, (outlines, keys), _outlined, gateway_secrets.faults, (same, same))
    of_gates = run.stage("gateway faults", (at_home.values, elsewhere), _told_inputs, _told)
    written, gates = run.of(resources.IngressGatewayDeployment), run.of(resources.IngressGateway)
    judged = (written, bound, gates, others, run.settings.in_cluster)
    of_deployments = run.stage("gateway deployments", judged, _judged_inputs, _judged, (same, same, by_gateway, same))
    given = (others, bound, outlines)
    return {
        "gateways": run.stage("gateways", (outlines, keys), _outlined, gateways.gateway, (same, same)),
        "deployed": run.stage("deployed", given, _deployed_inputs, gateways.gateway, (same, same, by_gateway)),
        AT_HOME: at_home,
        "gateway faults": of_gates,
        "gateway deployments": of_deployments,
    }


def _outlined(outlines: Mapping[Ref, Settled[Outline | None]], keys: Mapping[Ref, Keys]) -> Inputs:
    return {ref: (settled.value, keys[ref]) for ref, settled in outlines.items()}


def _deployed_inputs(keys: Mapping[Ref, Keys], bound: Bound, outlines: Mapping[Ref, Settled[Outline | None]]) -> Inputs:
    owners = {ref: target(bound, ref, "spec.ingressGateway") for ref in keys}
    return {ref: (outlines[owner].value, one) for ref, one in keys.items() if (owner := owners[ref]) is not None}


def _told_inputs(at_home: Mapping[Ref, gateway_secrets.Faults], elsewhere: Deployed) -> Inputs:
    return {ref: (found.by_id, () if ref in elsewhere else found.named) for ref, found in at_home.items()}


def _told(*found: tuple[Problem, ...]) -> Settled[None]:
    return Settled(None, tuple(problem for some in found for problem in some))


def _judged_inputs(
    written: Written,
    bound: Bound,
    gates: Mapping[Ref, resources.IngressGateway],
    keys: Mapping[Ref, Keys],
    _in_cluster: bool,
) -> Inputs:
    owners = {ref: target(bound, ref, "spec.ingressGateway") for ref in written}
    return {
        ref: (item, gates[owner], keys.get(ref)) for ref, item in written.items() if (owner := owners[ref]) is not None
    }


def _judged(
    written: resources.IngressGatewayDeployment, gateway: resources.IngressGateway, keys: Keys | None
) -> Settled[None]:
    """Return what is wrong between a deployment and its gateway; without keys Secrets are not its own."""
    unlisted = gateway_secrets.unlisted(written, gateway, in_cluster=keys is not None)
    unusable = gateway_secrets.unusable(written, gateway, keys) if keys else ()
    return Settled(None, (*deployments.unexposed_ports(written, gateway), *unlisted, *unusable))
