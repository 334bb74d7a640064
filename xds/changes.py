"""What differs between two snapshots, at a cost of the parts that differ.

Law: a resource that moved to another part did not change.
"""

import itertools
import operator
from collections.abc import Iterable, Mapping

from xds.following import ABSENT, Changes
from xds.snapshot import Entry, Part, Snapshot

Moves = tuple[tuple[Part, ...], tuple[Part, ...]]
"""Parts that are gone, and those that have come."""


def changes(old: Snapshot, new: Snapshot) -> Changes:
    """Return what differs between two snapshots."""
    return between(moves(old, new))


def moves(old: Snapshot, new: Snapshot) -> Moves:
    """Return the parts that only one of two snapshots holds, or holds in another place."""
    gone, come = old.parts, new.parts
    if len(gone) != len(come):
        kept = {*gone} & {*come}
        return tuple([part for part in gone if part not in kept]), tuple([part for part in come if part not in kept])
    is_other = [*map(operator.is_not, gone, come)]
    return tuple(itertools.compress(gone, is_other)), tuple(itertools.compress(come, is_other))


def between(parts: Moves) -> Changes:
    """Return `changes` for snapshots that differ in these parts."""
    types = dict.fromkeys(type_url for several in parts for part in several for type_url in part.entries)
    found = {type_url: _between(parts, type_url) for type_url in types}
    return {type_url: names for type_url, names in found.items() if names}


def _between(parts: Moves, type_url: str) -> Mapping[str, int]:
    gone, come = (_named(several, type_url) for several in parts)
    others = itertools.compress(come, map(operator.is_not, come.values(), map(gone.get, come)))
    marks = {name: (gone[name].mark if name in gone else ABSENT, come[name].mark) for name in others}
    left = {name: gone[name].mark for name in itertools.filterfalse(come.__contains__, gone)}
    return {**{name: old for name, (old, new) in marks.items() if old != new}, **left}


def _named(parts: Iterable[Part], type_url: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for part in parts:
        found.update(part.entries.get(type_url, {}))
    return found
