"""Whether a change to one of the nine kinds should be let in, as a pure judgement; a webhook only asks.

Law: refused is what can never work or would break what works; all else that is wrong is let in with a warning, so that
objects can come in any order. What is already so does not keep an object from being edited.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mesh import graph, mtls, problems, resources, rules
from mesh.problems import Problem, Ref
from mesh.resolve import Resolution, deployments, references, resolve
from mesh.resources import Resource
from mesh.rules import wording

MOST_NAMED = 5
"""Objects that a message lists; the others are counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a change is refused, nothing if it is let in; and what is wrong with it all the same.

    `is_by_others`: refused for nothing but how other objects are, which may be another way by now than was seen.
    `after` is what the mesh will be like, if it was looked at.
    """

    refusals: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    is_by_others: bool = False
    after: Resolution | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def is_admitted(self) -> bool:
        """Whether the change is let in."""
        return not self.refusals


def creation(new: Resource, before: Resolution) -> Verdict:
    """Return the verdict on an object that is to be created beside those of `before`."""
    return _verdict(new, rules.refusals(new), before)


def update(old: Resource, new: Resource, before: Resolution) -> Verdict:
    """Return the verdict on an object that is to be replaced.

    Rule 2.2.1: a change of labels, annotations, finalizers or status is let in, whatever the object says.
    """
    if getattr(old, "spec", None) == getattr(new, "spec", None):
        return Verdict()
    return _verdict(new, (*rules.transition_problems(old, new), *rules.refusals(new)), before, old)


def removal(old: Resource, before: Resolution) -> Verdict:
    """Return the verdict on an object that is to be deleted: let in always, and then it waits for who refers to it."""
    return Verdict(warnings=holders(old.ref, before))


def holders(ref: Ref, before: Resolution) -> tuple[Problem, ...]:
    """Return why an object that is to be deleted has to wait; nothing if it need not.

    Rule 3.6.1: a Mesh waits for its services, policies and gateways; rule 3.6.2: a VirtualService for deployments,
    route tables and policies; rule 3.6.3: a VirtualDeployment for bindings and route tables; rule 3.6.4: an
    IngressGateway for its deployments, route tables and policies; who is being deleted too is not waited for.
    """
    return held_by(ref, [one for one in before.referrers(ref) if not _is_terminating(one, before)])


def held_by(ref: Ref, living: list[Ref]) -> tuple[Problem, ...]:
    """Return why an object that is to be deleted has to wait for those that refer to it and stay."""
    if not living:
        return ()
    fault = f"is still referred to by {_listed(living)}"
    return (problems.error(ref, "", fault, "delete them, or let them refer to something else"),)


def _verdict(new: Resource, alone: tuple[Problem, ...], before: Resolution, old: Resource | None = None) -> Verdict:
    after = resolve(before.inventory.with_changes([new]), before, {new.ref}, before.settings)
    already = frozenset(_beside(old, before)) if old else frozenset()
    refused = (*alone, *(problem for problem in _beside(new, after) if problem not in already))
    told = {problem.field for problem in refused}
    return Verdict(
        tuple(dict.fromkeys(refused)),
        tuple(one for one in after.problems if one.subject == new.ref and one.field not in told),
        bool(refused) and not alone,
        after,
    )


def _beside(item: Resource, there: Resolution) -> Iterator[Problem]:
    """Yield what keeps an object from being let in beside the others; rule 2.3.9 is judged where references are."""
    yield from _ending(item, there)
    yield from there.refused(item.ref).values()
    judge = _BESIDE.get(item.kind)
    if judge and getattr(item, "spec", None) is not None:
        yield from judge(item, there)


def _is_terminating(ref: Ref, there: Resolution) -> bool:
    item = there.inventory.get(ref)
    return item is not None and item.is_terminating


def _listed(refs: list[Ref]) -> str:
    named = [str(ref) for ref in refs[:MOST_NAMED]]
    return wording.both([*named, f"{len(refs) - MOST_NAMED} more"] if len(refs) > MOST_NAMED else named)


# ---------------------------------------------------------------------------- each kind


def _ending(item: Resource, there: Resolution) -> Iterator[Problem]:
    """Rule 2.3.6: nothing new refers to what is being deleted; rule 2.12.2: nor does a binding to such a Service."""
    for field, target in there.targets(item.ref).items():
        if _is_terminating(target, there):
            remedy = "refer to another, or wait until it is gone and create it anew"
            yield problems.error(item.ref, field, f"{target} is being deleted", remedy)


def _mesh(item: Resource, there: Resolution) -> Iterator[Problem]:
    """Rule 2.4.2: the minimum of a Mesh is not raised above the mode of a service, in whatever namespace."""
    mesh = there.graph.meshes.get(item.ref)
    if mesh is None:  # let in a moment ago and not seen yet
        return
    minimum = mesh.minimum
    below = [
        one.ref
        for one in there.inventory.of(resources.VirtualService).values()
        if one.spec and one.spec.mtls and not one.is_terminating and not mtls.satisfies(one.spec.mtls.mode, minimum)
        if there.targets(one.ref).get("spec.mesh") == item.ref
    ]
    if below:
        fault = f"{minimum.value} is above the mode of {_listed(below)}"
        yield problems.error(item.ref, "spec.mtls.minimum", fault, "raise their spec.mtls.mode first, or lower it")


def _service(item: Resource, there: Resolution) -> Iterator[Problem]:
    """Yield what rules 2.5.1 and 2.5.2 say of a service."""
    if isinstance(item, resources.VirtualService):
        yield from _low_mode(item, there)
        yield from _nameless(item, there)


def _low_mode(item: resources.VirtualService, there: Resolution) -> Iterator[Problem]:
    """Rule 2.5.1: the mode of a service is not below the minimum of its mesh, if that is there."""
    mesh = there.graph.meshes.get(there.targets(item.ref).get("spec.mesh", item.ref))
    if mesh and item.spec and item.spec.mtls and not mtls.satisfies(item.spec.mtls.mode, mesh.minimum):
        fault = f"{item.spec.mtls.mode.value} is below {mesh.minimum.value}, the minimum of {mesh.ref}"
        yield problems.error(item.ref, "spec.mtls.mode", fault, f"raise it, or lower spec.mtls.minimum of {mesh.ref}")


def _nameless(item: resources.VirtualService, there: Resolution) -> Iterator[Problem]:
    """Rule 2.5.2: a service keeps a host as long as a deployment of its own is called by name."""
    if item.spec is None or item.spec.hosts:
        return
    called = [
        one.ref
        for one in there.inventory.of(resources.VirtualDeployment).values()
        if not one.is_terminating and _is_called_by_name(one)
        if there.targets(one.ref).get("spec.virtualService") == item.ref
    ]
    if called:
        fault = f"is empty, but {_listed(called)} can only be called by a host"
        yield problems.error(item.ref, "spec.hosts", fault, "add a host, or remove their listeners first")


def _is_called_by_name(item: resources.VirtualDeployment) -> bool:
    listeners = item.spec.listener if item.spec else ()
    return any(graph.FAMILIES[listener.protocol] is not graph.Family.TCP for listener in listeners)


def _deployment(item: Resource, there: Resolution) -> Iterator[Problem]:
    """Rule 2.6.4: a deployment that is called by name belongs to a service with hosts, if that is there."""
    parent = there.inventory.get(there.targets(item.ref).get("spec.virtualService", item.ref))
    if isinstance(item, resources.VirtualDeployment) and isinstance(parent, resources.VirtualService):
        yield from deployments.missing_hosts(item, parent)


def _binding(item: Resource, there: Resolution) -> Iterator[Problem]:
    """Rule 2.12.1: the Service of a binding exists."""
    for link in references.links(item):
        known = {**there.targets(item.ref), **there.refused(item.ref)}
        if link.kind == "Service" and link.field not in known:
            yield problems.error(item.ref, link.field, f"{link.ref} does not exist", "create it first")


_BESIDE: Mapping[str, Callable[[Any, Resolution], Iterator[Problem]]] = {
    "Mesh": _mesh,
    "VirtualService": _service,
    "VirtualDeployment": _deployment,
    "VirtualDeploymentBinding": _binding,
}
"""What is asked of the neighbours of each kind."""
