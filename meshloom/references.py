"""Which snapshots name what they lack: `xds.snapshot.dangling` for thousands of snapshots that share their parts.

Law: the same answer, at a cost of the parts and not of the snapshots: what a part lacks of another is asked once. Of
a snapshot that follows a sound one only the parts are looked at that took the place of others.
"""

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from xds import snapshot as snapshots

K = TypeVar("K")

_Names = frozenset[snapshots.ResourceName]


NOTHING: Mapping[Any, snapshots.Snapshot] = MappingProxyType({})


def dangling(
    several: Mapping[K, snapshots.Snapshot], sound: Mapping[K, snapshots.Snapshot] = NOTHING
) -> dict[K, tuple[snapshots.ResourceName, ...]]:
    """Return the references that name nothing, sorted, of those snapshots that have any (rule C12).

    `sound` are the snapshots before, by the same keys and as far as there are any; they have none.
    """
    held = functools.cache(_names)

    @functools.cache
    def lacks(part: snapshots.Part, other: snapshots.Part) -> _Names:
        return part.references - held(other)

    stands_in = functools.cache(_stands_in)

    def follows(new: snapshots.Snapshot, old: snapshots.Snapshot | None) -> bool:
        if old is None or len(new.parts) != len(old.parts):
            return False
        if new.shape is old.shape:
            return True
        is_other = map(operator.is_not, new.parts, old.parts)
        others = itertools.compress(zip(new.parts, old.parts, strict=True), is_other)
        return all(stands_in(one, other) for one, other in others)

    unknown = ((key, new) for key, new in several.items() if not follows(new, sound.get(key)))
    found = ((key, _missing(snapshot.parts, lacks)) for key, snapshot in unknown)
    return {key: tuple(sorted(missing)) for key, missing in found if missing}


def _stands_in(new: snapshots.Part, old: snapshots.Part) -> bool:
    """Return whether a part names nothing that another does not, and holds all that it holds."""
    held = new.entries
    is_held = all(type_url in held and named.keys() <= held[type_url].keys() for type_url, named in old.entries.items())
    return is_held and new.references <= old.references


def _missing(
    parts: tuple[snapshots.Part, ...], lacks: Callable[[snapshots.Part, snapshots.Part], _Names]
) -> set[snapshots.ResourceName]:
    """Return what these parts name and none of them holds; the largest, which most share, is asked first."""
    if not parts:
        return set()
    largest = max(parts, key=_size)
    return {name for part in parts for name in lacks(part, largest) if not _any_holds(parts, name)}


def _names(part: snapshots.Part) -> _Names:
    return frozenset((type_url, name) for type_url, named in part.entries.items() for name in named)


def _any_holds(parts: Iterable[snapshots.Part], name: snapshots.ResourceName) -> bool:
    type_url, resource = name
    return any(resource in part.entries.get(type_url, ()) for part in parts)


def _size(part: snapshots.Part) -> int:
    return sum(map(len, part.entries.values()))
