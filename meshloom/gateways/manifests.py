"""From an IngressGatewayDeployment to its objects: Deployment, HorizontalPodAutoscaler, Service, PodDisruptionBudget.

Law: pure, and complete: what is here is applied as it is. The number of pods is not: it is the autoscaler's.
"""

from collections.abc import Iterator
from typing import Any

from mesh.resources import GatewayPort, GatewayService, IngressGatewayDeployment, IngressGatewayDeploymentSpec
from meshloom.gateways import labels, pods
from meshloom.injector import contract
from meshloom.injector.terms import Terms

Json = dict[str, Any]

BUSY_PERCENT = 50
"""Of the processor time that pods ask for; above it the autoscaler makes more of them."""


def objects(
    owner: IngressGatewayDeployment, spec: IngressGatewayDeploymentSpec, gateway: pods.Gateway, terms: Terms
) -> tuple[Json, ...]:
    """Return the objects of a deployment of this gateway, in the order in which they are applied.

    Raises ValueError if its annotation names no level of a log.
    """
    level = pods.log_level(owner.metadata.annotations.get(contract.LOG_LEVEL, contract.DEFAULT_LOG_LEVEL))
    env = pods.variables(gateway, level, pods.resources(spec), terms)
    return (
        _deployment(owner, spec, pods.template(owner.metadata.name, spec, env, terms)),
        _autoscaler(owner, spec),
        *_service(owner, spec),
        *_budget(owner, spec),
    )


def _deployment(owner: IngressGatewayDeployment, spec: IngressGatewayDeploymentSpec, template: Json) -> Json:
    name = owner.metadata.name
    described = {
        "selector": {"matchLabels": labels.selector(name)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "template": template,
    }
    made = _object("apps/v1", "Deployment", labels.deployment_name(name), owner, described)
    return _labelled(made, labels.of_object(name, spec.deployment.labels))


def _autoscaler(owner: IngressGatewayDeployment, spec: IngressGatewayDeploymentSpec) -> Json:
    name, bounds = owner.metadata.name, spec.deployment.autoscaling
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": labels.deployment_name(name)}
    described = {
        "maxReplicas": bounds.max_pods,
        "minReplicas": bounds.min_pods,
        "scaleTargetRef": target,
        "targetCPUUtilizationPercentage": BUSY_PERCENT,
    }
    made = _object("autoscaling/v1", "HorizontalPodAutoscaler", labels.autoscaler_name(name), owner, described)
    return _labelled(made, labels.of_object(name, {}))


def _service(owner: IngressGatewayDeployment, spec: IngressGatewayDeploymentSpec) -> Iterator[Json]:
    if spec.service is None:
        return
    name, served = owner.metadata.name, tuple(_served(spec.ports))
    described = {"ports": list(served), "selector": labels.selector(name), "type": spec.service.type.value}
    made = _object("v1", "Service", labels.service_name(name), owner, described)
    yield _annotated(_labelled(made, labels.of_object(name, spec.service.labels)), spec.service)


def _served(given: tuple[GatewayPort, ...]) -> Iterator[Json]:
    """Yield the ports of the Service: those with a serviceport, the first of each number and protocol."""
    outer: set[tuple[int, str]] = set()
    for port in given:
        if port.serviceport and (port.serviceport, port.protocol) not in outer:
            outer.add((port.serviceport, port.protocol))
            named = {"name": port.name} if port.name else {}
            yield {"port": port.serviceport, "protocol": port.protocol, "targetPort": port.port, **named}


def _budget(owner: IngressGatewayDeployment, spec: IngressGatewayDeploymentSpec) -> Iterator[Json]:
    """Yield what keeps others from ending more than one pod at a time; with one pod alone it would keep nodes busy."""
    if spec.deployment.autoscaling.min_pods > 1:
        name = owner.metadata.name
        described = {
            "maxUnavailable": 1,
            "selector": {"matchLabels": labels.selector(name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }
        made = _object("policy/v1", "PodDisruptionBudget", labels.budget_name(name), owner, described)
        yield _labelled(made, labels.of_object(name, {}))


# ---------------------------------------------------------------------------- what all share


def _object(version: str, kind: str, name: str, owner: IngressGatewayDeployment, described: Json) -> Json:
    metadata = {"name": name, "namespace": owner.metadata.namespace, "ownerReferences": [_owned(owner)]}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": described}


def _owned(owner: IngressGatewayDeployment) -> Json:
    return {
        "apiVersion": owner.api_version,
        "blockOwnerDeletion": True,
        "controller": True,
        "kind": owner.kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
    }


def _labelled(made: Json, given: dict[str, str]) -> Json:
    return {**made, "metadata": {**made["metadata"], "labels": given}}


def _annotated(made: Json, service: GatewayService) -> Json:
    noted = {"annotations": dict(service.annotations)} if service.annotations else {}
    return {**made, "metadata": {**made["metadata"], **noted}}
