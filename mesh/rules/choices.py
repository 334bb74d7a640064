"""Rules of the form "exactly one of these".

Law: neither and both are told apart, and the remedy lists what may be chosen.
"""

from collections.abc import Iterator

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import Model
from mesh.rules import fields, wording


def chosen(value: Model) -> tuple[str, ...]:
    """Return the fields that are given, by the name that users write."""
    model = type(value)
    return tuple(fields.alias(model, name) for name in model.model_fields if getattr(value, name) is not None)


def choice_problems(subject: Ref, field: str, value: Model, offered: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield an error unless exactly one field is given; `offered` replaces the model's fields in the remedy."""
    given = chosen(value)
    if not given:
        choices = offered or tuple(fields.known_fields(type(value)))
        yield problems.error(subject, field, "is empty", f"add one of {', '.join(choices)}")
    elif len(given) > 1:
        yield problems.error(subject, field, f"has {wording.both(given)} at once", "keep one of them")


def reference_problems(subject: Ref, spec: Model) -> Iterator[Problem]:
    """Rule 2.3.2: a reference has exactly one of `ref` and `id`."""
    for field, reference in fields.found(resources.RefOrId, spec):
        kind = _kind(field)
        if reference.ref is None and reference.id is None:
            yield problems.error(subject, field, "has neither ref nor id", f"add ref with the name of the {kind}")
        if reference.ref is not None and reference.id is not None:
            yield problems.error(subject, field, "has ref and id at once", f"keep the one that names the {kind}")


def _kind(field: str) -> str:
    """Return `VirtualService` for `spec.rules[0].source.virtualService`: a reference is called after its kind."""
    name = field.rpartition(".")[2]
    return name[:1].upper() + name[1:]
