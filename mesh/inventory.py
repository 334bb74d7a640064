"""Everything seen at one moment, by kind and address; immutable.

Law: two inventories share, by object identity, every kind in which nothing changed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar, cast

from mesh import layers
from mesh.problems import Ref
from mesh.resources import Resource

R = TypeVar("R", bound=Resource)
V = TypeVar("V")
Objects = Mapping[Ref, Resource]

_NOTHING: Objects = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Inventory:
    """Objects by kind, then by address. Build one with `inventory_of` or `with_changes`."""

    kinds: Mapping[str, Objects] = field(default_factory=dict)

    def of(self, kind: type[R]) -> Mapping[Ref, R]:
        """Return the objects of one kind by address."""
        return cast("Mapping[Ref, R]", self.kinds.get(kind.__name__, _NOTHING))

    def get(self, ref: Ref) -> Resource | None:
        """Return the object at this address, or None."""
        return self.kinds.get(ref.kind, _NOTHING).get(ref)

    def __iter__(self) -> Iterator[Resource]:
        return (item for kind in sorted(self.kinds) for item in self.kinds[kind].values())

    def with_changes(self, applied: Iterable[Resource] = (), deleted: Iterable[Ref] = ()) -> "Inventory":
        """Return an inventory in which these objects are added or replaced and those are gone."""
        arriving, leaving = _by_kind((item.ref, item) for item in applied), _by_kind((ref, ref) for ref in deleted)
        touched = {
            kind: _changed(self.kinds.get(kind, _NOTHING), arriving.get(kind, {}), leaving.get(kind, ()))
            for kind in {*arriving, *leaving}
        }
        return Inventory({**self.kinds, **touched})


def _changed(objects: Objects, arriving: Objects, leaving: Collection[Ref]) -> Objects:
    if not leaving and all(ref in objects and objects[ref] is not item for ref, item in arriving.items()):
        return layers.patched(objects, arriving)
    return {**_without(objects, leaving), **arriving}


def _without(objects: Objects, leaving: Collection[Ref]) -> Objects:
    return {ref: item for ref, item in objects.items() if ref not in leaving} if leaving else objects


def _by_kind(pairs: Iterable[tuple[Ref, V]]) -> dict[str, dict[Ref, V]]:
    found: dict[str, dict[Ref, V]] = {}
    for ref, value in pairs:
        found.setdefault(ref.kind, {})[ref] = value
    return found


def inventory_of(items: Iterable[Resource]) -> Inventory:
    """Return the inventory of these objects; of two at one address the last counts."""
    return Inventory().with_changes(items)
