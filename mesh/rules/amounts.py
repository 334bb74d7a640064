"""The rule for the resources of proxies, which bindings and gateways wish for.

Law: as `mesh.rules`. Kubernetes would refuse each pod that gets such resources, and tell only whoever makes the pods.
"""

from collections.abc import Iterator

from mesh import problems, quantities
from mesh.problems import Problem, Ref
from mesh.resources import IngressGatewayDeploymentSpec, ResourceRequirements, VirtualDeploymentBindingSpec
from mesh.rules import wording


def impossible_sidecars(subject: Ref, spec: VirtualDeploymentBindingSpec) -> Iterator[Problem]:
    """Rule 2.13.48: a proxy asks for no more than its limits, and for nothing below 0."""
    yield from _impossible(subject, "spec.resources", spec.resources)


def impossible_gateways(subject: Ref, spec: IngressGatewayDeploymentSpec) -> Iterator[Problem]:
    """Rule 2.13.48: so does the proxy of a gateway."""
    yield from _impossible(subject, "spec.deployment.autoscaling.resources", spec.deployment.autoscaling.resources)


def _impossible(subject: Ref, field: str, wished: ResourceRequirements | None) -> Iterator[Problem]:
    if wished is None:
        return
    for part, amounts in (("limits", wished.limits), ("requests", wished.requests)):
        for name, written in amounts.items():
            if quantities.amount(written) < 0:
                fault = f"is {wording.quoted(str(written))}, and Kubernetes makes no pod with less than nothing"
                yield problems.error(subject, f"{field}.{part}.{name}", fault, "write an amount from 0 on")
    for name, written in wished.requests.items():
        limit = wished.limits.get(name)
        if limit is not None and quantities.amount(written) > quantities.amount(limit):
            fault = f"is {wording.quoted(str(written))}, above the limit of {limit}, and Kubernetes makes no such pod"
            yield problems.error(subject, f"{field}.requests.{name}", fault, "lower it, or raise the limit")
