"""A mapping that is another with some values exchanged, at a cost of those.

Law: immutable to whoever looks, in any thread, though it may write itself out meanwhile.
"""

import weakref
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Final, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_DEAR: Final = 2
"""To write an entry out costs so much of what it costs to carry one on from a mapping to the next."""


class Patched(Mapping[K, V]):
    """A mapping that knows which it was made from, for as long as that is there, and where the two differ.

    It shares the entries of that one, beside those that are others since; after so many that it pays, they are written
    out anew. So one change costs neither a copy of the whole nor a look at all that is in it. Immutable to whoever
    looks, in any thread.
    """

    __slots__ = ("__weakref__", "_base", "_others", "others", "source")

    def __init__(self, source: Mapping[K, V], others: Mapping[K, V]) -> None:
        if isinstance(source, Patched):
            held = source._others  # first: what is not in there any more is in the base by then
            self._base: Mapping[K, V] = source._base
            self._others: Mapping[K, V] = {**held, **others}
        else:
            self._base, self._others = source, others
        self.others = others.keys()
        self.source = weakref.ref(source) if isinstance(source, Patched) else None
        if len(self._others) ** 2 > _DEAR * len(self._base) * len(others):
            self.written_out()

    def differing(self, source: Mapping[K, V]) -> list[K] | None:
        """Return the keys at which this mapping and its source hold different objects; None if that is another one."""
        return [*self.others] if self.source is not None and self.source() is source else None

    def __getitem__(self, key: K) -> V:
        others = self._others
        return others[key] if key in others else self._base[key]

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, default: V | T, /) -> V | T: ...
    def get(self, key: K, default: V | T | None = None, /) -> V | T | None:
        """Return the value of a key, the default where there is none."""
        others = self._others
        return others[key] if key in others else self._base.get(key, default)

    def picked(self, keys: Iterable[K]) -> list[V]:
        """Return the values of these keys, all of which are there."""
        others = self._others  # first, as in `__init__`
        base = self._base
        return [others[key] if key in others else base[key] for key in keys]

    def __contains__(self, key: object) -> bool:
        return key in self._base

    def __len__(self) -> int:
        return len(self._base)

    def __iter__(self) -> Iterator[K]:
        return iter(self._base)

    def keys(self) -> KeysView[K]:
        """Return the keys."""
        return self._base.keys()

    def values(self) -> ValuesView[V]:
        """Return the values, in the order of the keys."""
        return self.written_out().values()

    def items(self) -> ItemsView[K, V]:
        """Return the keys with their values."""
        return self.written_out().items()

    def __eq__(self, other: object) -> bool:
        theirs = other.written_out() if isinstance(other, Patched) else other
        return self is other or self.written_out() == theirs

    def __repr__(self) -> str:
        return repr(self.written_out())

    def written_out(self) -> Mapping[K, V]:
        """Write all entries out, once, and return them as a mapping that is none of this kind."""
        others = self._others
        if others:
            self._base = {**self._base, **others}  # before the others go: who reads meanwhile finds what is so
            self._others = {}
        return self._base
