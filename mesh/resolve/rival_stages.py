"""The stages that compare objects with others of their kind.

Law: an object is looked at again only if it changed in what is compared; nothing here reaches the graph.
"""

from collections.abc import Mapping
from typing import Any

from mesh import graph, resources, workloads
from mesh.layers import same
from mesh.problems import Ref
from mesh.resolve import deployments, rivals, shapes
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


def rival_stages(run: Run, base: Stages, core: Stages) -> Stages:
    """Return the stages from single objects to what is wrong between two of them."""
    alike = tuple(source for kind in _PARENTS for source in _sources(run, base, kind))
    found = run.together("alike", alike, lambda run: _alike(run, base))
    leading = (
        run.of(resources.VirtualDeploymentBinding),
        base["bonds VirtualDeploymentBinding"].values,
        run.of(workloads.Service),
        core["slices, services"].values,
        core["deployments"].values,
    )
    named = tuple(found[f"named {kind}"].values for kind in _PARENTS)
    ranked = tuple(found[f"ranked {kind}"].values for kind in shapes.KINDS)
    return {
        **found,
        **run.together("rivals of bindings", leading, lambda run: _bindings(run, *leading)),
        "twins": run.grouping("twins", named, rivals.twins),
        "ties": run.grouping("ties", (run.settings.paths_by_segment, *ranked), rivals.ties),
    }


def _alike(run: Run, base: Stages) -> Stages:
    named = {f"named {kind}": _named(run, base, kind) for kind in _PARENTS}
    return {**named, **{f"ranked {kind}": _ranked(run, base, kind) for kind in shapes.KINDS}}


def _sources(run: Run, base: Stages, kind: str) -> tuple[Mapping[Ref, Any], Bound]:
    return shapes.unweighted(run, base, kind), base[f"bonds {kind}"].values


def _bindings(run: Run, written: Any, bound: Bound, there: Any, listed: Any, made: Any) -> Stages:
    selections = run.stage(
        "selections", (written, bound, there, listed), _with_services, rivals.selection, (same, same, None)
    )
    leading = (written, bound, there, made)
    return {
        "selections": selections,
        "other ports": run.stage("other ports", leading, _with_both, deployments.other_ports, (same, same, None, None)),
        "rivals": run.grouping("rivals", (selections.values,), rivals.rivals),
    }


def _named(run: Run, base: Stages, kind: str) -> Any:
    field = _PARENTS[kind]

    def inputs(written: Mapping[Ref, Any], bound: Bound) -> Inputs:
        return {ref: (item, target(bound, ref, field)) for ref, item in written.items()}

    return run.stage(f"named {kind}", _sources(run, base, kind), inputs, rivals.named, (same, same))


def _ranked(run: Run, base: Stages, kind: str) -> Any:
    field, segment = _PARENTS[kind], run.settings.paths_by_segment

    def inputs(written: Mapping[Ref, Any], bound: Bound) -> Inputs:
        return {ref: (item, target(bound, ref, field), segment) for ref, item in written.items()}

    return run.stage(f"ranked {kind}", _sources(run, base, kind), inputs, rivals.ranked, (same, same))


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
