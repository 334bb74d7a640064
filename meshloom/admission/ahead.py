"""What was let in and has not been seen yet: it is stored a moment after it was judged, and told of later still.

Law: what is let in is judged by from then on, or each object of a file would be told that those before it do not exist.
What does not come is forgotten soon, for somebody else may have refused it. Belongs to one thread.
"""

import time
from collections.abc import Callable
from typing import Final

from mesh import resolve
from mesh.problems import Ref
from mesh.resolve import Resolution
from mesh.resources import Resource

SECONDS: Final = 5.0
"""How long it takes at most until something is seen that was let in; twice as long it counts at most."""
MOST: Final = 30
"""Objects, about what comes between two passes; more are judged as if they were not there yet, for in a large mesh each
costs some hundredths of a second after every pass.
"""


class Ahead:
    """What the mesh is like, and will be in a moment."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._let_in: dict[Ref, tuple[Resource, float]] = {}
        self._looked = float("-inf")
        self._seen: Resolution | None = None
        self._view: Resolution | None = None

    def of(self, seen: Resolution) -> Resolution:
        """Return what the mesh will be like that was seen so."""
        now = self._elapsed()
        if self._view is None or seen is not self._seen or now - self._looked >= SECONDS:
            self._looked = now
            self._let_in = {
                ref: (item, until)
                for ref, (item, until) in self._let_in.items()
                if until > now and not _is_there(item, seen)
            }
            self._seen, self._view = seen, _with([item for item, _ in self._let_in.values()], seen)
        return self._view

    def let_in(self, ref: Ref, after: Resolution) -> None:
        """Note that an object was let in; `after` is what `of` returned, with it."""
        item = after.inventory.get(ref)
        if item is not None and len(self._let_in) < MOST:
            self._let_in[ref] = (item, self._elapsed() + SECONDS)
            self._view = after


def _is_there(item: Resource, seen: Resolution) -> bool:
    there = seen.inventory.get(item.ref)
    return there is not None and getattr(there, "spec", None) == getattr(item, "spec", None)


def _with(items: list[Resource], seen: Resolution) -> Resolution:
    if not items:
        return seen
    return resolve.resolve(seen.inventory.with_changes(items), seen, {item.ref for item in items}, seen.settings)
