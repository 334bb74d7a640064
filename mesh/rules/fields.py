"""The fields of the models: which a document has too many of, and where values of one type stand in a resource.

Law: every path is written as the user writes it, in camelCase with indexes in brackets.
"""

import functools
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import Model
from mesh.rules import wording

M = TypeVar("M", bound=Model)
Steps = tuple[object, ...]

_ALSO_KNOWN: Mapping[type[Model], frozenset[str]] = {
    resources.Metadata: frozenset({"generateName", "selfLink", "managedFields", "deletionGracePeriodSeconds"}),
    resources.OwnerReference: frozenset({"blockOwnerDeletion"}),
}
"""Fields that Kubernetes knows and that have no meaning here: nothing is said about them."""

_PITFALLS: Mapping[tuple[type[Model], str], str] = {
    (resources.MeshSpec, "name"): "rename it to displayName: a Mesh has no spec.name",
    (resources.MtlsMinimum, "mode"): "rename it to minimum: a Mesh sets the lowest mode, a VirtualService its mode",
    (resources.MtlsMode, "minimum"): "rename it to mode: a VirtualService sets its mode, a Mesh the lowest mode",
    (resources.VirtualDeploymentSpec, "listeners"): "rename it to listener: this list has a singular name",
    (resources.VirtualDeploymentSpec, "hostname"): "move it under serviceDiscovery, beside `type: DNS`",
    (resources.TrafficTarget, "type"): "remove this level: write allVirtualServices: {} or virtualService in its place",
    (resources.GatewayPort, "servicePort"): "rename it to serviceport, all in lower case",
    (resources.IngressGatewayDeploymentSpec, "port"): "rename it to ports",
    (resources.IngressGatewayDeploymentSpec, "secrect"): "rename it to secrets",
    (resources.SecretName, "secrectName"): "rename it to secretName",
    (resources.GatewayService, "annotation"): "rename it to annotations",
}
"""Mistakes that the documents of the original API taught, and what to do about them."""


def unknown_field_problems(subject: Ref, model: type[Model], document: object) -> tuple[Problem, ...]:
    """Return a warning for each field that the model does not have, as the API server would drop it without a word."""
    listed = tuple(_unknown(model, document, ()))
    return problems.first_of(
        problems.warning(
            subject,
            wording.field_path((*at, key)),
            "is not a field of this API and is ignored",
            _remedy(owner, key) if number <= problems.MOST_ALIKE else "remove it",
        )
        for number, (owner, at, key) in enumerate(listed)
    )


def _unknown(model: type[Model], value: object, at: Steps) -> Iterator[tuple[type[Model], Steps, object]]:
    if not isinstance(value, Mapping):
        return
    known = known_fields(model)
    for key, item in value.items():
        inner = known.get(key)
        if key not in known:
            yield model, at, key
        elif inner is not None and isinstance(item, list | tuple):
            for index, one in enumerate(item):
                yield from _unknown(inner, one, (*at, key, index))
        elif inner is not None:
            yield from _unknown(inner, item, (*at, key))


def _remedy(model: type[Model], key: object) -> str:
    known = tuple(field for field in known_fields(model) if field not in _ALSO_KNOWN.get(model, ()))
    spec = known_fields(model).get("spec") if issubclass(model, resources.Resource) else None
    if isinstance(key, str) and (model, key) in _PITFALLS:
        return _PITFALLS[model, key]
    if spec is not None and key in known_fields(spec):
        return "move it under spec"
    meant = wording.nearest(key, known)
    if meant is not None:
        return f"did you mean {meant}?"
    return f"remove it, or use one of {', '.join(known)}" if known else "remove it: this object has no fields"


@functools.cache
def known_fields(model: type[Model]) -> Mapping[str, type[Model] | None]:
    """Return the fields of a model by the name that users write, each with the model inside it, if there is one."""
    own = {alias(model, name): _inner(info.annotation) for name, info in model.model_fields.items()}
    return {**own, **dict.fromkeys(_ALSO_KNOWN.get(model, ()))}


@functools.cache
def alias(model: type[Model], name: str) -> str:
    """Return the name by which users write a field of a model."""
    return model.model_fields[name].alias or name


def _inner(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    found = (_inner(argument) for argument in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)


@functools.cache
def _with_models(model: type[Model]) -> tuple[tuple[str, str], ...]:
    """Return the fields that may hold models: their names in Python and as users write them."""
    return tuple(
        (name, alias(model, name)) for name, info in model.model_fields.items() if _inner(info.annotation) is not None
    )


def found(wanted: type[M], value: object, at: str = "spec") -> Iterator[tuple[str, M]]:
    """Yield the path and value of each outermost value of one type, in document order."""
    if isinstance(value, wanted):
        yield at, value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from found(wanted, item, f"{at}[{index}]")
    elif isinstance(value, Model):
        for name, written in _ways(type(value), wanted):
            yield from found(wanted, getattr(value, name), f"{at}.{written}")


@functools.cache
def _ways(model: type[Model], wanted: type[Model]) -> tuple[tuple[str, str], ...]:
    """Return the fields of a model, each with the name that users write, under which values of a type may stand."""
    inner = ((name, _inner(info.annotation)) for name, info in model.model_fields.items())
    return tuple((name, alias(model, name)) for name, part in inner if part is not None and _may_hold(part, wanted))


def _may_hold(model: type[Model], wanted: type[Model]) -> bool:
    return issubclass(model, wanted) or bool(_ways(model, wanted))
