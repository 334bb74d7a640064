"""Where objects of Kubernetes hold the pods that are made of them.

Law: an object comes back as it was but for its pod; one that makes no pods has none.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshloom.injector.pods import Json, Object, Pod, mapping

_TEMPLATE: Final = ("spec", "template")
_PLACES: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("v1", "Pod"): (),
    ("v1", "PodTemplate"): ("template",),
    ("v1", "ReplicationController"): _TEMPLATE,
    ("apps/v1", "DaemonSet"): _TEMPLATE,
    ("apps/v1", "Deployment"): _TEMPLATE,
    ("apps/v1", "ReplicaSet"): _TEMPLATE,
    ("apps/v1", "StatefulSet"): _TEMPLATE,
    ("batch/v1", "Job"): _TEMPLATE,
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
"""The kinds that pods are made of, and where in them."""


def pod(document: Object) -> Pod | None:
    """Return the pod that an object is, or would make; None if it makes none."""
    place = _place(document)
    if place is None:
        return None
    found: Any = document
    for part in place:
        found = mapping(mapping(found).get(part))
    metadata = mapping(document.get("metadata"))
    return Pod(found if not place else _named(found, metadata), str(metadata.get("namespace") or "default"))


def replaced(document: Object, made: Object) -> Json:
    """Return an object whose pod is this one."""
    place = _place(document) or ()
    return {**document, **_within(document, place, made)} if place else dict(made)


def _place(document: Object) -> Sequence[str] | None:
    return _PLACES.get((str(document.get("apiVersion")), str(document.get("kind"))))


def _named(template: Object, metadata: Object) -> Object:
    """Return a template whose pod has the name of the object that makes it, for people to read."""
    own = mapping(template.get("metadata"))
    return {**template, "metadata": {"generateName": f"{metadata.get('name')}-", **own}}


def _within(document: Object, place: Sequence[str], made: Object) -> Json:
    first, *rest = place
    inner = mapping(document.get(first))
    return {**document, first: _within(inner, rest, made) if rest else _unnamed(inner, made)}


def _unnamed(template: Object, made: Object) -> Json:
    """Return a pod without the name that `_named` gave it."""
    if "generateName" in mapping(template.get("metadata")):
        return dict(made)
    kept = {key: value for key, value in mapping(made.get("metadata")).items() if key != "generateName"}
    return {**made, "metadata": kept}
