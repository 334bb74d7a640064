"""The tags of a proxy's statistics: whose they are, by name and by the id that meshloom issues.

Law: fixed at the start of the proxy, for Envoy's are; what the bootstrap is not told is left out, never guessed.
"""

from collections.abc import Iterable, Iterator, Mapping

from mesh import graph, identity, resources
from mesh.problems import Ref
from meshloom.identity import claim
from translator import proxies

Tags = tuple[tuple[str, str], ...]
"""Names and values, in order."""

_NAMES: Mapping[str, str] = {
    "Mesh": "mesh",
    "VirtualService": "virtual_service",
    "VirtualDeployment": "virtual_deployment",
    "IngressGateway": "ingress_gateway",
}


def of_proxy(proxy: proxies.Envoy) -> Tags:
    """Return what a proxy's place in the mesh says."""
    owner = claim.owner(proxy)
    return (("mesh_namespace", owner.namespace), (f"mesh_{_NAMES[owner.kind]}", owner.name))


def named(proxy: proxies.Envoy, of: graph.Graph, written: Iterable[resources.Resource]) -> Tags:
    """Return names and ids of a proxy's deployment or gateway, of its service and its mesh, as far as there are any."""
    known = {resource.ref: resource for resource in written}
    return tuple(tag for ref, name in _lineage(claim.owner(proxy), of) for tag in _both(known.get(ref), ref, name))


def _lineage(owner: Ref, of: graph.Graph) -> Iterator[tuple[Ref, str]]:
    """Yield the objects that a proxy belongs to, the nearest last, with the names that people gave them."""
    deployment, gateway = of.deployments.get(owner), of.gateways.get(owner)
    service = of.services.get(deployment.service) if deployment is not None else None
    nearest = service or gateway
    if nearest is not None and nearest.mesh in of.meshes:
        yield nearest.mesh, of.meshes[nearest.mesh].name
    yield from ((item.ref, item.name) for item in (gateway, service, deployment) if item is not None)


def _both(resource: resources.Resource | None, ref: Ref, name: str) -> Iterator[tuple[str, str]]:
    yield f"{_NAMES[ref.kind]}_name", name
    if resource is not None:
        yield f"{_NAMES[ref.kind]}_id", identity.issued_id(resource)
