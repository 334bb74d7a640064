"""What the control plane may do in a cluster, and what each permission is for.

Law: nothing is granted that is not used; what can be limited to a name or to the control plane's own namespace is.
"""

from typing import Any, NamedTuple

from mesh import resources
from meshloom.admission import configuration

Document = dict[str, Any]

FOLLOW = ("list", "watch")
READ = ("get", *FOLLOW)
_WRITE = ("create", "patch", "delete")
NAME = "meshloom"
ROOT_MAP = "meshloom-root"
LEASE = "meshloom-leader"

_KINDS = tuple(configuration.plurals())


class Grant(NamedTuple):
    """Verbs on resources of one API group, for a reason; with names: on the objects of these names only."""

    why: str
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()

    def rule(self) -> Document:
        """Return it as a rule of a role."""
        found: Document = {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}
        return {**found, "resourceNames": list(self.names)} if self.names else found


EVERYWHERE: tuple[Grant, ...] = (
    Grant("follow the mesh", resources.GROUP, _KINDS, READ),
    Grant("hold back and release deletions by finalizers", resources.GROUP, _KINDS, ("patch",)),
    Grant(
        "see whether a kind is being removed, or only cannot be read",
        "apiextensions.k8s.io",
        ("customresourcedefinitions",),
        ("get",),
        tuple(f"{each}.{resources.GROUP}" for each in _KINDS),
    ),
    Grant("write statuses", resources.GROUP, tuple(f"{each}/status" for each in _KINDS), ("patch",)),
    Grant("follow Services and the pods behind them", "", ("pods", "services"), READ),
    Grant("follow namespaces", "", ("namespaces",), FOLLOW),
    Grant("see what became of the autoscalers of gateways", "autoscaling", ("horizontalpodautoscalers",), READ),
    Grant("see what became of their disruption budgets", "policy", ("poddisruptionbudgets",), READ),
    Grant("follow endpoints", "discovery.k8s.io", ("endpointslices",), FOLLOW),
    Grant("recognise the pods of gateways by who owns them", "apps", ("deployments", "replicasets"), READ),
    Grant(
        "give namespaces the roots that proxies know the control plane by",
        "",
        ("configmaps",),
        ("list", "create", "patch", "delete"),
        (ROOT_MAP,),
    ),
    Grant("see whether ReplicationControllers can spare a pod", "", ("replicationcontrollers",), ("get",)),
    Grant("see whether DaemonSets and StatefulSets can spare one", "apps", ("daemonsets", "statefulsets"), ("get",)),
    Grant("have pods made anew whose proxy is missing or outdated", "", ("pods/eviction",), ("create",)),
    Grant("mark those that others have to make anew", "", ("pods/status",), ("patch",)),
    Grant("tell events", "", ("events",), ("create", "get", "patch")),
    Grant("check the tokens of proxies and operators", "authentication.k8s.io", ("tokenreviews",), ("create",)),
    Grant("ask what operators may do", "authorization.k8s.io", ("subjectaccessreviews",), ("create",)),
    Grant(
        "keep the certificate authority of the webhooks up to date",
        "admissionregistration.k8s.io",
        ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"),
        ("get", "patch"),
        (configuration.NAME,),
    ),
)
"""In all namespaces, beside Secrets."""

SECRETS: tuple[Grant, ...] = (
    Grant("read certificates that gateways and settings name, one by one", "", ("secrets",), FOLLOW),
)
"""In the namespaces that the values list, or in all."""

GATEWAYS: tuple[Grant, ...] = (
    Grant("make the pods of gateways", "apps", ("deployments",), _WRITE),
    Grant("make the Services of gateways", "", ("services",), _WRITE),
    Grant("let the number of their pods follow the load", "autoscaling", ("horizontalpodautoscalers",), _WRITE),
    Grant("keep their pods from being evicted at once", "policy", ("poddisruptionbudgets",), _WRITE),
    Grant(
        "own what it makes for a gateway until that is deleted",
        resources.GROUP,
        ("ingressgatewaydeployments/finalizers",),
        ("update",),
    ),
)
"""In the namespaces that the values list, or in all. Whoever makes pods may use all that a namespace holds."""

AT_HOME: tuple[Grant, ...] = (
    Grant("keep authorities and join tokens", "", ("secrets",), (*READ, "create", "patch")),
    Grant(
        "tell other replicas of one's proxies, and look up what people chose",
        "",
        ("configmaps",),
        ("get", "list", "create", "patch", "delete"),
    ),
    Grant("elect the replica that writes", "coordination.k8s.io", ("leases",), ("get", "create", "update")),
)
"""In its own namespace."""

EDITING: tuple[Grant, ...] = (
    Grant(
        "edit the mesh",
        resources.GROUP,
        _KINDS,
        (*READ, "create", "update", "patch", "delete", "deletecollection"),
    ),
)
VIEWING: tuple[Grant, ...] = (Grant("view the mesh", resources.GROUP, _KINDS, READ),)
"""Of people, by the roles that a cluster has for them."""
