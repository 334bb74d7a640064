"""What is wanted of every IngressGatewayDeployment: its objects, or why there can be none.

Law: pure and incremental: where a deployment and its gateway are the same objects as before, so is what is wanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh import identity, rules
from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from mesh.resources import IngressGateway, IngressGatewayDeployment
from meshloom.gateways import manifests
from meshloom.injector import contract
from meshloom.injector.terms import Terms

GATEWAY_FIELD = "spec.ingressGateway"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The objects of a deployment. Where there is a fault, what there was stays as it is."""

    owner: IngressGatewayDeployment = field(repr=False)
    gateway: IngressGateway | None = field(repr=False)
    objects: tuple[Mapping[str, Any], ...] = field(repr=False)
    fault: str = ""

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
        former = before.get(ref)
        is_same = former is not None and former.owner is owner and former.gateway is gateway
        if not owner.is_terminating:
            found[ref] = former if former is not None and is_same else _wanted(owner, gateway, terms)
    return found


def _gateway(ref: Ref, resolution: Resolution) -> IngressGateway | None:
    target = resolution.targets(ref).get(GATEWAY_FIELD)
    return resolution.inventory.of(IngressGateway).get(target) if target else None


def _wanted(owner: IngressGatewayDeployment, gateway: IngressGateway | None, terms: Terms) -> Wanted:
    def without(fault: str) -> Wanted:
        return Wanted(owner, gateway, (), fault)

    if refused := rules.refusals(owner):
        return without(str(refused[0]))
    if owner.spec is None or gateway is None:
        return without(f"{owner.ref} {GATEWAY_FIELD}: leads to no IngressGateway; create it or correct the reference")
    try:
        made = manifests.objects(owner, owner.spec, gateway.ref, identity.issued_id(gateway), terms)
    except ValueError as fault:
        return without(str(_odd_level(owner.ref, str(fault))))
    return Wanted(owner, gateway, made)


def _odd_level(subject: Ref, fault: str) -> Problem:
    remedy = f"write one of {', '.join(contract.LOG_LEVELS)}"
    return Problem(subject, f"metadata.annotations[{contract.LOG_LEVEL}]", fault, remedy)
