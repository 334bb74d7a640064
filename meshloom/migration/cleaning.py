"""The objects of the nine kinds as people would write them: without what only a cluster knows.

Law: pure; a reference by an id whose owner is known becomes one by name. Nothing that people wrote is lost.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshloom.install import removing
from meshloom.migration import facts, outlook
from meshloom.migration.facts import Document, Facts
from meshloom.migration.findings import Json

_OF_CLUSTERS: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def cleaned(of: Facts) -> Iterator[Json]:
    """Return the objects, those of the original's cloud by name; what is being deleted is left out."""
    return (_written(document) for document in outlook.named(of) if facts.is_staying(document))


def _written(document: Document) -> Json:
    kept = {key: copy.deepcopy(value) for key, value in document.items() if key not in ("status", "metadata")}
    metadata = _metadata(document)
    return {"apiVersion": kept.pop("apiVersion"), "kind": kept.pop("kind"), "metadata": metadata, **kept}


def _metadata(document: Document) -> Json:
    kept = {key: value for key, value in document["metadata"].items() if key not in _OF_CLUSTERS}
    left = removing.without_ours(document["kind"], kept.get("finalizers") or ())
    noted = {key: value for key, value in (kept.get("annotations") or {}).items() if key != _LAST_APPLIED}
    parts: Mapping[str, Any] = {"finalizers": kept.get("finalizers") if left is None else left, "annotations": noted}
    return {**{key: value for key, value in kept.items() if key not in parts}, **{k: v for k, v in parts.items() if v}}
