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
    values = {key: _value(previous, key, given, build) for key, given in inputs.items()}
    if _is_same(values, previous.values):
        return Layer(inputs, previous.values) if inputs != previous.inputs else previous
    return Layer(inputs, values)


def _value(previous: Layer[K, V], key: K, given: Inputs, build: Callable[..., V]) -> V:
    before = previous.inputs.get(key)
    if before is None:
        return build(*given)
    old = previous.values[key]
    if before == given:  # tuples compare their items by identity first, so what is shared costs nothing
        return old
    new = build(*given)
    return old if new == old else new


def _is_same(new: Mapping[K, V], old: Mapping[K, V]) -> bool:
    return (
        len(new) == len(old)
        and all(a is b for a, b in zip(new.values(), old.values(), strict=True))
        and list(new) == list(old)
    )
