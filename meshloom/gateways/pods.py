"""The pods of a gateway: one proxy, with no more rights than it takes to listen and to ask its control plane.

Law: pure. A pod that ends first stops being called, then drains; what it still holds, it answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh.resources import GatewayPods, GatewayPort, IngressGatewayDeploymentSpec, ResourceRequirements
from mesh.rules import ports
from meshloom import bootstrap, proxy_pods
from meshloom.gateways import labels

Json = dict[str, Any]

LEAVING_SECONDS: Final = 10
"""Between the moment in which a pod is to end and the one in which it drains: until nobody sends it new connections."""
MARGIN_SECONDS: Final = 5
ENDING_SECONDS: Final = LEAVING_SECONDS + bootstrap.DRAIN_SECONDS + MARGIN_SECONDS
"""How long a pod may take to end."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is the same for all gateways of a control plane: the proxy's image, and where proxies ask (`host:port`)."""

    image: str
    control_plane: str


def template(name: str, spec: IngressGatewayDeploymentSpec, proxy: Json) -> Json:
    """Return the template of pods that run this container."""
    return {
        "metadata": {"labels": labels.of_pod(name, spec.deployment.labels)},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [proxy],
            "enableServiceLinks": False,
            "securityContext": {
                "fsGroup": proxy_pods.USER,
                "runAsNonRoot": True,
                "runAsUser": proxy_pods.USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": ENDING_SECONDS,
            "volumes": proxy_pods.volumes(has_host_certificates=spec.deployment.mount_certificate_chain_from_host),
        },
    }


def container(spec: IngressGatewayDeploymentSpec, gateway: str, gateway_id: str, level: str, options: Options) -> Json:
    """Return the container of a gateway's proxy; `gateway` is `namespace/name` of the IngressGateway."""
    pods = spec.deployment
    return {
        "name": proxy_pods.CONTAINER,
        "image": options.image,
        "env": proxy_pods.variables(gateway_id, level, options.control_plane, {proxy_pods.GATEWAY_VARIABLE: gateway}),
        "ports": [proxy_pods.statistics_port(), *map(_port, distinct(spec.ports))],
        "resources": _resources(pods),
        "readinessProbe": {**_asked(), "periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 2},
        "livenessProbe": {"tcpSocket": {"port": ports.HEALTH}, "initialDelaySeconds": 5, "periodSeconds": 10},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(LEAVING_SECONDS)]}}},
        "securityContext": proxy_pods.confinement(),
        "volumeMounts": proxy_pods.mounts(has_host_certificates=pods.mount_certificate_chain_from_host),
    }


def distinct(given: tuple[GatewayPort, ...]) -> tuple[GatewayPort, ...]:
    """Return the ports that containers can have: the first of each number and protocol, none that the proxy keeps."""
    first = {(port.port, port.protocol): port for port in reversed(given) if port.port not in (0, *ports.GATEWAY)}
    return tuple(port for port in given if first.get((port.port, port.protocol)) is port)


def _asked() -> Mapping[str, Any]:
    return {"httpGet": {"path": "/health", "port": ports.HEALTH}}


def _port(port: GatewayPort) -> Json:
    named = {"name": port.name} if port.name else {}
    return {"containerPort": port.port, "protocol": port.protocol, **named}


def _resources(pods: GatewayPods) -> Json:
    wished = pods.autoscaling.resources
    return _written(wished) if wished else {part: dict(amounts) for part, amounts in proxy_pods.RESOURCES.items()}


def _written(wished: ResourceRequirements) -> Json:
    parts = {"limits": wished.limits, "requests": wished.requests}
    return {part: {name: str(amount) for name, amount in amounts.items()} for part, amounts in parts.items() if amounts}
