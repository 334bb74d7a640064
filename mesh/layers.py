"""Computed mappings that are brought up to date by recomputing only the entries whose inputs changed.

Law: a layer equals the one a fresh run would build; entries with equal inputs, and equal results, stay the same
objects. Whoever says what a stage reads (`reads`) spares it a look at all the rest: a change then costs what it
touches, however large the mappings are.
"""

import itertools
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from mesh.patches import Patched

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
    values = {key: _value(previous, key, given, build) for key, given in inputs.items()}
    return Layer(inputs, previous.values if differing(previous.values, values) == [] else values)


def _value(previous: Layer[K, V], key: K, given: Inputs, build: Callable[..., V]) -> V:
    before = previous.values
    if previous.inputs.get(key) == given:  # tuples compare their items by identity first: what is shared costs nothing
        return before[key]
    new = build(*given)
    return _kept(before[key], new) if key in before else new


def _kept(before: V, new: V) -> V:
    return before if new == before else new


def patched(before: Mapping[K, V], others: Mapping[K, V]) -> Mapping[K, V]:
    """Return a mapping with other objects at some of its keys; itself where there are none."""
    return Patched(before, others) if others else before


def at_hand(values: Mapping[K, V], looks: int) -> Mapping[K, V]:
    """Return a mapping to look up so many keys in: the same, written out where that pays."""
    return values.written_out() if isinstance(values, Patched) and _ENTRIES_PER_LOOK * looks > len(values) else values


def picked(values: Mapping[K, V], keys: Collection[K]) -> Sequence[V]:
    """Return the values of these keys, all of which are there."""
    given = at_hand(values, len(keys))
    return given.picked(keys) if isinstance(given, Patched) else [*map(given.__getitem__, keys)]


_ENTRIES_PER_LOOK: Final = 4
"""So many entries are written out in the time that one look into a mapping takes that is not."""


def differing(before: Mapping[K, Any], after: Mapping[K, Any]) -> list[K] | None:
    """Return the keys at which two mappings hold different objects; None if keys came, went or moved."""
    if before is after:
        return []
    if isinstance(after, Patched) and (known := after.differing(before)) is not None:
        return known
    if list(before) != list(after):
        return None
    return list(itertools.compress(after, map(operator.is_not, before.values(), after.values())))


def changed(before: Mapping[K, Any], after: Mapping[K, Any]) -> list[K]:
    """Return the keys at which two mappings hold different objects, then those that only one of them has."""
    keys = differing(before, after)
    if keys is not None:
        return keys
    here = (key for key, value in after.items() if key not in before or before[key] is not value)
    return [*here, *(key for key in before if key not in after)]


# ---------------------------------------------------------------------------- stages


@dataclass(frozen=True, slots=True)
class Stage(Generic[K, V]):
    """Values by key beside the sources they were made from: whole mappings, such as the values of earlier stages.

    `values` is the same object as in the run before if none of them changed. Inputs are not kept: the sources tell.
    """

    sources: Inputs
    values: Mapping[K, V]


NEVER: Stage[Any, Any] = Stage((), {})
"""A stage without a past."""


Reads = tuple[Callable[[Any], Iterable[Any]] | None, ...]
"""For each source which of the stage's keys read a key of it; None, or nothing said: perhaps all of them."""


@dataclass(frozen=True, slots=True)
class LookedUp(Generic[K, V]):
    """Says by which keys of the stage a key is looked up, there or not: one that comes or goes concerns no others."""

    by: Callable[[K], Iterable[V]]

    def __call__(self, key: K) -> Iterable[V]:
        """Return who looks a key up."""
        return self.by(key)


def same(key: K) -> tuple[K]:
    """Say that a key is read by the equal key of the stage and no other."""
    return (key,)


def alone(values: Mapping[K, V]) -> dict[K, tuple[V]]:
    """Return each value as all that is given for its key."""
    return {key: (value,) for key, value in values.items()}


def as_given(value: V) -> V:
    """Return a value that has been built already."""
    return value


def among(readers: Mapping[K, tuple[V, ...]]) -> Callable[[K], tuple[V, ...]]:
    """Say that a key is read by these keys of the stage; by none if it is not in the mapping."""
    return lambda key: readers.get(key, ())


def readers(read: Iterable[tuple[K, Iterable[V]]]) -> dict[V, tuple[K, ...]]:
    """Return for each thing that is read who reads it, from pairs of a reader and what it reads."""
    found: dict[V, list[K]] = {}
    for reader, things in read:
        for thing in things:
            found.setdefault(thing, []).append(reader)
    return {thing: tuple(several) for thing, several in found.items()}


def staged(
    previous: Stage[K, V] | None,
    sources: Inputs,
    inputs: Callable[..., Mapping[K, Inputs]],
    build: Callable[..., V],
    reads: Reads = (),
) -> Stage[K, V]:
    """Return the stage with `build(*given)` for each key of `inputs(*sources)`, sharing all it can.

    If the sources are the same objects as before, nothing is looked at and the previous stage itself comes back.
    With `reads`, `inputs` must go through its first source key by key, for it may be given a part of that.
    """
    if previous is None or previous is NEVER:
        return Stage(sources, refreshed(None, inputs(*sources), build).values)
    if are_same(previous.sources, sources):
        return previous
    concerned = _concerned(previous.sources, sources, reads)
    values = None if concerned is None else _patched(previous.values, sources, concerned, inputs, build)
    if values is None:
        before = Layer(inputs(*previous.sources), previous.values)
        values = refreshed(before, inputs(*sources), build).values
    return Stage(sources, values)


def grouped(previous: Stage[K, V] | None, sources: Inputs, grouping: Callable[..., Mapping[K, V]]) -> Stage[K, V]:
    """Return the stage with the values of `grouping(*sources)`: each that of the run before if they are equal."""
    if previous is None:
        return Stage(sources, grouping(*sources))
    if are_same(previous.sources, sources):
        return previous
    before = previous.values
    made = grouping(*sources).items()
    values = {key: _kept(before[key], value) if key in before else value for key, value in made}
    return Stage(sources, before if differing(before, values) == [] else values)


def united(previous: Stage[K, V] | None, *several: Mapping[K, V]) -> Stage[K, V]:
    """Return the stage with the entries of several mappings that have no keys in common."""
    if previous is not None and are_same(previous.sources, several):
        return previous
    values = _union([each for each in several if each])
    is_same = previous is not None and differing(previous.values, values) == []
    return Stage(several, previous.values if previous is not None and is_same else values)


def _union(several: list[Mapping[K, V]]) -> Mapping[K, V]:
    if len(several) == 1:
        return several[0]
    values: dict[K, V] = {}
    for each in several:
        values.update(each)
    return values


def are_same(ones: Inputs, others: Inputs) -> bool:
    """Return whether these are the same objects in the same order."""
    return len(ones) == len(others) and all(map(operator.is_, ones, others))


def _concerned(before: Inputs, after: Inputs, reads: Reads) -> Set[Any] | None:
    """Return the keys of a stage whose inputs may be others than before; None if those may be any."""
    if len(before) != len(after):
        return None
    found: set[Any] = set()
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        if old is not new:
            read = reads[index] if index < len(reads) else None
            keys = _changed_for(read, old, new)
            if read is None or keys is None:
                return None
            found.update(keys if read is same else itertools.chain.from_iterable(map(read, keys)))
    return found


def _changed_for(read: Callable[[Any], Iterable[Any]] | None, old: Any, new: Any) -> list[Any] | None:
    if isinstance(read, LookedUp):
        return changed(old, new)
    return differing(old, new) if read else None


def _patched(
    values: Mapping[K, V],
    sources: Inputs,
    concerned: Set[K],
    inputs: Callable[..., Mapping[K, Inputs]],
    build: Callable[..., V],
) -> Mapping[K, V] | None:
    """Return the values with those that differ among the keys concerned; None if some of these came or went."""
    if not concerned:
        return values
    first, *others = sources
    given = inputs({key: first[key] for key in concerned if key in first}, *others)
    if given.keys() != concerned & values.keys():
        return None
    made: dict[K, V] = {}
    for key, mine in given.items():
        value = build(*mine)
        if value != values[key]:
            made[key] = value
    return patched(values, made)
