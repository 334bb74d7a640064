"""Who owns the fields of an object that the original operator made: from now on meshloom, which applies them.

Law: pure. What is applied takes away only what the same manager applied before; so the fields of the original become
those of meshloom, but for the number of pods, which would fall to one if it were taken away.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from watchers import api_server

Json = dict[str, Any]

FORMER: Final = "manager"
"""The field manager of the original, which is called after its program."""

_KEPT: Final[Mapping[str, frozenset[str]]] = {"f:spec": frozenset({"f:replicas"}), "": frozenset({"f:status"})}


def transferred(found: Mapping[str, Any]) -> list[Json] | None:
    """Return the managed fields that an object should have, or None where they may stay as they are."""
    entries: Sequence[Mapping[str, Any]] = found.get("metadata", {}).get("managedFields") or ()
    former = [entry for entry in entries if _is_former(entry)]
    if not former:
        return None
    taken = _applied(entries, str(former[0]["apiVersion"]))
    rest = [dict(entry) for entry in entries if entry not in former and entry is not taken]
    fields = _fields(taken) if taken else {}
    for entry in former:
        fields = _united(fields, _without(_fields(entry)))
    ours = {**(taken or former[0]), "manager": api_server.MANAGER, "operation": "Apply", "fieldsV1": fields}
    return [*rest, ours]


def patch(found: Mapping[str, Any], fields: list[Json]) -> list[Json]:
    """Return the JSON patch that gives an object these managed fields, unless somebody was faster."""
    version = found["metadata"]["resourceVersion"]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def _is_former(entry: Mapping[str, Any]) -> bool:
    is_update = entry.get("operation") == "Update" and not entry.get("subresource")
    return is_update and entry.get("manager") == FORMER and _fields(entry).keys() != {"f:status"}


def _applied(entries: Sequence[Mapping[str, Any]], version: str) -> Mapping[str, Any] | None:
    """Return what we have applied in the same version of the API."""
    mine = (api_server.MANAGER, "Apply", version)
    found = ((entry.get("manager"), entry.get("operation"), entry.get("apiVersion")) for entry in entries)
    return next((entry for entry, said in zip(entries, found, strict=True) if said == mine), None)


def _fields(entry: Mapping[str, Any]) -> Json:
    return dict(entry.get("fieldsV1") or {})


def _without(fields: Json) -> Json:
    """Return fields without those that nobody applies."""
    spec = {key: inner for key, inner in (fields.get("f:spec") or {}).items() if key not in _KEPT["f:spec"]}
    return {key: spec if key == "f:spec" else inner for key, inner in fields.items() if key not in _KEPT[""]}


def _united(one: Json, other: Json) -> Json:
    shared = {key: _united(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **shared}
