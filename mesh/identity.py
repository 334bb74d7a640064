"""Who a proxy is: the SPIFFE identity of a VirtualService or an IngressGateway, and the ids that meshloom issues.

Law: an identity follows from kind, namespace, name and trust domain alone; the same on every replica.
"""

import hashlib
from dataclasses import dataclass

from mesh import resources
from mesh.problems import Ref

TOKENS = {
    "Mesh": "mesh",
    "VirtualService": "meshvirtualservice",
    "VirtualDeployment": "meshvirtualdeployment",
    "VirtualServiceRouteTable": "meshvirtualserviceroutetable",
    "AccessPolicy": "meshaccesspolicy",
    "IngressGateway": "meshingressgateway",
    "IngressGatewayRouteTable": "meshingressgatewayroutetable",
}
"""The second part of an id, by kind; the two kinds without one are known to Kubernetes alone."""

OWN_ID = {kind: f"{kind[0].lower()}{kind[1:]}Id" for kind in TOKENS}
"""The field of its status in which an object of the seven kinds has its id, as `virtualServiceId`."""

_SEGMENTS = {"VirtualService": "vs", "IngressGateway": "ig"}


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """A workload identity. `owner` is a VirtualService or an IngressGateway."""

    trust_domain: str
    owner: Ref

    @property
    def uri(self) -> str:
        """The URI SAN of its certificate, as `spiffe://main.shop.mesh/ns/shop/vs/pets`."""
        owner = self.owner
        return f"spiffe://{self.trust_domain}/ns/{owner.namespace}/{_SEGMENTS[owner.kind]}/{owner.name}"


def trust_domain(mesh: Ref) -> str:
    """Return the trust domain of a Mesh, as `main.shop.mesh`."""
    return f"{mesh.name}.{mesh.namespace}.mesh"


def services_pattern(domain: str) -> str:
    """Return the RE2 pattern that the URI of every VirtualService of a trust domain matches, and nothing else."""
    return f"spiffe://{domain.replace('.', '[.]')}/ns/[^/]+/vs/[^/]+"


def members_pattern(domain: str) -> str:
    """Return the RE2 pattern that the URI of every member of a trust domain matches, and nothing else."""
    segments = "|".join(_SEGMENTS.values())
    return f"spiffe://{domain.replace('.', '[.]')}/ns/[^/]+/({segments})/[^/]+"


def issued_id(resource: resources.Resource) -> str:
    """Return the id that meshloom issues for an object of the seven kinds, as `ocid1.meshvirtualservice.meshloom..4f…`.

    An object without a uid (one read from a file) gets a digest of its kind, namespace and name instead.
    """
    uid = resource.metadata.uid or hashlib.blake2b("/".join(resource.ref).encode(), digest_size=16).hexdigest()
    return f"ocid1.{TOKENS[resource.kind]}.meshloom..{uid}"


def effective_name(resource: resources.Resource, name: str | None) -> str:
    """Return the name people see: the one given in the spec, otherwise `namespace/name`."""
    return name or resource.ref.key
