"""What one client holds of one type, written as differences from the snapshot.

Law: every name a client subscribes to and that is not in this ledger is at the client as the snapshot says. A
converged stream therefore holds no state per resource.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from xds import snapshot
from xds.following import ABSENT

UNKNOWN: Final = -1
"""Held mark of a name whose state at the client is not known, or that must be sent whatever it holds."""

ASKED: Final = -2
"""Held mark of a name that must be answered, also if it does not exist."""


class Due(NamedTuple):
    """What a ledger says must be sent: resources, and names to be withdrawn."""

    entries: tuple[snapshot.Entry, ...]
    absent: tuple[str, ...]


NOTHING: Final = Due((), ())


class Ledger:
    """`pending`: name -> mark the client holds, where that may differ from the snapshot's; `refused`: name -> mark
    of the content the client NACKed last and has not been offered a change of since.
    """

    __slots__ = ("pending", "refused")

    def __init__(self) -> None:
        self.pending: dict[str, int] = {}
        self.refused: dict[str, int] = {}

    def ask(self, names: Iterable[str]) -> None:
        """Note names the client asks for: to be answered even if it refused them before (rules S7, D3)."""
        for name in names:
            self.pending[name] = ASKED
            self.refused.pop(name, None)

    def forget(self, names: Iterable[str]) -> None:
        """Note names to be sent again, changed or not (rule C11)."""
        for name in names:
            if self.pending.get(name) != ASKED:
                self.pending[name] = UNKNOWN

    def vanish(self, name: str, mark: int) -> None:
        """Note a name that the client holds, in the version of this mark, and that does not exist (rule D11)."""
        self.pending[name] = mark

    def drop(self, names: Iterable[str]) -> None:
        """Note names the client unsubscribed from."""
        self.settle(names)

    def change(self, changed: Mapping[str, int]) -> None:
        """Note what a new snapshot changes of what is subscribed to: name -> mark in the snapshot before."""
        for name, before in changed.items():
            self.pending.setdefault(name, UNKNOWN if name in self.refused else before)

    def refuse(
        self, entries: Iterable[snapshot.Entry], newer: Mapping[str, int], covers: Callable[[str], bool]
    ) -> None:
        """Note a NACK of these (rule C8): what the client holds of these names is unknown now.

        `newer`: name -> mark of what was sent again since; if that is other content, its own answer is still to come.
        """
        for entry in entries:
            if covers(entry.name) and newer.get(entry.name, entry.mark) == entry.mark:
                self.refused[entry.name] = entry.mark
            if self.pending.get(entry.name, ASKED) != ASKED:
                self.pending[entry.name] = UNKNOWN

    def due(self, held: snapshot.Snapshot, type_url: str) -> Due:
        """Return what is to be sent, and strike what needs no sending after all."""
        if not self.pending:
            return NOTHING
        entries, absent = [], []
        for name, mark in tuple(self.pending.items()):
            entry = held.get(type_url, name)
            if mark == (entry.mark if entry is not None else ABSENT):
                del self.pending[name]  # C6: changed, and changed back
            elif entry is None:
                absent.append(name)
            elif self.refused.get(name) == entry.mark:
                del self.pending[name]  # C8: the same content is not sent again
            else:
                entries.append(entry)
        return Due(tuple(entries), tuple(absent))

    def urgent(self, name: str) -> bool:
        """Say whether a pending name may not wait for answers to earlier responses: it was asked for, or warms."""
        return self.pending.get(name) in (UNKNOWN, ASKED)

    def asked(self, name: str) -> bool:
        """Say whether a pending name was asked for, and so must be answered though it does not exist (rule D8)."""
        return self.pending.get(name) == ASKED

    def settle(self, names: Iterable[str]) -> None:
        """Note names that go out now as the snapshot says."""
        for name in names:
            self.pending.pop(name, None)
            self.refused.pop(name, None)
        if not self.pending:
            self.pending = {}  # an emptied dict keeps its memory, on each of thousands of streams
