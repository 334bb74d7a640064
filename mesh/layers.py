"""Computed mappings that are brought up to date by recomputing only the entries whose inputs changed.

Law: a layer equals the one a fresh run would build; entries with equal inputs, and equal results, stay the same
objects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

Inputs = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Layer(Generic[K, V]):
    """Values by key, beside the inputs each was built from."""

    inputs: Mapping[K, Inputs]
    values: Mapping[K, V]


def refreshed(previous: Layer[K, V] | None, inputs: Mapping[K, Inputs], build: Callable[..., V]) -> Layer[K, V]:
    """Return the layer of these inputs, `build(*inputs)` for each key, sharing all it can with the previous one.

    `build` must be a pure function of its arguments. If nothing changed, the previous layer itself comes back.
    """
    if previous is None:
        return Layer(inputs, {key: build(*given) for key, given in inputs.items()})
    if inputs == previous.inputs and list(inputs) == list(previous.inputs):  # in C: most layers of most runs end here
        return previous
    inputs_before, before = previous.inputs, previous.values
    values = {
        # tuples compare their items by identity first, so what is shared costs nothing
        key: before[key] if inputs_before.get(key) == given else _rebuilt(before, key, given, build)
        for key, given in inputs.items()
    }
    return Layer(inputs, before if _is_same(values, before) else values)


def _rebuilt(before: Mapping[K, V], key: K, given: Inputs, build: Callable[..., V]) -> V:
    new = build(*given)
    return before[key] if key in before and new == before[key] else new


def _is_same(new: Mapping[K, V], old: Mapping[K, V]) -> bool:
    return list(map(id, new.values())) == list(map(id, old.values())) and list(new) == list(old)


# ---------------------------------------------------------------------------- stages


@dataclass(frozen=True, slots=True)
class Stage(Generic[K, V]):
    """A layer beside the sources it was made from: whole mappings, such as the values of earlier stages."""

    sources: Inputs
    layer: Layer[K, V]

    @property
    def values(self) -> Mapping[K, V]:
        """The values by key; the same object as in the run before if none of them changed."""
        return self.layer.values


def staged(
    previous: Stage[K, V] | None, sources: Inputs, inputs: Callable[..., Mapping[K, Inputs]], build: Callable[..., V]
) -> Stage[K, V]:
    """Return the stage with `build(*given)` for each key of `inputs(*sources)`, sharing all it can.

    If the sources are the same objects as before, nothing is looked at and the previous stage itself comes back.
    """
    if previous is not None and are_same(previous.sources, sources):
        return previous
    return Stage(sources, refreshed(previous.layer if previous else None, inputs(*sources), build))


def grouped(previous: Stage[K, V] | None, sources: Inputs, grouping: Callable[..., Mapping[K, V]]) -> Stage[K, V]:
    """Return the stage with the values of `grouping(*sources)`, unless the sources are the same objects as before."""
    if previous is not None and are_same(previous.sources, sources):
        return previous
    return Stage(sources, Layer({}, grouping(*sources)))


def are_same(ones: Inputs, others: Inputs) -> bool:
    """Return whether these are the same objects in the same order."""
    return len(ones) == len(others) and all(one is other for one, other in zip(ones, others, strict=True))
