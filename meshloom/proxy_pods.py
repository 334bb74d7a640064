"""What the container of a proxy is given by whoever makes its pod: variables, files, ports, resources.

Law: pure, and the same for gateways and sidecars; the names of the original stay, ours stand beside them.
"""

from collections.abc import Mapping
from typing import Any, Final

from mesh.rules import ports, wording

Json = dict[str, Any]

CONTAINER: Final = "oci-sm-proxy"
"""The name of a proxy's container."""

USER: Final = 1337
"""Whom a proxy runs as; the rules that redirect traffic let this user's connections pass."""

LOG_LEVEL: Final = "servicemesh.oci.oracle.com/proxy-log-level"
"""The annotation that says how much a proxy logs."""
LOG_LEVELS: Final = ("debug", "info", "warn", "error", "off")
QUIET: Final = "error"
"""The level where nothing is said."""

AUDIENCE: Final = "meshloom"
"""Of the token that a proxy shows to the control plane and to nobody else."""
TOKEN_SECONDS: Final = 3600
"""How long such a token lasts; kubelet renews it after four fifths of that."""
ROOT_MAP, ROOT_KEY = "meshloom-root", "root.pem"
"""The ConfigMap of each namespace with proxies, and where in it the root of the control plane's certificate is."""

PROOF: Final = "meshloom-proof"
"""The volume of both."""
PROOF_FOLDER: Final = "/var/run/secrets/meshloom"
TOKEN_FILE: Final = f"{PROOF_FOLDER}/token"
ROOT_FILE: Final = f"{PROOF_FOLDER}/{ROOT_KEY}"

SCRATCH: Final = "meshloom-proxy"
"""The volume of what a proxy writes: the file it starts with."""
SCRATCH_FOLDER: Final = "/run/proxy"

HOST_CERTIFICATES: Final = "pki"
HOST_FOLDER: Final = "/etc/pki"

ADS_VARIABLE, GATEWAY_VARIABLE = "MESHLOOM_ADS", "MESHLOOM_GATEWAY"
"""What tells a proxy where its control plane is, and of which IngressGateway it is, as `namespace/name`."""

RESOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "2000m", "memory": "1024Mi"},
}
"""What a proxy gets where nobody says otherwise."""


def log_level(annotations: Mapping[str, str]) -> str:
    """Return how much a proxy logs. Raises ValueError with what is wrong with the annotation."""
    written = annotations.get(LOG_LEVEL, QUIET)
    if written.lower() not in LOG_LEVELS:
        raise ValueError(f"is {wording.quoted(written)}, which is no level of a log")
    return written.lower()


def variables(deployment_id: str, level: str, control_plane: str, more: Mapping[str, str]) -> list[Json]:
    """Return the environment of a proxy: the original's names, and ours; `control_plane` is `host:port`."""
    from_pod = {
        "IP_ADDRESS": "status.podIP",
        "POD_IP": "status.podIP",
        "POD_UID": "metadata.uid",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
    }
    fixed = {"DEPLOYMENT_ID": deployment_id, "PROXY_LOG_LEVEL": level}
    return [
        *({"name": name, "value": value} for name, value in fixed.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in from_pod.items()),
        *({"name": name, "value": value} for name, value in {ADS_VARIABLE: control_plane, **more}.items()),
    ]


def statistics_port() -> Json:
    """Return the port of statistics, which every proxy has."""
    return {"containerPort": ports.STATISTICS, "protocol": "TCP"}


def confinement() -> Json:
    """Return the security context of a proxy that redirects nothing: no rights, nothing to write but its volume."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsGroup": USER,
        "runAsNonRoot": True,
        "runAsUser": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def volumes(*, has_host_certificates: bool) -> list[Json]:
    """Return the volumes of a proxy: what proves who it is, what it writes, and the host's certificates if wanted."""
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    root = {"name": ROOT_MAP, "items": [{"key": ROOT_KEY, "path": ROOT_KEY}]}
    proof = {"sources": [{"serviceAccountToken": token}, {"configMap": root}]}
    host = [{"name": HOST_CERTIFICATES, "hostPath": {"path": HOST_FOLDER}}] if has_host_certificates else []
    return [{"name": PROOF, "projected": proof}, {"name": SCRATCH, "emptyDir": {}}, *host]


def mounts(*, has_host_certificates: bool) -> list[Json]:
    """Return where the volumes of a proxy are."""
    host = [{"name": HOST_CERTIFICATES, "mountPath": HOST_FOLDER, "readOnly": True}] if has_host_certificates else []
    return [
        {"name": PROOF, "mountPath": PROOF_FOLDER, "readOnly": True},
        {"name": SCRATCH, "mountPath": SCRATCH_FOLDER},
        *host,
    ]
