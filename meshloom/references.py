"""Which snapshots name what they lack: `xds.snapshot.dangling` for thousands of snapshots that share their parts.

Law: the same answer, at a cost of the parts and not of the snapshots: what a part lacks of another is asked once. Of
a snapshot that follows a sound one only the parts are looked at that took the place of others.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from meshloom import shared_parts
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

    @functools.cache
    def stands_in(new: snapshots.Part, old: snapshots.Part) -> bool:
        return new.references <= old.references and held(new) >= held(old)

    def follows(new: snapshots.Snapshot, old: snapshots.Snapshot | None) -> bool:
        moved = shared_parts.moved(old.parts, new.parts) if old is not None else ()
        return old is not None and all(before and after and stands_in(after, before) for before, after in moved)

    unknown = ((key, new) for key, new in several.items() if not follows(new, sound.get(key)))
    found = ((key, _missing(snapshot.parts, lacks)) for key, snapshot in unknown)
    return {key: tuple(sorted(missing)) for key, missing in found if missing}


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
