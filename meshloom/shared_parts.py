"""The protocol's parts of the compiler's: each made once, for as long as some snapshot holds it.

Law: which parts are known changes what a pass costs, and nothing of what comes of it; a pass costs the bundles that it
changed.
"""

import weakref
from collections.abc import Mapping

from translator import bundles, proxies
from xds import snapshot as snapshots

Bundles = Mapping[proxies.Proxy, bundles.Bundle]


class Parts:
    """The protocol's parts by the compiler's of the same content, as long as anybody else holds them."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # by identity, which no other can have meanwhile: a part holds what it is made of
        self._known: weakref.WeakValueDictionary[int, snapshots.Part] = weakref.WeakValueDictionary()

    def part(self, compiled: bundles.Part, place: snapshots.Part | None = None) -> snapshots.Part:
        """Return the part of this one of the compiler's, made of that whose place it takes where that is cheaper."""
        found = self._known.get(id(compiled))
        if found is None:
            found = place.followed(compiled) if place is not None else snapshots.Part.of(compiled)
            self._known[id(compiled)] = found
        return found

    def snapshot(self, bundle: bundles.Bundle) -> snapshots.Snapshot:
        """Return the snapshot of a bundle."""
        return snapshots.Snapshot.of(*map(self.part, bundle))

    def followed(self, held: snapshots.Snapshot, bundle: bundles.Bundle) -> snapshots.Snapshot:
        """Return the snapshot of a bundle, at a cost of the parts that are not those of `held`; `held` itself if it
        comes to the same.
        """
        if len(held.parts) != len(bundle):
            new = self.snapshot(bundle)
        else:
            places = zip(held.parts, bundle, strict=True)
            new = held.followed(tuple([part if part.made_of is one else self.part(one, part) for part, one in places]))
        return held if new == held else new
