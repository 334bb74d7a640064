"""The newest inventory and problems, built from events.

Law: an equal object is no change and keeps its identity; an inventory once handed out never changes.
"""

from collections.abc import Iterable, Iterator

from mesh.inventory import Inventory
from mesh.problems import Problem, Ref
from mesh.resources import Resource
from watchers.events import Applied, Deleted, Event, Reported, Synced


class Store:
    """Holds what has been told so far. One owner; a burst of events costs one new inventory, when it is asked for."""

    def __init__(self) -> None:
        self._inventory = Inventory()
        self._pending: dict[Ref, Resource | None] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._synced: set[str] = set()

    def apply(self, event: Event) -> bool:
        """Take in one event; return whether it changed anything."""
        match event:
            case Applied(resource):
                return self._put(resource.ref, resource)
            case Deleted(ref):
                return self._put(ref, None)
            case Reported(source, problems):
                return self._report(source, problems)
            case Synced(source):
                return self._sync(source)

    def inventory(self) -> Inventory:
        """Return all objects of this moment; the same inventory as before if nothing has changed since."""
        if self._pending:
            pending, self._pending = self._pending, {}
            applied = [resource for resource in pending.values() if resource is not None]
            deleted = [ref for ref, resource in pending.items() if resource is None]
            self._inventory = self._inventory.with_changes(applied, deleted)
        return self._inventory

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong, in the order of the names of the places that were reported."""
        return tuple(problem for source in sorted(self._problems) for problem in self._problems[source])

    def synced(self, sources: Iterable[str]) -> bool:
        """Return whether each of these sources has told its first complete list."""
        return self._synced.issuperset(sources)

    def _put(self, ref: Ref, new: Resource | None) -> bool:
        settled = self._inventory.get(ref)
        if new == self._pending.get(ref, settled):
            return False
        self._pending[ref] = new
        if new == settled:
            del self._pending[ref]
        return True

    def _report(self, source: str, problems: tuple[Problem, ...]) -> bool:
        changed = self._problems.get(source, ()) != problems
        self._problems[source] = problems
        if not problems:
            del self._problems[source]
        return changed

    def _sync(self, source: str) -> bool:
        changed = source not in self._synced
        self._synced.add(source)
        return changed


def differences(before: Inventory, after: Inventory) -> frozenset[Ref]:
    """Return the addresses at which the two differ, by object identity, as the store keeps it for equal objects."""
    kinds = (kind for kind in {*before.kinds, *after.kinds} if before.kinds.get(kind) is not after.kinds.get(kind))
    return frozenset(ref for kind in kinds for ref in _different(before, after, kind))


def _different(before: Inventory, after: Inventory, kind: str) -> Iterator[Ref]:
    refs = {*before.kinds.get(kind, ()), *after.kinds.get(kind, ())}
    return (ref for ref in refs if before.get(ref) is not after.get(ref))
