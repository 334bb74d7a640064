"""The protocol's parts of the compiler's: each made once, for as long as some bundle holds it.

Law: what comes of one pass after another is what all bundles of the last would give; a pass costs the bundles that it
changed.
"""

import itertools
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from translator import bundles, proxies
from xds import snapshot as snapshots

V = TypeVar("V")
Bundles = Mapping[proxies.Proxy, bundles.Bundle]


class Held(NamedTuple):
    """A part of the compiler's, the protocol's of the same content, and how many bundles hold it."""

    compiled: bundles.Part
    part: snapshots.Part
    holders: int


Parts = dict[int, Held]
"""By the identity of the compiler's."""


Move = tuple[bundles.Part | None, bundles.Part | None]
"""A part, and the one that stands in its place; None where there is no such place before or after."""

Moves = Mapping[proxies.Proxy, Sequence[Move]]


def moves(before: Bundles, after: Bundles, changed: Iterable[proxies.Proxy]) -> Moves:
    """Return for each of these proxies what stands in another's place in its bundle."""
    return {proxy: moved(before.get(proxy, ()), after.get(proxy, ())) for proxy in changed}


def parts(previous: Parts, given: Moves) -> Parts:
    """Return the parts of the bundles after these moves; `previous` are those before."""
    moves = [*itertools.chain.from_iterable(given.values())]
    known = {id(part): part for move in moves for part in move if part is not None}
    more = Counter(id(new) for _, new in moves if new is not None)
    less = Counter(id(old) for old, _ in moves if old is not None)
    place = {id(new): old for old, new in moves if new is not None}
    made = {
        key: _held(previous.get(key), part, more[key] - less[key], _of(previous, place.get(key)))
        for key, part in known.items()
    }
    left = previous.copy()
    left.update(made)
    for key, held in made.items():
        if not held.holders:
            del left[key]
    return left


def _of(previous: Parts, compiled: bundles.Part | None) -> Held | None:
    return previous.get(id(compiled)) if compiled is not None else None


def _held(before: Held | None, compiled: bundles.Part, more: int, place: Held | None) -> Held:
    """Return a part with what is known of it, and of the one whose place it takes."""
    if before is not None:
        return Held(compiled, before.part, before.holders + more)
    made = place.part.followed(place.compiled, compiled) if place is not None else snapshots.Part.of(compiled)
    return Held(compiled, made, more)


def moved(before: tuple[V, ...], after: tuple[V, ...]) -> list[tuple[V | None, V | None]]:
    """Return what stands in another's place, beside that other: None where one of the two is shorter."""
    if len(before) == len(after):
        return [*itertools.compress(zip(before, after, strict=True), map(operator.is_not, before, after))]
    return [(old, new) for old, new in itertools.zip_longest(before, after) if old is not new]
