"""Whose proxies an object concerns: groups of proxies, told apart by what they belong to.

Law: pure; said in few words however many proxies there are: those of a deployment, a gateway, a service, or a mesh.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from mesh import graph, resources
from mesh.problems import Ref


class Group(NamedTuple):
    """The proxies of a VirtualDeployment, an IngressGateway, an IngressGatewayDeployment or a VirtualService, or all of
    a Mesh.

    Where `is_inner`, those of the mesh's services, and not of its gateways.
    """

    of: Ref
    is_inner: bool = False


Concern = tuple[Group, ...]
NOBODY: Concern = ()


def callers(service: graph.Service, of: graph.Callers) -> Concern:
    """Return the groups that reach a service by what access policies allow."""
    all_services = of.all_services or of.enforcement is graph.Enforcement.AUDIT
    every = [Group(service.mesh, True)] if all_services else []
    return in_order((*every, *(Group(identity.owner) for identity in of.identities)), all_services)


def in_order(groups: Iterable[Group], has_every_service: bool = False) -> Concern:
    """Return each group once; no part of a mesh's services where all of them are meant."""
    kept = {one for one in groups if not (has_every_service and one.of.kind in _PARTS)}
    return tuple(sorted(kept))


_PARTS: Final = frozenset({"VirtualService", "VirtualDeployment"})


def of_policy(spec: resources.AccessPolicySpec, targets: Mapping[str, Ref]) -> Concern:
    """Return the groups on either side of a policy's rules."""
    groups = tuple(_sides(spec, targets))
    return in_order(groups, any(group.is_inner for group in groups))


def _sides(spec: resources.AccessPolicySpec, targets: Mapping[str, Ref]) -> Iterator[Group]:
    mesh = targets.get("spec.mesh")
    for index, rule in enumerate(spec.rules):
        for side, target in (("source", rule.source), ("destination", rule.destination)):
            if target.all_virtual_services is not None and mesh is not None:
                yield Group(mesh, True)
            for member in ("virtualService", "ingressGateway"):
                ref = targets.get(f"spec.rules[{index}].{side}.{member}")
                if ref is not None:
                    yield Group(ref)


def memberships(
    services: Mapping[Ref, Ref],
    deployments: Mapping[Ref, Ref],
    gateways: Mapping[Ref, Ref],
    deployed: Mapping[Ref, Ref],
) -> Mapping[Ref, Concern]:
    """Return for each VirtualDeployment, IngressGateway and IngressGatewayDeployment the groups that its proxies belong
    to.

    Given are the Mesh of each service, the service of each deployment, the Mesh of each gateway, and the gateway of
    each that is deployed.
    """
    inner = {
        ref: _inner(ref, service, services[service]) for ref, service in deployments.items() if service in services
    }
    edge = {ref: (Group(ref), Group(mesh)) for ref, mesh in gateways.items()}
    return {**inner, **edge, **{ref: (Group(ref), *edge[gate]) for ref, gate in deployed.items() if gate in edge}}


def _inner(deployment: Ref, service: Ref, mesh: Ref) -> Concern:
    return Group(deployment), Group(service), Group(mesh), Group(mesh, True)
