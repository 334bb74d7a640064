"""The pods of a gateway: one proxy, with no more rights than it takes to listen and to ask its control plane.

Law: pure, and of the same parts as sidecars. A pod that is to end first stops being called, then drains; what it still
holds, it answers.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from mesh.problems import Ref
from mesh.resources import GatewayPort, IngressGatewayDeploymentSpec, ResourceRequirements
from mesh.rules import ports, wording
from meshloom import bootstrap, stats_tags
from meshloom.gateways import labels
from meshloom.injector import containers, contract, environment, volumes
from meshloom.injector.terms import Terms

Json = dict[str, Any]

LEAVING_SECONDS: Final = 10
"""Between the moment in which a pod is to end and the one in which it drains: until nobody sends it new connections."""
MARGIN_SECONDS: Final = 5
ENDING_SECONDS: Final = LEAVING_SECONDS + bootstrap.DRAIN_SECONDS + MARGIN_SECONDS
"""How long a pod may take to end."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The IngressGateway that pods are of: its id, and the tags of its statistics."""

    ref: Ref
    id: str
    tags: stats_tags.Tags


def template(name: str, spec: IngressGatewayDeploymentSpec, env: list[Json], terms: Terms) -> Json:
    """Return the template of the pods of a deployment of this name, whose proxies have this environment."""
    mounted = volumes.of_proxy(with_pki=spec.deployment.mount_certificate_chain_from_host)
    proxy = containers.proxy(terms, env, [mount for _, mount in mounted], resources(spec))
    return {
        "metadata": {"labels": labels.of_pod(name, spec.deployment.labels)},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{**proxy, **_listening(spec), "lifecycle": _LEAVING}],
            "enableServiceLinks": False,
            "securityContext": {
                "fsGroup": contract.PROXY_UID,
                "runAsNonRoot": True,
                "runAsUser": contract.PROXY_UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": ENDING_SECONDS,
            "volumes": [volume for volume, _ in mounted],
        },
    }


_LEAVING: Final[Json] = {"preStop": {"exec": {"command": ["sleep", str(LEAVING_SECONDS)]}}}


def variables(gateway: Gateway, level: str, limits: Json, terms: Terms) -> list[Json]:
    """Return the environment of a gateway's proxy."""
    told = {
        "DEPLOYMENT_ID": gateway.id,
        contract.LEVEL_VARIABLE: level,
        "MDS_ENDPOINT": terms.mds_endpoint,
        contract.GATEWAY_VARIABLE: gateway.ref.key,
        contract.ADS_VARIABLE: terms.ads,
        contract.CONCURRENCY_VARIABLE: str(environment.concurrency(limits)),
        contract.DRAIN_VARIABLE: str(bootstrap.DRAIN_SECONDS),
        contract.TAGS_VARIABLE: json.dumps(dict(gateway.tags), separators=(",", ":")),
    }
    return [*environment.pairs(told), *environment.POD]


def resources(spec: IngressGatewayDeploymentSpec) -> Json:
    """Return what a proxy is given of processors and memory."""
    wished = spec.deployment.autoscaling.resources
    return _written(wished) if wished else dict(containers.RESOURCES)


def log_level(written: str) -> str:
    """Return the level of a log as proxies know it. Raises ValueError with what is wrong with it."""
    if written.lower() not in contract.LOG_LEVELS:
        raise ValueError(f"is {wording.quoted(written)}, which is no level of a log")
    return written.lower()


def distinct(given: tuple[GatewayPort, ...]) -> tuple[GatewayPort, ...]:
    """Return the ports that containers can have: the first of each number and protocol, none that the proxy keeps."""
    first = {(port.port, port.protocol): port for port in reversed(given) if port.port not in (0, *ports.GATEWAY)}
    return tuple(port for port in given if first.get((port.port, port.protocol)) is port)


def _listening(spec: IngressGatewayDeploymentSpec) -> Json:
    statistics = {"containerPort": ports.STATISTICS, "protocol": "TCP"}
    return {"ports": [statistics, *map(_port, distinct(spec.ports))]}


def _port(port: GatewayPort) -> Json:
    named = {"name": port.name} if port.name else {}
    return {"containerPort": port.port, "protocol": port.protocol, **named}


def _written(wished: ResourceRequirements) -> Json:
    parts = {"limits": wished.limits, "requests": wished.requests}
    return {part: {name: str(amount) for name, amount in amounts.items()} for part, amounts in parts.items() if amounts}
