"""A model as an OpenAPI schema of the structural kind that Kubernetes demands.

Law: types, limits and defaults are read from the model; words come from `descriptions`, CEL from `constraints`.
"""

import enum
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

from mesh import resources
from mesh.resources import Model
from meshloom.crds import constraints, descriptions
from meshloom.crds.constraints import Constraint, Schema

_DEFAULTED = frozenset({"isGrpc", "isHostRewriteEnabled", "isPathRewriteEnabled", "podUpgradeEnabled"})
"""Fields whose default the API server fills in, as the original did; what others default to may depend on settings."""

_FORMATS = {2**16 - 1: "int32", 2**31 - 1: "int32", 2**63 - 1: "int64"}
"""The format of a number by its maximum."""

_QUANTITY: Schema = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
    "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$",
}

_SCALARS: Mapping[Any, str] = {str: "string", int: "integer", bool: "boolean"}


def of_model(model: type[Model], found: tuple[Constraint, ...] = ()) -> Schema:
    """Return the schema of an object."""
    names = {name: info.alias or name for name, info in model.model_fields.items()}
    required = [names[name] for name, info in model.model_fields.items() if info.is_required()]
    schema: Schema = {"type": "object"}
    if required:
        schema["required"] = required
    if names:
        schema["properties"] = {written: _property(model, name, written) for name, written in names.items()}
    return {**schema, **validations(found)}


def validations(found: tuple[Constraint, ...]) -> Schema:
    """Return constraints as a part of a schema; nothing for none."""
    return {"x-kubernetes-validations": [one.document() for one in found]} if found else {}


def _property(owner: type[Model], name: str, written: str) -> Schema:
    info = owner.model_fields[name]
    schema = {
        "description": descriptions.description(owner, written),
        **_value(info.annotation, info.metadata, written),
    }
    has_default = written in _DEFAULTED or (owner is resources.GatewayPort and name == "protocol")
    return {**schema, "default": info.default} if has_default else schema


def _value(annotation: Any, limits: list[Any], name: str) -> Schema:
    """Return the schema of a value of this type, within these limits, in the field of this name."""
    plain, own = _unwrapped(annotation)
    found = (*limits, *own)
    if _is_quantity(found):
        return dict(_QUANTITY)
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin is tuple:
        return {"type": "array", **_lengths(found, "Items"), "items": _value(arguments[0], [], name)}
    if origin is not None:
        return {"type": "object", "additionalProperties": _value(arguments[1], [], name)}
    if issubclass(plain, Model):
        return of_model(plain, constraints.of_field(name, plain))
    if issubclass(plain, enum.Enum):
        return {"type": "string", "enum": [member.value for member in plain]}
    return {"type": _SCALARS[plain], **_lengths(found, "Length"), **_bounds(found)}


def _is_quantity(limits: tuple[Any, ...]) -> bool:
    return any(isinstance(limit, pydantic.BeforeValidator) for limit in limits)


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without `Annotated` and `| None`, and the limits that stood there."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        plain, found = _unwrapped(arguments[0])
        return plain, (*found, *_limits(arguments[1:]))
    present = [each for each in arguments if each is not types.NoneType]
    if origin in (typing.Union, types.UnionType) and len(present) == 1:
        return _unwrapped(present[0])
    return annotation, ()


def _limits(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for each in metadata:
        yield from each.metadata if isinstance(each, pydantic.fields.FieldInfo) else (each,)


def _lengths(limits: tuple[Any, ...], of: str) -> Schema:
    found = {f"min{of}": _limit(limits, "min_length"), f"max{of}": _limit(limits, "max_length")}
    return {key: value for key, value in found.items() if value is not None}


def _bounds(limits: tuple[Any, ...]) -> Schema:
    """Return the range of a number; int32 alone is no limit to an API server, and JSON has no integers beyond int64."""
    lowest, highest = _limit(limits, "ge"), _limit(limits, "le")
    shape = _FORMATS.get(highest)
    found = {"format": shape, "minimum": lowest, "maximum": None if shape == "int64" else highest}
    return {key: value for key, value in found.items() if value is not None}


def _limit(limits: tuple[Any, ...], name: str) -> Any:
    return next((getattr(each, name) for each in limits if getattr(each, name, None) is not None), None)
