"""What a client asks for of one type: all, some names, or both.

Law: a subscription is a value; each request yields the next one from the last, by the rules S8-S11 and D6-D7.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xds import snapshot as snapshots

WILDCARD: Final = "*"
Names = frozenset[str]


@dataclass(frozen=True, slots=True)
class Subscription:
    """`named` remembers that a name was ever sent, which ends the legacy wildcard (rules S9, S11)."""

    names: frozenset[str] = frozenset()
    wildcard: bool = False
    named: bool = False

    def __bool__(self) -> bool:
        return self.wildcard or bool(self.names)

    def covers(self, name: str) -> bool:
        """Say whether a resource of this name is wanted."""
        return self.wildcard or name in self.names

    def among(self, changed: Mapping[str, int]) -> Mapping[str, int]:
        """Return what is wanted of a mapping by name."""
        if self.wildcard or changed.keys() <= self.names:
            return changed
        return {name: mark for name, mark in changed.items() if name in self.names}

    def entries(self, snapshot: snapshots.Snapshot, type_url: str) -> Iterator[snapshots.Entry]:
        """Yield what is wanted and exists, in no particular order."""
        return snapshot.entries(type_url) if self.wildcard else snapshot.select(type_url, self.names)


def listed(last: Subscription, names: Iterable[str], wildcards: bool) -> Subscription:
    """Return the subscription after a state-of-the-world request, which lists all names (rule S8)."""
    wanted = frozenset(names)
    if not wildcards:
        return Subscription(wanted)
    if not wanted and not last.named:
        return Subscription(wildcard=True)  # S9: no names ever sent
    # S10: "*" may stand among names; S11: an empty list after names means nothing
    return Subscription(wanted - {WILDCARD}, WILDCARD in wanted, named=True)


def amended(last: Subscription | None, more: frozenset[str], less: frozenset[str], wildcards: bool) -> Subscription:
    """Return the subscription after a delta request; `last` is None before the first of the type."""
    if not wildcards:
        return Subscription(((last or Subscription()).names | more) - less)
    legacy = last is None and not more  # D6: the first request subscribes to nothing
    wildcard = legacy or WILDCARD in more or (last is not None and last.wildcard)
    names = ((last or Subscription()).names | more) - less - {WILDCARD}
    return Subscription(names, wildcard and WILDCARD not in less)  # D7: both at once is nothing


class Pool:
    """Equal sets of names held once, however many streams subscribe to them; those nobody holds are dropped."""

    __slots__ = ("_sets",)

    def __init__(self) -> None:
        self._sets: weakref.WeakKeyDictionary[Names, weakref.ref[Names]] = weakref.WeakKeyDictionary()

    def shared(self, subscription: Subscription) -> Subscription:
        """Return an equal subscription whose names are shared with other streams."""
        known = self._sets.get(subscription.names)
        names = known() if known is not None else None
        if names is None:
            self._sets[subscription.names] = weakref.ref(subscription.names)
            return subscription
        return Subscription(names, subscription.wildcard, subscription.named)
