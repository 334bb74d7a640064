"""What there is to say of one object, whatever proxies say to it.

Law: pure; a draft follows from the object, where its references lead, what is wrong with it, and its place in
the graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh import identity, mtls, resources
from mesh.problems import Problem, Ref
from mesh.resolve import references
from meshloom.status import concerns, fields, judgements
from meshloom.status.concerns import Concern
from meshloom.status.judgements import Bound, Facts
from meshloom.status.verdicts import Verdict

Settled = references.Settled[references.Bonds]


PARENTS: Final = {
    "VirtualDeployment": "spec.virtualService",
    "VirtualServiceRouteTable": "spec.virtualService",
    "AccessPolicy": "spec.mesh",
    "IngressGatewayRouteTable": "spec.ingressGateway",
    "VirtualDeploymentBinding": "spec.virtualDeployment",
    "IngressGatewayDeployment": "spec.ingressGateway",
}
"""The reference without which an object means nothing."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The status of one object but for what proxies decide; `facts` is what its referrers need to know of it."""

    ref: Ref
    uid: str
    generation: int
    facts: Facts
    dependencies: Verdict
    configured: Verdict
    concern: Concern
    finalizers: tuple[str, ...] = ()


def place(item: Any, bonds: Settled, modes: Mapping[Ref, Any]) -> Any:
    """Return the mode of an object, True for what has none, None for what has no place in the graph."""
    parent = PARENTS.get(item.kind)
    if parent is None or item.kind == "VirtualDeployment":
        return modes.get(item.ref)
    return True if bonds.value.get(parent) in modes else None


def reach(item: Any, bonds: Settled, callers: Mapping[Ref, Concern]) -> Concern:
    """Return who calls the service that an object is, or is a part of."""
    service = item.ref if item.kind == "VirtualService" else bonds.value.get("spec.virtualService")
    return callers.get(service, concerns.NOBODY) if service is not None else concerns.NOBODY


def draft(
    item: Any,
    settled: Settled,
    found: tuple[Problem, ...],
    mode: Any,
    reach: Concern,
    known: tuple[tuple[Ref, Facts], ...],
) -> Draft:
    """Return the draft of an object. `mode` is as `place` returns it; `reach` who calls its service; `known` what there
    is to know of those that it refers to.
    """
    facts = dict(known)
    bound = Bound(references.links(item), settled.value, settled.problems)
    depends = judgements.dependencies(bound, facts)
    is_configured = judgements.configured(bound, found, mode is not None)
    targets = {name: facts[ref] for name, ref in settled.value.targets.items() if ref in facts}
    return Draft(
        item.ref,
        item.metadata.uid,
        item.metadata.generation,
        _facts(item, targets, mode, judgements.fault(item.kind, depends, is_configured)),
        depends,
        is_configured,
        _concern(item, settled.value.targets, reach),
        item.metadata.finalizers,
    )


def _facts(item: Any, targets: fields.Targets, mode: Any, fault: str) -> Facts:
    own = identity.issued_id(item) if item.kind in identity.TOKENS else ""
    written = getattr(item.spec, "display_name" if item.kind == "Mesh" else "name", None) if item.spec else None
    name = identity.effective_name(item, written)
    written_fields = fields.fields(item, own, targets, mode if isinstance(mode, mtls.Mode) else None)
    return Facts(own, name, written_fields, item.is_terminating, fault)


def _concern(item: Any, targets: Mapping[str, Ref], reach: Concern) -> Concern:
    """Return whose proxies hold something of an object."""
    match item:
        case resources.Mesh():
            return (concerns.Group(item.ref),)
        case resources.AccessPolicy():
            return concerns.of_policy(item.spec, targets) if item.spec else concerns.NOBODY
        case resources.VirtualService() | resources.IngressGateway() | resources.IngressGatewayDeployment():
            return _with(item.ref, reach)
        case resources.VirtualDeployment() if concerns.Group(targets.get("spec.virtualService", item.ref)) in reach:
            return reach
        case resources.VirtualDeployment():
            return _with(item.ref, reach)
        case _:
            return _with(targets.get(PARENTS[item.kind]), reach)


def _with(owner: Ref | None, reach: Concern) -> Concern:
    own = [concerns.Group(owner)] if owner is not None else []
    return concerns.in_order((*own, *reach), any(group.is_inner for group in reach))
