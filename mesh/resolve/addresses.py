"""The addresses by which a service is dialled: those of the Kubernetes Services that its hosts name, and those that
its hosts are.

Law: a connection that says nothing of whom it is for is told by where it was dialled, so an address belongs to one
service of a mesh, the oldest that names it; what is not known is not guessed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mesh import graph, hosts, problems, workloads
from mesh.hosts import Host
from mesh.layers import Stage, alone, among, readers, same
from mesh.problems import Problem, Ref
from mesh.resolve.claims import Asked, Named
from mesh.resolve.references import Settled
from mesh.resolve.run import Run, Stages, tuples

OWNER = "kubernetes.io/service-name"
"""The label by which an EndpointSlice says whose it is."""

_HEADLESS = "None"


Deployments = Mapping[Ref, tuple[graph.Deployment, ...]]
"""The deployments of each service."""


def slice_stages(run: Run) -> Stages:
    """Return the stages that say whose each slice is, which slices a Service has, and which Services have some."""
    owners = run.stage("slices, owners", (run.of(workloads.EndpointSlice),), alone, _owner, (same,))
    order = run.grouping("slices, order", (owners.values,), _in_order)
    services = run.grouping("slices, services", (order.values,), dict.fromkeys)
    return {"slices, owners": owners, "slices, order": order, "slices, services": services}


def address_stages(run: Run, named: Mapping[Ref, Named], by_service: Deployments, known: Stages) -> Stages:
    """Return the stage `addresses` of all services, and those before it; `named` is by VirtualService, `known` are the
    stages of slices.
    """
    written, slices = run.of(workloads.Service), run.of(workloads.EndpointSlice)
    owners, order = known["slices, owners"].values, known["slices, order"].values
    listed = run.stage("slices, addresses", (slices,), alone, _endpoints, (same,))
    found = run.stage("headless", (order, listed.values), _listed, _together, (same, lambda ref: (owners[ref],)))
    reading = run.grouping("addresses, readers", (named,), _readers)
    mine = among(reading.values)
    homes = run.grouping("addresses, namespaces", (written,), _namespaces)
    sources = (named, written, found.values, by_service, homes.values)
    made: Stage[Ref, Settled[tuple[Host, ...]]] = run.stage(
        "addresses", sources, _inputs, _addresses, (same, mine, mine, same)
    )
    return {
        "slices, addresses": listed,
        "headless": found,
        "addresses, readers": reading,
        "addresses, namespaces": homes,
        "addresses": made,
    }


# ---------------------------------------------------------------------------- endpoints of headless Services


def _owner(item: workloads.EndpointSlice) -> Ref:
    return Ref("Service", item.metadata.namespace, item.metadata.labels.get(OWNER, ""))


def _endpoints(item: workloads.EndpointSlice) -> tuple[str, ...]:
    ready = (one for one in item.endpoints if one.conditions.ready is not False)
    return tuple(address for one in ready for address in one.addresses)


def _in_order(owners: Mapping[Ref, Ref]) -> Mapping[Ref, tuple[Ref, ...]]:
    return tuples((owners[ref], ref) for ref in sorted(owners))


def _listed(
    order: Mapping[Ref, tuple[Ref, ...]], listed: Mapping[Ref, tuple[str, ...]]
) -> dict[Ref, tuple[tuple[str, ...], ...]]:
    return {owner: tuple(listed[ref] for ref in refs) for owner, refs in order.items()}


def _together(*several: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({address for each in several for address in each}))


# ---------------------------------------------------------------------------- addresses of services


def _readers(named: Mapping[Ref, Named]) -> Mapping[Ref, tuple[Ref, ...]]:
    return readers((ref, [service for service, _ in _asked(one)]) for ref, one in named.items())


def _namespaces(written: Mapping[Ref, workloads.Service]) -> dict[str, None]:
    return dict.fromkeys(sorted({ref.namespace for ref in written}))


def _asked(named: Named) -> tuple[Asked, ...]:
    return (*named.services, *(service for service, _ in named.taken))


def _inputs(
    named: Mapping[Ref, Named],
    written: Mapping[Ref, workloads.Service],
    endpoints: Mapping[Ref, tuple[str, ...]],
    by_service: Deployments,
    homes: Mapping[str, None],
) -> dict[Ref, tuple[Any, ...]]:
    """Return what the addresses of services are made of; in a namespace without any Service none is missed."""
    return {
        ref: (
            ref,
            one,
            {asked: _addresses_of(found, endpoints) for asked in _asked(one) if (found := written.get(asked[0]))},
            _tcp_ports(by_service.get(ref, ())) if ref.namespace in homes else (),
        )
        for ref, one in named.items()
    }


def _addresses_of(service: workloads.Service, endpoints: Mapping[Ref, tuple[str, ...]]) -> tuple[str, ...]:
    given = service.spec.cluster_ips or (service.spec.cluster_ip,)
    return endpoints.get(service.ref, ()) if _HEADLESS in given else tuple(filter(None, given))


def _tcp_ports(members: Iterable[graph.Deployment]) -> tuple[int, ...]:
    found = (one for item in members for one in item.listeners if one.family is graph.Family.TCP)
    return tuple(sorted({one.port for one in found}))


def _addresses(
    ref: Ref, named: Named, known: Mapping[Asked, tuple[str, ...]], tcp: tuple[int, ...]
) -> Settled[tuple[Host, ...]]:
    behind = (Host(name, one[1]) for one in named.services for name in map(_short, known.get(one, ())) if name)
    found = tuple(dict.fromkeys((*named.literal, *behind)))
    return Settled(found, (*_taken(ref, named, known), *_unreachable(ref, found, tcp)))


def _short(text: str) -> str:
    """Return an address in its short form, empty for what is none."""
    found = hosts.parsed_host(text)
    return found.name if found and found.is_address else ""


def _taken(ref: Ref, named: Named, known: Iterable[Asked]) -> Iterator[Problem]:
    """Rule 2.13.45: the addresses of a Service lead to one service of a mesh."""
    there = frozenset(known)
    for service, owner in named.taken:
        if service in there:
            fault = f"hosts of {owner}, which is older, name {service[0]}, too; what dials its address goes there"
            yield problems.warning(ref, "spec.hosts", fault, "let the hosts of one of the two name another Service")


def _unreachable(ref: Ref, found: tuple[Host, ...], tcp: tuple[int, ...]) -> Iterator[Problem]:
    """Rule 2.13.46: a service of TCP has an address, or transparent capture cannot tell its connections."""
    if tcp and not found:
        ports = ", ".join(map(str, tcp))
        fault = f"no host names a Service with an address, so transparent capture leads nobody to TCP port {ports}"
        yield problems.warning(ref, "spec.hosts", fault, "add a host that names its Service, as NAME or NAME.NAMESPACE")
