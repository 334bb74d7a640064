"""Services, Deployments and Jobs of applications, as users write them: of proxies they know nothing."""

from typing import Any

SPACE, OUTSIDE = "shop", "outside"
PORT = 9080

Object = dict[str, Any]
GROUP = "servicemesh.oci.oracle.com"
LABEL, GATEWAY_LABEL = f"{GROUP}/sidecar-injection", f"{GROUP}/ingress-gateway-deployment"

SERVE = ("python", "-m", "meshloom.demo.application", "--listen", f"0.0.0.0:{PORT}")
IDLE = ("python", "-c", "import signal; signal.signal(signal.SIGTERM, lambda *_: exit()); signal.pause()")
"""Does nothing until it is ended."""


def namespace(name: str, injection: str) -> Object:
    """Return a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL: injection}}}


def service(name: str, selector: Object, port: int = PORT) -> Object:
    """Return a Service of this port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": port, "targetPort": port}]},
    }


def version(name: str, image: str, replicas: int = 1) -> list[Object]:
    """Return Service and Deployment of a version of a service, as `catalogue-v1`."""
    of = name.rpartition("-")[0]
    probe = {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1}
    serving = container(image, *SERVE, "--service", of, "--version", name)
    return [
        service(name, {"app": name}),
        deployment(name, {**serving, "readinessProbe": probe}, replicas=replicas, labels={"service": of}),
    ]


def container(image: str, *command: str) -> Object:
    """Return the container of an application, which ends a moment after it is told to, when callers know of it."""
    return {
        "name": "application",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "4"]}}},
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
    }


def deployment(name: str, of: Object, space: str = SPACE, replicas: int = 1, labels: Object | None = None) -> Object:
    """Return a Deployment of pods with this container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"deployment": name}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": {"deployment": name, "app": name, **(labels or {})}},
                "spec": {"terminationGracePeriodSeconds": 20, "containers": [of]},
            },
        },
    }


def job(name: str, of: Object, labels: Object) -> Object:
    """Return a Job of one pod with this container."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": labels},
                "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 20, "containers": [of]},
            },
        },
    }


def disruption(name: str) -> Object:
    """Return a budget by which one pod of an application is always there."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}},
    }
