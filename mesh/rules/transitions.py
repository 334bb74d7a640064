"""Rules for a change of one object: what stays as it was created.

Law: two versions of one object are compared by what they mean; writing out a default is no change.
"""

from collections.abc import Iterator, Mapping

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import Model, Resource
from mesh.rules import fields

FIXED: Mapping[type[Resource], tuple[str, ...]] = {
    resources.Mesh: ("certificate_authorities",),
    resources.VirtualService: ("mesh", "name"),
    resources.VirtualDeployment: ("virtual_service", "name"),
    resources.VirtualServiceRouteTable: ("virtual_service", "name"),
    resources.VirtualDeploymentBinding: (),
    resources.AccessPolicy: ("mesh", "name"),
    resources.IngressGateway: ("mesh", "name"),
    resources.IngressGatewayDeployment: ("ingress_gateway",),
    resources.IngressGatewayRouteTable: ("ingress_gateway", "name"),
}
"""Which fields of `spec` are fixed at creation. A VirtualDeploymentBinding may move to another deployment."""


def transition_problems(old: Resource, new: Resource) -> tuple[Problem, ...]:
    """Return an error for each field that was fixed at creation and has changed.

    Rule 2.3.4: the parent (`mesh`, `virtualService`, `ingressGateway`) is fixed; rule 2.3.5: `spec.name` is fixed;
    rule 2.4.1: `certificateAuthorities` of a Mesh is fixed. An object that had no spec may be given any. Nothing is
    asked of the old object's state, and nothing of other objects.
    """
    before, after = getattr(old, "spec", None), getattr(new, "spec", None)
    if type(old) is type(new) and isinstance(before, Model) and isinstance(after, Model):
        return tuple(_changes(new.ref, type(new), before, after))
    return ()


def _changes(subject: Ref, kind: type[Resource], before: Model, after: Model) -> Iterator[Problem]:
    for name in FIXED.get(kind, ()):
        if _meaning(getattr(before, name), subject) != _meaning(getattr(after, name), subject):
            yield problems.error(
                subject,
                f"spec.{fields.alias(type(after), name)}",
                "cannot be changed after creation",
                "set it back, or create a new object under another name",
            )


def _meaning(value: object, subject: Ref) -> object:
    if isinstance(value, resources.RefOrId) and value.ref is not None:
        return value.id, value.ref.namespace or subject.namespace, value.ref.name
    return value
