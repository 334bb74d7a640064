"""The stages that compare objects with others of their kind.

Law: an object is looked at again only if it changed in what is compared; nothing here reaches the graph.
"""

from collections.abc import Mapping
from typing import Any

from mesh import graph, resources, workloads
from mesh.layers import same
from mesh.problems import Ref
from mesh.resolve import deployments, rivals
from mesh.resolve.run import Bound, Run, Stages, target

Inputs = dict[Ref, tuple[Any, ...]]

PROBLEMS = ("twins", "ties", "selections", "rivals", "other ports")
"""The stages that find problems."""

_PARENTS: Mapping[str, str] = {
    "Mesh": "",
    "VirtualService": "spec.mesh",
    "VirtualDeployment": "spec.virtualService",
    "VirtualServiceRouteTable": "spec.virtualService",
    "AccessPolicy": "spec.mesh",
    "IngressGateway": "spec.mesh",
    "IngressGatewayRouteTable": "spec.ingressGateway",
}
_TABLES = ("VirtualServiceRouteTable", "IngressGatewayRouteTable")


def rival_stages(run: Run, base: Stages, core: Stages) -> Stages:
    """Return the stages from single objects to what is wrong between two of them."""
    named = [_named(run, base, kind) for kind in _PARENTS]
    ranked = [_ranked(run, base, kind) for kind in _TABLES]
    bound = base["bonds VirtualDeploymentBinding"].values
    written, there = run.of(resources.VirtualDeploymentBinding), run.of(workloads.Service)
    listed = core["slices, services"].values
    selections = run.stage(
        "selections", (written, bound, there, listed), _with_services, rivals.selection, (same, same, None)
    )
    leading = (written, bound, there, core["deployments"].values)
    return {
        **{f"named {kind}": stage for kind, stage in zip(_PARENTS, named, strict=True)},
        **{f"ranked {kind}": stage for kind, stage in zip(_TABLES, ranked, strict=True)},
        "selections": selections,
        "other ports": run.stage("other ports", leading, _with_both, deployments.other_ports, (same, same, None, None)),
        "twins": run.grouping("twins", tuple(stage.values for stage in named), rivals.twins),
        "ties": run.grouping("ties", (run.settings.paths_by_segment, *(one.values for one in ranked)), rivals.ties),
        "rivals": run.grouping("rivals", (selections.values,), rivals.rivals),
    }


def _named(run: Run, base: Stages, kind: str) -> Any:
    field = _PARENTS[kind]

    def inputs(written: Mapping[Ref, Any], bound: Bound) -> Inputs:
        return {ref: (item, target(bound, ref, field)) for ref, item in written.items()}

    sources = (run.of(resources.KINDS[kind]), base[f"bonds {kind}"].values)
    return run.stage(f"named {kind}", sources, inputs, rivals.named, (same, same))


def _ranked(run: Run, base: Stages, kind: str) -> Any:
    field, segment = _PARENTS[kind], run.settings.paths_by_segment

    def inputs(written: Mapping[Ref, Any], bound: Bound) -> Inputs:
        return {ref: (item, target(bound, ref, field), segment) for ref, item in written.items()}

    sources = (run.of(resources.KINDS[kind]), base[f"bonds {kind}"].values)
    return run.stage(f"ranked {kind}", sources, inputs, rivals.ranked, (same, same))


def _with_services(
    written: Mapping[Ref, resources.VirtualDeploymentBinding],
    bound: Bound,
    there: Mapping[Ref, workloads.Service],
    listed: Mapping[Ref, None],
) -> Inputs:
    found = {ref: target(bound, ref, "spec.target.service.ref") for ref in written}
    return {
        ref: (item, bound[ref].value, there[service] if (service := found[ref]) else None, found[ref] in listed)
        for ref, item in written.items()
    }


def _with_both(
    written: Mapping[Ref, resources.VirtualDeploymentBinding],
    bound: Bound,
    there: Mapping[Ref, workloads.Service],
    made: Mapping[Ref, graph.Deployment | None],
) -> Inputs:
    """Return each binding that leads from a deployment to a Service, with both."""
    found = {
        ref: (made.get(one), there.get(other))
        for ref in written
        if (one := target(bound, ref, "spec.virtualDeployment"))
        and (other := target(bound, ref, "spec.target.service.ref"))
    }
    return {ref: (ref, *pair) for ref, pair in found.items() if all(pair)}
