"""What the full sets of one type are called on one stream.

Law: rule S1, a version changes when any resource of the type does. Rule S4: a set that comes back on a stream may have
made the client drop and ask again for what it names, perhaps without an answer yet; so it comes back under a version
that no later stream's set will have.
"""

from typing import Final

from xds import snapshot

_RETURNED: Final = "+"
"""Ends the version of a set that was replaced and came back."""

_MOST_SEEN: Final = 256
"""Sets remembered; further ones are taken to have been there."""


class SetVersions:
    """The sets that a client had on its stream, by their digests."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def has(self, digest: int) -> None:
        """Note a set that the client has."""
        self._seen.add(digest)

    def version(self, digest: int, last: int) -> str:
        """Return the version of a set that goes out now after the set `last`."""
        returned = digest != last and (digest in self._seen or len(self._seen) >= _MOST_SEEN)
        if not returned:
            self._seen.add(digest)
        return snapshot.version_text(digest) + (_RETURNED if returned else "")
