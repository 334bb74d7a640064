"""The ConfigMap `meshloom-root`: the roots by which proxies know the control plane, where there can be proxies.

Law: pure. What is not ours by its label is not removed. The control plane's own namespace comes last: where its
ConfigMap holds the roots all others do, and since when is written on it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh import inventory, resources, workloads

NAME: Final = "meshloom-root"
KEY: Final = "root.pem"
SINCE: Final = "meshloom.dev/published-at"
"""Annotation: when all namespaces held these roots, in seconds since the epoch."""

OURS: Mapping[str, str] = {"app.kubernetes.io/name": "meshloom", "app.kubernetes.io/managed-by": "meshloom"}
SELECTOR: Final = ",".join(f"{key}={value}" for key, value in OURS.items())

INJECTION: Final = "servicemesh.oci.oracle.com/sidecar-injection"
_INJECTED: Final = ("enabled", "disabled")
"""Where the label of a namespace is `disabled`, a pod can still ask for a sidecar (rule 4.2)."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the ConfigMap of a namespace holds."""

    pem: str
    since: str = ""


def wanted(seen: inventory.Inventory, own: str) -> frozenset[str]:
    """Return the namespaces in which there can be proxies, and the control plane's own."""
    spaces = seen.of(workloads.Namespace).values()
    injected = {
        one.metadata.name
        for one in spaces
        if not one.is_terminating and one.metadata.labels.get(INJECTION) in _INJECTED
    }
    ending = {one.metadata.name for one in spaces if one.is_terminating}
    gateways = {ref.namespace for ref in seen.of(resources.IngressGatewayDeployment)}
    return frozenset({*injected, *(gateways - ending), own})


def config_map(namespace: str, pem: str, since: str = "") -> dict[str, Any]:
    """Return the ConfigMap of a namespace."""
    metadata: dict[str, Any] = {"name": NAME, "namespace": namespace, "labels": dict(OURS)}
    if since:
        metadata["annotations"] = {SINCE: since}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: pem}}


def held(items: Iterable[Any]) -> dict[str, Held]:
    """Return what ConfigMaps of the API hold, by namespace."""
    return {item["metadata"]["namespace"]: _held(item) for item in items}


def _held(item: Any) -> Held:
    annotations = item["metadata"].get("annotations") or {}
    return Held(str((item.get("data") or {}).get(KEY, "")), str(annotations.get(SINCE, "")))


def lacking(there: Mapping[str, Held], spaces: Iterable[str], pem: str) -> list[str]:
    """Return the namespaces, of these, that do not hold these roots."""
    return sorted(space for space in spaces if space not in there or there[space].pem != pem)


def needless(there: Iterable[str], spaces: Iterable[str]) -> list[str]:
    """Return the namespaces that hold roots for nobody."""
    return sorted(set(there) - set(spaces))


def published_since(found: Held | None, pem: str) -> float:
    """Return since when the roots can be read everywhere, by the ConfigMap of the own namespace; else math.inf."""
    if found is None or found.pem != pem:
        return math.inf
    try:
        since = float(found.since)
    except ValueError:
        return math.inf
    return since if math.isfinite(since) else math.inf
