"""The Deployment of the control plane and what stands around it.

Law: pure; a pod meets the restricted Pod Security Standard, writes to memory or to volumes of its own only, and ends by
letting its streams go.
"""

from typing import Any

from meshloom.install.grants import NAME
from meshloom.install.roles import LABELS

Document = dict[str, Any]

USER = 1337
ADS, ADS_MTLS, WEBHOOK, HEALTH = 15012, 15013, 9443, 15014
SETTINGS, SETTINGS_FOLDER, SETTINGS_FILE = f"{NAME}-settings", "/etc/meshloom", "settings.yaml"
"""The ConfigMap, where it is mounted, and the file in it."""
TEMPORARY = "/tmp"  # noqa: S108 - the pod's own
GRACE_SECONDS, LEAVING_SECONDS = 30, 5
SELECTOR = {**LABELS, "app.kubernetes.io/component": "control-plane"}

_PORTS = {"ads": ADS, "ads-mtls": ADS_MTLS, "webhook": WEBHOOK, "health": HEALTH}


def _metadata(namespace: str, name: str = NAME) -> Document:
    return {"name": name, "namespace": namespace, "labels": dict(SELECTOR)}


def settings_map(namespace: str, text: str) -> Document:
    """Return the ConfigMap of the settings file."""
    metadata = _metadata(namespace, SETTINGS)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {SETTINGS_FILE: text}}


def service(namespace: str) -> Document:
    """Return the Service by which proxies, the API server and monitoring reach the control plane."""
    offered = {"ads": ADS, "ads-mtls": ADS_MTLS, "webhook": 443, "health": HEALTH}
    ports = [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in offered.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(namespace),
        "spec": {"type": "ClusterIP", "selector": dict(SELECTOR), "ports": ports},
    }


def disruption_budget(namespace: str) -> Document:
    """Return how many may be evicted at once; one that does not work may always be."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": dict(SELECTOR)}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(namespace),
        "spec": {**spec, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
    }


def network_policy(namespace: str, api_server: Any) -> Document:
    """Return who may call: proxies and the API server from anywhere, monitoring from the cluster; and who is called.

    `api_server` are ports, each as `{"port": 443, "protocol": "TCP"}`: no policy can name the API server itself.
    """
    from_anywhere = [{"port": name, "protocol": "TCP"} for name in ("ads", "ads-mtls", "webhook")]
    monitoring = {"from": [{"namespaceSelector": {}}], "ports": [{"port": "health", "protocol": "TCP"}]}
    names = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(namespace),
        "spec": {
            "podSelector": {"matchLabels": dict(SELECTOR)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": from_anywhere}, monitoring],
            "egress": [{"ports": api_server}, {"ports": names}],
        },
    }


def deployment(namespace: str, chosen: Document, digest: str) -> Document:
    """Return the Deployment; `chosen` are the values as YAML has them, `digest` is that of the settings."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(namespace),
        "spec": {
            "replicas": chosen["replicas"],
            "selector": {"matchLabels": dict(SELECTOR)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": dict(SELECTOR), "annotations": {"meshloom.dev/settings": digest}},
                "spec": _pod(chosen),
            },
        },
    }


def _pod(chosen: Document) -> Document:
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "imagePullSecrets": chosen["imagePullSecrets"],
        "nodeSelector": chosen["nodeSelector"],
        "tolerations": chosen["tolerations"],
        "topologySpreadConstraints": [_spread("kubernetes.io/hostname"), _spread("topology.kubernetes.io/zone")],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(chosen)],
        "volumes": [
            {"name": "settings", "configMap": {"name": SETTINGS}},
            {"name": "temporary", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }


def _spread(key: str) -> Document:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(SELECTOR)},
    }


def _container(chosen: Document) -> Document:
    return {
        "name": NAME,
        "image": chosen["image"],
        "imagePullPolicy": chosen["imagePullPolicy"],
        "args": ["serve", "--kubernetes", "--settings", f"{SETTINGS_FOLDER}/{SETTINGS_FILE}", "--log-format", "json"],
        "env": _environment(),
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in _PORTS.items()],
        "startupProbe": {**_probe("/livez"), "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**_probe("/livez"), "periodSeconds": 10, "failureThreshold": 3},
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 2, "failureThreshold": 3},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", f"{LEAVING_SECONDS}"]}}},
        "resources": chosen["resources"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "settings", "mountPath": SETTINGS_FOLDER, "readOnly": True},
            {"name": "temporary", "mountPath": TEMPORARY},
        ],
    }


def _environment() -> list[Document]:
    own = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "POD_UID": "metadata.uid"}
    fields = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in own.items()]
    by_default = [{"name": name, "value": ""} for name in ("MESHLOOM_STATE", "MESHLOOM_OPERATOR_SOCKET")]
    return [*fields, *by_default]  # which the image sets for containers that keep their state in a volume


def _probe(path: str) -> Document:
    return {"httpGet": {"path": path, "port": "health"}, "timeoutSeconds": 3}
