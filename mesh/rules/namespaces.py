"""Rules for references that leave their namespace.

Law: what acts upon something of another namespace is said, because the owners of that namespace may not know.
"""

from collections.abc import Iterator

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import Model
from mesh.rules import wording

_ACTED_UPON = ("virtual_service", "virtual_deployment", "ingress_gateway")
"""Fields of a spec that name what an object adds to; joining a mesh, or sending requests somewhere, adds nothing."""


def foreign_owners(subject: Ref, spec: Model) -> Iterator[Problem]:
    """Rule 2.3.8: what an object adds to is in its own namespace."""
    for field, kind, reference in _owners(spec):
        if reference is not None and reference.namespace not in (None, subject.namespace):
            owner = Ref(kind, wording.printable(reference.namespace or ""), wording.printable(reference.name))
            fault = f"{owner} is in another namespace, whose owners may not know what this one adds to it"
            yield problems.warning(subject, field, fault, "move this object there, or see that they agree")


def _owners(spec: Model) -> Iterator[tuple[str, str, resources.ResourceRef | None]]:
    for name in _ACTED_UPON:
        owner = getattr(spec, name, None)
        if isinstance(owner, resources.RefOrId):
            kind = "".join(word.capitalize() for word in name.split("_"))
            yield f"spec.{kind[0].lower()}{kind[1:]}.ref", kind, owner.ref
    if isinstance(spec, resources.AccessPolicySpec):
        yield "spec.mesh.ref", "Mesh", spec.mesh.ref
    if isinstance(spec, resources.VirtualDeploymentBindingSpec):
        yield "spec.target.service.ref", "Service", spec.target.service.ref
