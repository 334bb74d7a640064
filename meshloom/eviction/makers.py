"""Who makes a pod anew when it is evicted, what of, and whether one may be taken away at the moment.

Law: pure; a pod that nobody would make anew has no maker. Jobs and whatever else runs to an end are none: what they had
begun would be lost.
"""

from collections.abc import Mapping
from typing import Any, Final

from mesh import resources, workloads
from mesh.problems import Ref
from meshloom.injector.pods import mapping, objects

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "DaemonSet": ("apps/v1", "daemonsets"),
    "Deployment": ("apps/v1", "deployments"),
    "ReplicaSet": ("apps/v1", "replicasets"),
    "ReplicationController": ("v1", "replicationcontrollers"),
    "StatefulSet": ("apps/v1", "statefulsets"),
}
"""Makers, with version and plural."""

Sets = Mapping[Ref, workloads.ReplicaSet]


def maker(pod: workloads.Pod, sets: Sets) -> Ref | None:
    """Return who makes a pod: of a ReplicaSet that a Deployment makes, the Deployment."""
    found = _controller(pod)
    if found is None or found.kind != "ReplicaSet" or found not in sets:
        return found
    above = _controller(sets[found])
    return above if above is not None and above.kind == "Deployment" else found


def _controller(item: resources.Resource) -> Ref | None:
    for owner in item.metadata.owner_references:
        if owner.controller:
            is_known = owner.kind in KINDS and KINDS[owner.kind][0] == owner.api_version
            return Ref(owner.kind, item.metadata.namespace, owner.name) if is_known else None
    return None


def wanted(document: Mapping[str, Any]) -> int:
    """Return how many pods a maker wants."""
    if document.get("kind") == "DaemonSet":
        return _number(mapping(document.get("status")).get("desiredNumberScheduled"), 0)
    return _number(mapping(document.get("spec")).get("replicas"), 1)


def is_whole(document: Mapping[str, Any], alive: int) -> bool:
    """Return whether a maker has all its pods, and all of them serve; so many `alive` are seen that do not end."""
    status, wants = mapping(document.get("status")), wanted(document)
    generation = _number(mapping(document.get("metadata")).get("generation"), 0)
    if _number(status.get("observedGeneration"), 0) < generation or alive < wants:
        return False
    if document.get("kind") == "DaemonSet":
        return _number(status.get("numberAvailable"), 0) >= wants
    if document.get("kind") == "Deployment" and not _is_rolled_out(status, wants):
        return False
    return _number(status.get("availableReplicas"), 0) >= wants


def _is_rolled_out(status: Mapping[str, Any], wants: int) -> bool:
    """Return whether a Deployment is not just replacing pods itself."""
    return _number(status.get("updatedReplicas"), 0) >= wants and _number(status.get("replicas"), 0) <= wants


def is_serving(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod is Ready, so that somebody may miss it."""
    conditions = objects(mapping(pod.get("status")).get("conditions"))
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def is_ending(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod has ended or is about to."""
    ended = mapping(pod.get("status")).get("phase") in ("Succeeded", "Failed")
    return ended or bool(mapping(pod.get("metadata")).get("deletionTimestamp"))


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default
