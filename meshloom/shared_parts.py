"""The protocol's parts of the compiler's: each made once, for as long as some snapshot holds it.

Law: which parts are known changes what a pass costs, and nothing of what comes of it; a pass costs the bundles that it
changed.
"""

import itertools
import operator
import weakref
from collections.abc import Mapping

from translator import bundles, proxies
from xds import snapshot as snapshots

Bundles = Mapping[proxies.Proxy, bundles.Bundle]
Exchange = tuple[snapshots.Part, snapshots.Part]


class Parts:
    """The protocol's parts by the compiler's of the same content, as long as anybody else holds them."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # by identity, which no other can have meanwhile: a part holds what it is made of
        self._known: weakref.WeakValueDictionary[int, snapshots.Part] = weakref.WeakValueDictionary()

    def known(self, compiled: bundles.Part) -> snapshots.Part | None:
        """Return the part of this one of the compiler's; None if there is none, or none any more."""
        return self._known.get(id(compiled))

    def part(self, compiled: bundles.Part, place: bundles.Part | None = None) -> snapshots.Part:
        """Return the part of this one of the compiler's, made of that whose place it takes where that is cheaper."""
        found = self._known.get(id(compiled))
        if found is None:
            before = self.known(place) if place is not None else None
            found = before.followed(compiled) if before is not None else snapshots.Part.of(compiled)
            self._known[id(compiled)] = found
        return found

    def exchanged(self, before: bundles.Bundle, after: bundles.Bundle) -> list[Exchange] | None:
        """Return what took another's place between these two, each beside that other; None if not all have one whose
        part is known.
        """
        if len(before) != len(after):
            return None
        moved = itertools.compress(zip(before, after, strict=True), map(operator.is_not, before, after))
        found = [(self.known(old), self.part(new, old)) for old, new in moved]
        pairs = [(old, new) for old, new in found if old is not None]
        return pairs if len(pairs) == len(found) else None
