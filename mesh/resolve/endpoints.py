"""The endpoints of deployments that are bound to Kubernetes Services: as EndpointSlices list them, narrowed to pods.

Law: one endpoint costs what it touches: the deployments that are bound to its Service, whatever there is beside them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mesh import graph, hosts, layers, resources, workloads
from mesh.layers import LookedUp, Stage, alone, among, readers, same
from mesh.problems import Ref
from mesh.resolve.references import Settled
from mesh.resolve.run import Bound, Run, Stages, tuples

Deployments = Mapping[Ref, graph.Deployment | None]
Labels = frozenset[tuple[str, str]]

_PREFERRED = {"IPv4": 0, "IPv6": 1}
"""The types of addresses that a proxy can dial; a name (FQDN) is none."""


class Binding(NamedTuple):
    """The Service whose endpoints a deployment has; of those, pods with these labels alone if there are any."""

    service: Ref
    labels: Labels


class Seen(NamedTuple):
    """An endpoint as a slice lists it: whether it is about to go, the type of its address, its place and its pod."""

    is_terminating: bool
    family: str
    endpoint: graph.Endpoint
    pod: Ref | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """The endpoints of a Service that can be used, each pod once, and the pods among them."""

    seen: tuple[Seen, ...]
    pods: frozenset[Ref]


# ---------------------------------------------------------------------------- bindings


def bindings(run: Run, bound: Bound, listed: Mapping[Ref, None]) -> Stage[Ref, tuple[Binding, ...]]:
    """Return the stage of the bindings of each deployment that tell its endpoints: those whose references lead
    somewhere, to a Service of which there are slices.
    """
    return run.grouping("bindings", (run.of(resources.VirtualDeploymentBinding), bound, listed), _telling)


def _telling(
    written: Mapping[Ref, resources.VirtualDeploymentBinding], bound: Bound, listed: Mapping[Ref, None]
) -> Mapping[Ref, tuple[Binding, ...]]:
    pairs = (pair for ref, item in written.items() for pair in _binding(item, bound[ref]))
    return tuples(sorted(pair for pair in pairs if pair[1].service in listed))


def _binding(written: resources.VirtualDeploymentBinding, bonds: Settled[Any]) -> Iterator[tuple[Ref, Binding]]:
    targets = bonds.value.targets
    deployment, service = targets.get("spec.virtualDeployment"), targets.get("spec.target.service.ref")
    if written.spec is not None and not bonds.value.refused and deployment is not None and service is not None:
        yield deployment, Binding(service, frozenset(written.spec.target.service.match_labels.items()))


# ---------------------------------------------------------------------------- endpoints


def endpoint_stages(
    run: Run, tied: Mapping[Ref, tuple[Binding, ...]], deployments: Deployments, slices: Stages
) -> Stages:
    """Return the stage `endpoints` of all deployments that are bound, and those before it; `tied` are their bindings,
    `slices` the stages that know whose each slice is.
    """
    owners, order = slices["slices, owners"].values, slices["slices, order"].values
    listed = run.stage("slices, endpoints", (run.of(workloads.EndpointSlice),), alone, _listed, (same,))
    given = (order, listed.values, run.of(workloads.Service))
    reads: layers.Reads = (same, lambda ref: (owners[ref],), LookedUp(same))
    found = run.stage("candidates", given, _candidate_inputs, _candidates, reads)
    of_service = run.grouping("bindings, readers", (tied,), _readers)
    narrowed = run.grouping("bindings, narrowed", (tied,), _narrowed)
    sources = (tied, deployments, found.values, run.of(workloads.Pod))
    by_pod: LookedUp[Ref, Ref] = LookedUp(lambda pod: _holders(pod, narrowed.values, found.values))
    reading = (same, same, LookedUp(among(of_service.values)), by_pod)
    made = run.stage("endpoints", sources, _inputs, _endpoints, reading)
    return {
        "slices, endpoints": listed,
        "candidates": found,
        "bindings, readers": of_service,
        "bindings, narrowed": narrowed,
        "endpoints": made,
    }


def _listed(item: workloads.EndpointSlice) -> tuple[Seen, ...]:
    """Return the endpoints of a slice that can be used: all but those that neither are ready nor still serve."""
    if item.address_type not in _PREFERRED:
        return ()
    return tuple(seen for one in item.endpoints for seen in _seen(one, item))


def _seen(one: workloads.Endpoint, item: workloads.EndpointSlice) -> Iterator[Seen]:
    """Yield an endpoint if it can be used, at the first of its addresses: they are all the same."""
    conditions = one.conditions
    is_ready = conditions.ready is not False
    is_going = conditions.terminating is True and conditions.serving is not False
    address = hosts.parsed_host(one.addresses[0]) if one.addresses else None
    if (is_ready or is_going) and address is not None and address.is_address:
        yield Seen(not is_ready, item.address_type, graph.Endpoint(one.zone, address.name), _pod(one, item.ref))


def _pod(one: workloads.Endpoint, listing: Ref) -> Ref | None:
    if one.target_ref is None or one.target_ref.kind != "Pod":
        return None
    return Ref("Pod", one.target_ref.namespace or listing.namespace, one.target_ref.name)


def _candidate_inputs(
    order: Mapping[Ref, tuple[Ref, ...]],
    listed: Mapping[Ref, tuple[Seen, ...]],
    services: Mapping[Ref, workloads.Service],
) -> dict[Ref, tuple[Any, ...]]:
    return {
        owner: (services[owner].spec.ip_families[:1] if owner in services else (), *map(listed.__getitem__, refs))
        for owner, refs in order.items()
    }


def _candidates(first: tuple[str, ...], *slices: tuple[Seen, ...]) -> Candidates:
    """Return the endpoints of a Service. A pod with addresses of both types is one endpoint, at that which its Service
    prefers; while it moves from slice to slice it is as ready as the readiest of them says.
    """

    def worth(one: Seen) -> tuple[object, ...]:
        return one.is_terminating, one.family not in first, _PREFERRED[one.family], one.endpoint

    best: dict[Ref | str, Seen] = {}
    for one in sorted((one for seen in slices for one in seen), key=worth):
        best.setdefault(one.pod or one.endpoint.address, one)
    return Candidates(tuple(best.values()), frozenset(one.pod for one in best.values() if one.pod))


def _readers(tied: Mapping[Ref, tuple[Binding, ...]]) -> Mapping[Ref, tuple[Ref, ...]]:
    return readers((ref, dict.fromkeys(one.service for one in several)) for ref, several in tied.items())


def _narrowed(tied: Mapping[Ref, tuple[Binding, ...]]) -> Mapping[str, tuple[tuple[Ref, Ref], ...]]:
    """Return by namespace the Services of which some pods count alone, each with the deployment for which."""
    found = ((one.service, ref) for ref, several in tied.items() for one in several if one.labels)
    return {
        namespace: tuple(pairs)
        for namespace, pairs in readers((pair, (pair[0].namespace,)) for pair in dict.fromkeys(found)).items()
    }


def _holders(
    pod: Ref, narrowed: Mapping[str, tuple[tuple[Ref, Ref], ...]], found: Mapping[Ref, Candidates]
) -> Iterable[Ref]:
    """Return the deployments that look at the labels of a pod."""
    pairs = narrowed.get(pod.namespace, ())
    return [ref for service, ref in pairs if service in found and pod in found[service].pods]


_NONE = Candidates((), frozenset())


def _inputs(
    tied: Mapping[Ref, tuple[Binding, ...]],
    deployments: Deployments,
    found: Mapping[Ref, Candidates],
    pods: Mapping[Ref, workloads.Pod],
) -> dict[Ref, tuple[tuple[Candidates, frozenset[Ref] | None], ...]]:
    """Return for each deployment that is bound the endpoints of its Services, and the pods that count; None: all."""

    def chosen(one: Binding) -> tuple[Candidates, frozenset[Ref] | None]:
        candidates = found.get(one.service, _NONE)
        return candidates, _labelled(candidates.pods, one.labels, pods) if one.labels else None

    items = ((ref, several) for ref, several in tied.items() if _is_bound(deployments.get(ref)))
    return {ref: tuple(map(chosen, several)) for ref, several in items}


def _is_bound(deployment: graph.Deployment | None) -> bool:
    return deployment is not None and isinstance(deployment.discovery, graph.Bound)


def _labelled(refs: Iterable[Ref], labels: Labels, pods: Mapping[Ref, workloads.Pod]) -> frozenset[Ref]:
    return frozenset(ref for ref in refs if ref in pods and labels <= pods[ref].metadata.labels.items())


def _endpoints(*several: tuple[Candidates, frozenset[Ref] | None]) -> tuple[graph.Endpoint, ...]:
    """Return the endpoints that are ready; where none is, those that still serve while they go."""
    chosen = [one for found, pods in several for one in found.seen if pods is None or one.pod in pods]
    ready = [one for one in chosen if not one.is_terminating] or chosen
    by_address = {
        one.endpoint.address: one.endpoint for one in sorted(ready, reverse=True, key=lambda one: one.endpoint)
    }
    return tuple(sorted(by_address.values()))
