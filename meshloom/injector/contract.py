"""The words that pods, people and proxies share: labels, annotations, names, places and variables of the environment.

Law: those of the original API keep their names; what is ours begins with `meshloom`.
"""

from typing import Final

from mesh import resources

LABEL: Final = f"{resources.GROUP}/sidecar-injection"
"""Of namespaces and pods: whether pods get a proxy."""
ENABLED, DISABLED = "enabled", "disabled"

LOG_LEVEL: Final = f"{resources.GROUP}/proxy-log-level"
"""Of pods, and of bindings for those pods that say nothing."""
BINDING: Final = f"{resources.GROUP}/virtual-deployment-binding-ref"
DEPLOYMENT_ID: Final = f"{resources.GROUP}/virtual-deployment-ocid"
"""What an injected pod is told to be."""
IMAGE: Final = "meshloom.dev/proxy-image"
"""Of injected pods: the image of the proxy."""
OUTDATED: Final = f"{resources.GROUP}/outdated-proxy"
"""Of injected pods that should be made anew, and are not evicted: `true`."""
PASSTHROUGH: Final = "meshloom.dev/passthrough-inbound-ports"
"""Of pods: ports whose connections reach the application as they are."""
MIRROR: Final = "kubernetes.io/config.mirror"
"""Of pods that a kubelet runs from a file of its own: what the API server has of them is a mirror."""
DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"

PROXY, INIT = "oci-sm-proxy", "init"
"""Containers; the second is called `meshloom-init` where the pod has one of that name."""

PKI: Final = "/etc/pki"
IDENTITY_FOLDER: Final = "/var/run/secrets/meshloom"
TOKEN_FILE, ROOT_FILE = "token", "root.pem"
"""In the folder of identity: who the pod is, and what the control plane is known by."""
RUN_FOLDER: Final = "/run/proxy"
"""Where a proxy keeps what it starts with."""
ROOT_MAP: Final = "meshloom-root"
"""The ConfigMap of the roots, in each namespace that has proxies."""

PROXY_VARIABLE, GATEWAY_VARIABLE = "MESHLOOM_PROXY", "MESHLOOM_GATEWAY"
"""Whose proxy it is, as `namespace/name` of a VirtualDeployment or of an IngressGateway: one of the two."""
ADS_VARIABLE: Final = "MESHLOOM_ADS"
CONCURRENCY_VARIABLE: Final = "MESHLOOM_CONCURRENCY"
DRAIN_VARIABLE: Final = "MESHLOOM_DRAIN_SECONDS"
PROBES_VARIABLE: Final = "MESHLOOM_PROBES"
PASSTHROUGH_VARIABLE: Final = "MESHLOOM_PASSTHROUGH_INBOUND_PORTS"
TAGS_VARIABLE: Final = "MESHLOOM_TAGS"
LEVEL_VARIABLE: Final = "PROXY_LOG_LEVEL"
CAPTURE_VARIABLE, PORT_VARIABLE = "CONFIGURE_IP_TABLES", "ENVOY_PORT"
"""What the container that captures is told: whether, and where connections go."""

LOG_LEVELS: Final = ("debug", "info", "warn", "error", "off")
DEFAULT_LOG_LEVEL: Final = "error"

PROXY_UID: Final = 1337
GRACE_SECONDS: Final = 30
"""How long Kubernetes gives a pod to end that says nothing about it."""
