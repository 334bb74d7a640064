"""What one client has accepted of one type, written as differences from the snapshot.

Law: a name that is not noted here is at the client as the snapshot says. A rejection is not a rollback: what was
accepted before stays accepted. A converged stream therefore holds no state per resource.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from xds import snapshot
from xds.following import ABSENT

Versions = tuple[snapshot.Entry | None, ...]
"""What a client may hold of a name, one of these; None is that it holds nothing."""

Entries = Callable[[str], snapshot.Entry | None]
"""A name -> what a snapshot has of it."""

UNKNOWN: Final = snapshot.Entry("", "", b"", frozenset(), -1)
"""A version from an earlier stream that is not known any more, and so may refer to anything."""

NOTHING: Final[Versions] = (None,)
SOMETHING: Final[Versions] = (UNKNOWN,)
PERHAPS: Final[Versions] = (None, UNKNOWN)


class Accepted:
    """`noted`: name -> what the client may hold of it, where that may differ from the snapshot."""

    __slots__ = ("noted",)

    def __init__(self) -> None:
        self.noted: dict[str, Versions] = {}

    def take(self, name: str, versions: Versions, target: snapshot.Entry | None) -> None:
        """Note what the client may hold of a name; `target` is what the snapshot has of it."""
        if len(versions) == 1 and _are_alike(versions[0], target):
            self.forget((name,))
        else:
            self.noted[name] = versions

    def change(self, names: Iterable[str], old: Entries, new: Entries, moving: bool) -> None:
        """Note that the snapshot changed for these names, from `old` to `new`; while a set is `moving`, keep all."""
        for name in names:
            versions = self.noted.get(name) or (old(name),)
            if moving:
                self.noted[name] = versions
            else:
                self.take(name, versions, new(name))

    def doubt(self, entry: snapshot.Entry | None, name: str, target: snapshot.Entry | None) -> None:
        """Note that a rejection leaves open whether this was applied."""
        versions = self.noted.get(name) or (target,)
        if _mark(entry) not in map(_mark, versions):
            self.noted[name] = (*versions, entry)

    def forget(self, names: Iterable[str]) -> None:
        """Note that the client holds of these names what the snapshot says, or asks for them no longer."""
        for name in names:
            self.noted.pop(name, None)
        if not self.noted:
            self.noted = {}  # an emptied dict keeps its memory, on each of thousands of streams

    def exact(self, name: str) -> snapshot.Entry | None:
        """Return what the client holds of a noted name, None if nothing; UNKNOWN if there is any doubt."""
        versions = self.noted[name]
        return versions[0] if len(versions) == 1 else UNKNOWN

    def lacks(self, name: str) -> bool:
        """Say whether the client may hold no version at all of a name that the snapshot has."""
        return None in self.noted.get(name, ())

    def lacking(self) -> Iterator[str]:
        """Yield the names of which the client may hold no version at all."""
        return (name for name, versions in self.noted.items() if None in versions)

    def entries(self) -> Iterator[tuple[str, snapshot.Entry]]:
        """Yield each version that the client may hold where that is not the snapshot's, with its name."""
        for name, versions in self.noted.items():
            yield from ((name, entry) for entry in versions if entry is not None)


def blamed(names: Iterable[str], words: str) -> frozenset[str]:
    """Return those of these names that a client's complaint blames; none if it mentions none.

    Envoy says `Error adding/updating cluster(s) a: why, b: why`; a name is also an ordinary word sometimes (`only one
    of ...`), so those before a colon count first.
    """
    patterns = {name: _AS_A_WORD.format(re.escape(name)) for name in names}
    accused = frozenset(name for name, pattern in patterns.items() if re.search(f"{pattern}:", words))
    return accused or frozenset(name for name, pattern in patterns.items() if re.search(pattern, words))


_AS_A_WORD: Final = r"(?<![\w|/\-])(?<!\w\.){}(?![\w|/\-]|\.\w)"


def _are_alike(one: snapshot.Entry | None, other: snapshot.Entry | None) -> bool:
    return one is other or (one is not None and other is not None and one.mark == other.mark)


def _mark(entry: snapshot.Entry | None) -> int:
    return entry.mark if entry is not None else ABSENT
