"""What is wanted of every IngressGatewayDeployment: its objects, or why there can be none.

Law: pure and incremental: where a deployment and its gateway are the same objects as before, so is what is wanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh import identity, rules
from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from mesh.resources import IngressGateway, IngressGatewayDeployment, Mesh
from meshloom import stats_tags
from meshloom.gateways import manifests, pods
from meshloom.injector import contract
from meshloom.injector.terms import Terms
from translator import proxies

GATEWAY_FIELD = "spec.ingressGateway"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The objects of a deployment. Where there is a fault, what there was stays as it is."""

    owner: IngressGatewayDeployment = field(repr=False)
    gateway: IngressGateway | None = field(repr=False)
    objects: tuple[Mapping[str, Any], ...] = field(repr=False)
    fault: str = ""
    tags: stats_tags.Tags = ()

    @property
    def least_pods(self) -> int:
        """How many pods there always are."""
        return self.owner.spec.deployment.autoscaling.min_pods if self.owner.spec else 0


Wishes = Mapping[Ref, Wanted]


def wishes(resolution: Resolution, terms: Terms, before: Wishes) -> Wishes:
    """Return what is wanted of each deployment that is not being deleted; `before` was made on the same terms."""
    found: dict[Ref, Wanted] = {}
    for ref, owner in resolution.inventory.of(IngressGatewayDeployment).items():
        gateway = _gateway(ref, resolution)
        former, tags = before.get(ref), _tags(gateway, resolution)
        is_same = former is not None and former.owner is owner and former.gateway is gateway and former.tags == tags
        if not owner.is_terminating:
            found[ref] = former if former is not None and is_same else _wanted(owner, gateway, tags, terms)
    return found


def _gateway(ref: Ref, resolution: Resolution) -> IngressGateway | None:
    target = resolution.targets(ref).get(GATEWAY_FIELD)
    return resolution.inventory.of(IngressGateway).get(target) if target else None


def _tags(gateway: IngressGateway | None, resolution: Resolution) -> stats_tags.Tags:
    """Return what statistics of a gateway are tagged with; nothing where it is of no mesh."""
    found = resolution.graph.gateways.get(gateway.ref) if gateway is not None else None
    if gateway is None or found is None:
        return ()
    mesh = resolution.inventory.of(Mesh).get(found.mesh)
    known = (gateway, mesh) if mesh is not None else (gateway,)
    return stats_tags.named(proxies.Gateway(gateway.ref, ""), resolution.graph, known)


def _wanted(
    owner: IngressGatewayDeployment, gateway: IngressGateway | None, tags: stats_tags.Tags, terms: Terms
) -> Wanted:
    def without(fault: str) -> Wanted:
        return Wanted(owner, gateway, (), fault, tags)

    if refused := rules.refusals(owner):
        return without(str(refused[0]))
    if owner.spec is None or gateway is None:
        return without(f"{owner.ref} {GATEWAY_FIELD}: leads to no IngressGateway; create it or correct the reference")
    if not tags:
        return without(f"{gateway.ref}: is of no mesh that there is; create it, or correct spec.mesh")
    try:
        made = manifests.objects(owner, owner.spec, pods.Gateway(gateway.ref, identity.issued_id(gateway), tags), terms)
    except ValueError as fault:
        return without(str(_odd_level(owner.ref, str(fault))))
    return Wanted(owner, gateway, made, tags=tags)


def _odd_level(subject: Ref, fault: str) -> Problem:
    remedy = f"write one of {', '.join(contract.LOG_LEVELS)}"
    return Problem(subject, f"metadata.annotations[{contract.LOG_LEVEL}]", fault, remedy)
