"""Which kinds an API server is asked for, and how an object of each is read from its answers.

Law: pure; what the model does not read is left out before it is read, so that a change of it is none. What the API
server keeps for itself never counts: versions, managed fields, and the status, which others write.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh import documents, resources, workloads
from mesh.problems import Ref
from mesh.resources import Resource

OURS: Final = (f"{resources.GROUP}/", "meshloom.dev/")
"""Annotations of workloads that mean something here begin with one of these."""

_METADATA: Final = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "labels", "ownerReferences")
_METADATA_OF_OURS: Final = (*_METADATA, "generation", "annotations", "finalizers")
_SHORT: Final = 64
"""Texts up to this length are kept once, however many objects say them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as the API server knows it. `fields` are those of an object that are read beside its metadata.

    `selector`, of fields, says which objects are followed; empty: all.
    """

    model: type[Resource]
    name: str
    api_version: str
    plural: str
    is_namespaced: bool
    fields: tuple[str, ...]
    selector: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is one of the nine, which people write, and which a definition must exist for."""
        return self.api_version == resources.API_VERSION

    @property
    def resource(self) -> str:
        """The plural with its group, as `meshes.servicemesh.oci.oracle.com`: the name of a definition, too."""
        group, slash, _ = self.api_version.partition("/")
        return f"{self.plural}.{group}" if slash else self.plural


def kind(model: type[Resource]) -> Kind:
    """Return the kind of a model."""
    known = Resource.model_fields.keys()
    own = tuple(field.alias or name for name, field in model.model_fields.items() if name not in known)
    name, version = str(model.__name__), str(model.model_fields["api_version"].default)
    return Kind(model, name, version, model.plural, model is not workloads.Namespace, own, _SELECTED.get(name, ""))


_SELECTED: Final = {"Pod": "status.phase!=Succeeded,status.phase!=Failed"}
"""Nothing runs in a pod that has ended; it is as good as gone."""


FOLLOWED: Final = tuple(
    kind(model) for model in (*resources.KINDS.values(), *workloads.WORKLOADS.values()) if model is not workloads.Secret
)
"""All kinds that are followed as a whole."""
SECRET: Final = kind(workloads.Secret)
"""The kind of which only those objects are followed that something refers to."""


def parsed(of: Kind, document: Mapping[str, Any]) -> documents.Parsed:
    """Return the resource that an object of the API server describes, and what is wrong with it. Never raises."""
    metadata = document.get("metadata")
    kept = {field: document[field] for field in of.fields if field in document}
    kept = kept if of is SECRET else interned(kept)
    read = {"apiVersion": of.api_version, "kind": of.name, "metadata": _metadata(of, metadata), **kept}
    return documents.parsed(read, Ref(of.name, "", "(unnamed)"))


def _metadata(of: Kind, metadata: Any) -> Any:
    if not isinstance(metadata, Mapping):
        return metadata
    wanted = _METADATA_OF_OURS if of.is_ours else _METADATA
    kept = {field: interned(metadata[field]) for field in wanted if field in metadata}
    annotations = metadata.get("annotations")
    if of.is_ours or not isinstance(annotations, Mapping):
        return kept
    ours = {key: value for key, value in annotations.items() if str(key).startswith(OURS)}
    return {**kept, "annotations": ours} if ours else kept


def interned(value: Any) -> Any:
    """Return an equal value whose short texts are the same objects as those of other values."""
    match value:
        case str():
            return sys.intern(value) if len(value) <= _SHORT else value
        case dict():
            return {sys.intern(key): interned(item) for key, item in value.items()}
        case list():
            return [interned(item) for item in value]
        case _:
            return value
