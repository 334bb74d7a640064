"""Deployments and Services of applications, each with an Envoy beside it that was put there by hand."""

from typing import Any

SPACE = "shop"
PORT, BEHIND = 9080, 8080

_MOUNTS = [
    {"name": "proxy", "mountPath": "/run/proxy"},
    {"name": "identity", "mountPath": "/run/identity", "readOnly": True},
]
_CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def objects(name: str, images: "dict[str, str]", replicas: int = 1, proxy: str = "") -> list[dict[str, Any]]:
    """Return Service and Deployment of a VirtualDeployment of this name; its Envoy claims to be `proxy`, or that."""
    labels = {"app": name}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": PORT, "targetPort": PORT}]},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(proxy or name, images)},
        },
    }
    return [service, deployment]


def _pod(proxy: str, images: "dict[str, str]") -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1337, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [_bootstrap(proxy, images["meshloom"])],
        "containers": [_application(proxy, images["meshloom"]), _envoy(images["envoy"])],
        "volumes": [{"name": "proxy", "emptyDir": {}}, {"name": "identity", "projected": {"sources": _identity()}}],
    }


def _identity() -> list[dict[str, Any]]:
    token = {"path": "token", "audience": "meshloom", "expirationSeconds": 3600}
    root = {"name": "meshloom-root", "items": [{"key": "root.pem", "path": "root.pem"}]}
    return [{"serviceAccountToken": token}, {"configMap": root}]


def _bootstrap(proxy: str, image: str) -> dict[str, Any]:
    at = ["--ads", "meshloom.meshloom-system.svc:15012", "--ads-root", "/run/identity/root.pem"]
    where = ["--workload-address", "0.0.0.0", "--application-address", "127.0.0.1"]
    led = ["--application-port", f"{PORT}={BEHIND}", "--admin", "127.0.0.1:9901"]
    return {
        "name": "bootstrap",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            *("bootstrap", "--proxy", f"{SPACE}/{proxy}", *at, "--token", "/run/identity/token", *where, *led),
            *("--output-folder", "/run/proxy"),
        ],
        "volumeMounts": _MOUNTS,
        "securityContext": _CONFINED,
    }


def _envoy(image: str) -> dict[str, Any]:
    return {
        "name": "envoy",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["envoy", "--drain-time-s", "45", "--disable-hot-restart", "--concurrency", "1"],
        "args": ["--log-level", "warning", "-c", "/run/proxy/envoy.yaml"],
        "volumeMounts": _MOUNTS,
        "securityContext": _CONFINED,
        "readinessProbe": {"httpGet": {"path": "/health", "port": 15010}, "periodSeconds": 1},
        # the endpoint is taken away first, and callers learn of it, before the proxy stops
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "4"]}}},
    }


def _application(name: str, image: str) -> dict[str, Any]:
    return {
        "name": "application",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "meshloom.demo.application", "--listen", f"127.0.0.1:{BEHIND}"],
        "args": ["--service", name.rpartition("-")[0], "--version", name],
        "env": [{"name": "http_proxy", "value": "http://127.0.0.1:15000"}],
        "securityContext": _CONFINED,
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "4"]}}},
    }
