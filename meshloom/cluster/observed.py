"""How the API server has our objects: their statuses, as they were last seen or written.

Law: on the event loop. Of two versions of an object the later one counts, however late the earlier one is told.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mesh.problems import Ref
from meshloom.status import rounds


class _Object(NamedTuple):
    version: int
    uid: str
    status: bytes


class Observed:
    """What is written in the status of each object."""

    def __init__(self) -> None:
        self._objects: dict[Ref, _Object] = {}
        self._stirred: set[Ref] = set()

    def note(self, ref: Ref, document: Mapping[str, Any] | None) -> None:
        """Take in an object as the API server has it, None if it is gone (`watchers.kube.Aside`)."""
        if document is None:
            self._objects.pop(ref, None)
            self._stirred.discard(ref)
            return
        seen = _Object(*_identified(document), rounds.encoded(document.get("status")))
        before = self._objects.get(ref)
        if before is not None and seen.version < before.version:
            return
        self._objects[ref] = seen
        if before is None or before[1:] != seen[1:]:
            self._stirred.add(ref)

    def stirred(self) -> frozenset[Ref]:
        """Return the objects whose status is another since this was asked last."""
        found, self._stirred = frozenset(self._stirred), set()
        return found

    def uid(self, ref: Ref) -> str:
        """Return the uid of an object, empty if there is none."""
        found = self._objects.get(ref)
        return found.uid if found is not None else ""

    def status(self, ref: Ref) -> bytes:
        """Return the status of an object."""
        found = self._objects.get(ref)
        return found.status if found is not None else rounds.NOTHING_WRITTEN

    def statuses(self, refs: Iterable[Ref]) -> dict[Ref, bytes]:
        """Return the statuses of those of these objects that are there."""
        return {ref: self._objects[ref].status for ref in refs if ref in self._objects}


def _identified(document: Mapping[str, Any]) -> tuple[int, str]:
    """Return the version of an object as a number, which versions of one object are compared by (KEP-5504); its uid."""
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return 0, ""
    said = str(metadata.get("resourceVersion", ""))
    return int(said) if said.isdecimal() else 0, str(metadata.get("uid", ""))
