"""What must wait for what: listeners and routes for the clusters they name, removals for the last that names them.

Law: only what refers to a resource in question waits for it (rules C10, C12), however long; everything else goes on.
Whether a resource is in question follows from what this client has been sent and has accepted, never from a clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from xds import accepted, flight, resource_types, snapshot

Names = frozenset[snapshot.ResourceName]

_NONE: Final[Names] = frozenset()


class State(Protocol):
    """What a gate asks of a type on one stream."""

    @property
    def accepted(self) -> accepted.Accepted:
        """What the client has accepted."""

    @property
    def flight(self) -> flight.Flight:
        """What was sent and not yet answered."""

    @property
    def waiting(self) -> bool:
        """Whether changes of this type wait for answers to earlier responses."""

    def unsettled(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that changed and are unsent, or sent and waited for."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A resource that is held back, and the resources it waits for: clusters, or what still names a withdrawn one."""

    type_url: str
    name: str
    behind: tuple[snapshot.ResourceName, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets listeners and routes through whose clusters are in place: `doubted` are those that are not.

    `behind` says that an earlier type has changes of its own to send first, `soon` that an answer about clusters is
    still waited for.
    """

    held: snapshot.Snapshot
    doubted: frozenset[str] = frozenset()
    soon: bool = False
    behind: bool = False

    def gated(self, due: tuple[snapshot.Entry, ...]) -> tuple[snapshot.Entry, ...]:
        """Return those resources that are held back."""
        return tuple(entry for entry in due if self.culprits(entry)) if self.doubted else ()

    def culprits(self, entry: snapshot.Entry) -> Names:
        """Return the clusters in question that a resource names, or that a part of it names."""
        if not self.doubted:
            return _NONE
        parts = (self.held.get(type_url, name) for type_url, name in entry.references if _is_part(type_url))
        named = (entry, *(part for part in parts if part is not None))
        return frozenset(reference for each in named for reference in each.references if self._is_doubted(reference))

    def _is_doubted(self, reference: snapshot.ResourceName) -> bool:
        return reference[0] == resource_types.CLUSTER and reference[1] in self.doubted


OPEN: Final = Gate(snapshot.Snapshot.of())
"""Holds nothing back."""


def gate(held: snapshot.Snapshot, clusters: State | None, behind: bool) -> Gate:
    """Return the gate of this moment for listeners and routes."""
    if clusters is None or not (clusters.accepted.noted or clusters.flight.busy or clusters.waiting):
        return Gate(held, behind=True) if behind else OPEN
    # C12: not accepted in any version, or changed and still to be accepted; a refused change leaves the old in place
    doubted = clusters.unsettled(held).union(clusters.accepted.lacking())
    return Gate(held, doubted, clusters.flight.busy or clusters.waiting, behind)


def unused(names: frozenset[str], type_url: str, held: snapshot.Snapshot, types: Mapping[str, State]) -> frozenset[str]:
    """Return those withdrawn names that nothing refers to which this client has accepted or is being sent (C10)."""
    return names - {name for name, _ in users(names, type_url, held, types)}


def users(
    names: Iterable[str], type_url: str, held: snapshot.Snapshot, types: Mapping[str, State]
) -> Iterator[tuple[str, snapshot.ResourceName]]:
    """Yield each of these withdrawn names with each resource that the client may hold in a version that names it."""
    for user in resource_types.USED_BY[type_url]:
        for name, entry in _possible(user, held, types):
            for withdrawn in names:
                if entry is accepted.UNKNOWN or (type_url, withdrawn) in entry.references:
                    yield withdrawn, (user, name)


def _possible(
    type_url: str, held: snapshot.Snapshot, types: Mapping[str, State]
) -> Iterator[tuple[str, snapshot.Entry]]:
    # what the snapshot has refers to nothing that was withdrawn; so only what the client may hold besides counts
    if (state := types.get(type_url)) is None:
        return
    for name, entry in (*state.accepted.entries(), *((entry.name, entry) for entry in state.flight.entries)):
        # S6: parts go with the last listener that names them, whatever the client still says of them
        orphan = _is_part(type_url) and held.get(type_url, name) is None
        if not orphan or any(users((name,), type_url, held, types)):
            yield name, entry


def _is_part(type_url: str) -> bool:
    return type_url in resource_types.PARTS
