"""The fields of a status beside its conditions: ids, names, modes, and the ids that rules lead to.

Law: pure; what the original writes for a kind is written, and nothing else. A reference that leads nowhere has no id.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mesh import mtls, resources
from mesh.resolve import references
from meshloom.status.judgements import Facts

Fields = Mapping[str, Any]
Targets = Mapping[str, Facts]
"""What each field of an object leads to."""

OWN: Final = frozenset(
    {
        "meshId",
        "virtualServiceId",
        "virtualServiceName",
        "virtualDeploymentId",
        "virtualDeploymentName",
        "virtualServiceRouteTableId",
        "accessPolicyId",
        "ingressGatewayId",
        "ingressGatewayName",
        "ingressGatewayRouteTableId",
        "refIdForRules",
        "virtualServiceIdForRules",
        "virtualDeploymentIdForRules",
        "meshMtls",
        "virtualServiceMtls",
        "ingressGatewayMtls",
        "lastUpdatedTime",
        "conditions",
    }
)  # fmt: skip - one a line says less
"""The fields that are ours to write."""

_NOTHING: Final = Facts()


def fields(item: Any, own: str, targets: Targets, mode: mtls.Mode | None) -> Fields:
    """Return the fields of an object whose id is `own`; `mode` is the one that is applied, if it has one."""
    found = _WRITTEN[item.kind](item, own, targets, mode)
    return {name: value for name, value in found.items() if value}


def certificate_id(own: str) -> str:
    """Return the id of the certificate of an object, which meshloom issues too: one for each."""
    return f"ocid1.certificate.{own.split('.', 2)[-1]}"


def _mesh(_item: Any, own: str, _targets: Targets, mode: mtls.Mode | None) -> Fields:
    return {"meshId": own, "meshMtls": {"minimum": mode.value} if mode else None}


def _service(_item: Any, own: str, targets: Targets, mode: mtls.Mode | None) -> Fields:
    shown = {"certificateId": certificate_id(own), "mode": mode.value} if mode else None
    return {**_picked(targets, "spec.mesh", "meshId"), "virtualServiceId": own, "virtualServiceMtls": shown}


def _deployment(_item: Any, own: str, targets: Targets, _mode: mtls.Mode | None) -> Fields:
    service = targets.get("spec.virtualService", _NOTHING)
    picked = _picked(targets, "spec.virtualService", "meshId", "virtualServiceId")
    return {**picked, "virtualServiceName": service.name, "virtualDeploymentId": own}


def _table(item: resources.VirtualServiceRouteTable, own: str, targets: Targets, _mode: mtls.Mode | None) -> Fields:
    service = targets.get("spec.virtualService", _NOTHING)
    rules = item.spec.route_rules if item.spec else ()
    named = [references.routes(rule) for rule in rules]
    return {
        **_picked(targets, "spec.virtualService", "virtualServiceId"),
        "virtualServiceName": service.name,
        "virtualServiceRouteTableId": own,
        "virtualDeploymentIdForRules": _rule_ids(named, "virtualDeployment", targets),
    }


def _policy(item: resources.AccessPolicy, own: str, targets: Targets, _mode: mtls.Mode | None) -> Fields:
    rules = item.spec.rules if item.spec else ()
    return {
        **_picked(targets, "spec.mesh", "meshId"),
        "accessPolicyId": own,
        "refIdForRules": [_sides(index, targets) for index in range(len(rules))],
    }


def _gateway(_item: Any, own: str, targets: Targets, _mode: mtls.Mode | None) -> Fields:
    shown = {"certificateId": certificate_id(own)}
    return {**_picked(targets, "spec.mesh", "meshId"), "ingressGatewayId": own, "ingressGatewayMtls": shown}


def _gateway_table(
    item: resources.IngressGatewayRouteTable, own: str, targets: Targets, _mode: mtls.Mode | None
) -> Fields:
    gateway = targets.get("spec.ingressGateway", _NOTHING)
    named = [references.gateway_routes(rule) for rule in (item.spec.route_rules if item.spec else ())]
    return {
        **_picked(targets, "spec.ingressGateway", "ingressGatewayId"),
        "ingressGatewayName": gateway.name,
        "ingressGatewayRouteTableId": own,
        "virtualServiceIdForRules": _rule_ids(named, "virtualService", targets),
    }


def _binding(_item: Any, _own: str, targets: Targets, _mode: mtls.Mode | None) -> Fields:
    deployment = targets.get("spec.virtualDeployment", _NOTHING)
    ids = ("meshId", "virtualServiceId", "virtualServiceName", "virtualDeploymentId")
    return {**_picked(targets, "spec.virtualDeployment", *ids), "virtualDeploymentName": deployment.name}


def _gateway_deployment(_item: Any, _own: str, targets: Targets, _mode: mtls.Mode | None) -> Fields:
    gateway = targets.get("spec.ingressGateway", _NOTHING)
    picked = _picked(targets, "spec.ingressGateway", "meshId", "ingressGatewayId")
    return {**picked, "ingressGatewayName": gateway.name}


_WRITTEN: Final[Mapping[str, Callable[[Any, str, Targets, mtls.Mode | None], Fields]]] = {
    "Mesh": _mesh,
    "VirtualService": _service,
    "VirtualDeployment": _deployment,
    "VirtualServiceRouteTable": _table,
    "AccessPolicy": _policy,
    "IngressGateway": _gateway,
    "IngressGatewayRouteTable": _gateway_table,
    "VirtualDeploymentBinding": _binding,
    "IngressGatewayDeployment": _gateway_deployment,
}


def _picked(targets: Targets, field: str, *names: str) -> Fields:
    """Return some fields of what a reference leads to."""
    there = targets.get(field, _NOTHING).fields
    return {name: there[name] for name in names if name in there}


def _rule_ids(named: list[Any], member: str, targets: Targets) -> list[list[str]]:
    """Return for each rule the ids of its destinations, as far as they are there."""
    return [
        [
            found.id
            for name, route in routes
            for place in range(len(route.destinations))
            if (found := targets.get(f"spec.routeRules[{index}].{name}.destinations[{place}].{member}"))
        ]
        for index, routes in enumerate(named)
    ]


def _sides(index: int, targets: Targets) -> dict[str, str]:
    found = {
        side: targets.get(f"spec.rules[{index}].{side}.{member}")
        for side in ("source", "destination")
        for member in ("virtualService", "ingressGateway")
        if f"spec.rules[{index}].{side}.{member}" in targets
    }
    return {side: facts.id for side, facts in found.items() if facts is not None}
