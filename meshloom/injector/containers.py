"""The containers that a pod gets: one that captures its connections and ends, and the proxy.

Law: the proxy is nobody and may do nothing; the one that captures is root with one capability, and lasts a moment.
"""

from collections.abc import Mapping
from typing import Any, Final

from meshloom.identity import claim
from meshloom.injector import contract, environment
from meshloom.injector.pods import Json
from meshloom.injector.terms import Terms
from translator import names

RESOURCES: Final[Mapping[str, Any]] = {
    "limits": {"cpu": "2000m", "memory": "1024Mi"},
    "requests": {"cpu": "100m", "memory": "128Mi"},
}
"""Where a binding asks for none."""

_HEALTH: Final = {"path": "/health", "port": claim.HEALTH_PORT, "scheme": "HTTP"}
_START_SECONDS = 600
"""How long a proxy may wait for its first configuration before it is started anew."""
_HOLD_SECONDS = 60
"""How long it keeps the application waiting, where Kubernetes does not do that by itself."""

CONFINED: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsGroup": contract.PROXY_UID,
    "runAsNonRoot": True,
    "runAsUser": contract.PROXY_UID,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The security context of a proxy."""

_CAPTURING: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
    "privileged": False,
    "runAsGroup": 0,
    "runAsNonRoot": False,
    "runAsUser": 0,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def capturing(name: str, terms: Terms, resources: Mapping[str, Any]) -> Json:
    """Return the init container that captures; with the proxy's resources, so it costs none, and quotas let it in."""
    ports = [word for port in terms.exempt_ports for word in ("--exclude-outbound-port", str(port))]
    networks = [word for one in terms.exempt_networks for word in ("--exclude-outbound-cidr", one)]
    return {
        "name": name,
        **_image(terms),
        "args": ["capture", "apply", "--in-pod", *ports, *networks],
        "env": environment.of_init(names.OUTBOUND_PORT),
        "resources": dict(resources),
        "securityContext": dict(_CAPTURING),
    }


def proxy(terms: Terms, env: list[Json], mounts: list[Json], resources: Mapping[str, Any]) -> Json:
    """Return the container of a proxy."""
    return {
        "name": contract.PROXY,
        **_image(terms),
        "args": ["proxy"],
        "env": env,
        "ports": [{"containerPort": claim.STATISTICS_PORT, "protocol": "TCP"}],
        "resources": dict(resources),
        "securityContext": dict(CONFINED),
        "volumeMounts": mounts,
        "startupProbe": {"httpGet": _HEALTH, "periodSeconds": 1, "failureThreshold": _START_SECONDS},
        "readinessProbe": {"httpGet": _HEALTH, "periodSeconds": 5},
        "livenessProbe": {"httpGet": _HEALTH, "initialDelaySeconds": 5},
    }


def native(proxy: Json) -> Json:
    """Return a proxy as an init container that goes on: it is ready before the next one starts, and ends last."""
    return {**proxy, "restartPolicy": "Always"}


def classic(proxy: Json) -> Json:
    """Return a proxy as the first of the containers: the next one is not started before it is ready."""
    waiting = {"exec": {"command": ["meshloom", "proxy", "--wait", str(_HOLD_SECONDS)]}}
    return {**proxy, "lifecycle": {"postStart": waiting}}


def _image(terms: Terms) -> Json:
    return {"image": terms.image, **({"imagePullPolicy": terms.pull_policy} if terms.pull_policy else {})}
