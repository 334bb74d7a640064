"""What to ask the API server about one kind, given what came back: a list by pages, then a watch, for ever.

Law: no I/O, no clock, no dice. Whatever comes in whatever order, what was told adds up to what the server last said; a
fault takes away nothing: what was seen last stands until a complete list says otherwise.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

PAGE: Final = 500
"""Objects in a page of a list."""
FIRST, LONGEST = 0.5, 30.0
"""Seconds: the pause after the first fault is up to so long, after many up to so long; longer if the server says so."""
SHORT: Final = 1.0
"""A watch that ends in less than so many seconds is not begun again at once."""
MOST_ASKED: Final = 120.0
"""Seconds that a server may ask us to wait."""
TOLD_BY: Final = 90.0
"""Seconds within which a watch tells at least a bookmark; one that told nothing at all may wait for a version that will
never come, as after a server was restored from a backup.
"""

Document = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


class Page(NamedTuple):
    """Ask for a page of the list: the first, or the one behind a token. `limit` 0: all there is."""

    token: str
    limit: int

    @property
    def query(self) -> dict[str, str]:
        """Return how that is asked (https://kubernetes.io/docs/reference/using-api/api-concepts/)."""
        limit = {"limit": str(self.limit)} if self.limit else {}
        return {**limit, **({"continue": self.token} if self.token else {})}


class Watch(NamedTuple):
    """Ask for all that happens after a version."""

    version: str

    def query(self, seconds: float) -> dict[str, str]:
        """Return how that is asked, for so many seconds."""
        until = {"timeoutSeconds": str(max(1, round(seconds)))}
        return {"watch": "true", "resourceVersion": self.version, "allowWatchBookmarks": "true", **until}


class Here(NamedTuple):
    """This object is there, and looks like this."""

    key: Key
    document: Document


class Gone(NamedTuple):
    """The object of this name is there no more."""

    key: Key


class Complete(NamedTuple):
    """The list has been read to its end."""


class Fault(NamedTuple):
    """What went wrong: HTTP status (0: nobody answered), reason and words of the server, and the pause it asks for."""

    status: int
    reason: str
    message: str
    retry_after: float = 0.0


Told = Here | Gone | Complete | Fault

_BAD_ANSWER = Fault(0, "Unreadable", "the answer is not that of an API server")
_STALE = frozenset((400, 404, 405, 406, 410, 415, 422))
"""The version or the token is of no use any more: it is too old, or what it belongs to is another thing now."""


class Reflector:
    """The state of one list and watch. One owner."""

    __slots__ = ("_failures", "_found", "_goes_on", "_known", "_limit", "_retry_after", "_token", "_version")

    def __init__(self) -> None:
        self._known: set[Key] = set()
        self._found: set[Key] = set()
        self._token, self._version, self._limit = "", "", PAGE
        self._failures, self._retry_after = 0, 0.0
        self._goes_on = False  # the last answer was a page, and what comes next is asked at once

    @property
    def request(self) -> Page | Watch:
        """What to ask next."""
        return Watch(self._version) if self._version else Page(self._token, self._limit)

    @property
    def known(self) -> int:
        """How many objects are there, as far as it is known."""
        return len(self._known)

    def pause(self, dice: float) -> float:
        """Return how many seconds to wait before asking; `dice` is in [0, 1)."""
        if not self._failures or self._goes_on:
            return 0.0
        return self._retry_after + dice * min(LONGEST, FIRST * 2.0 ** min(self._failures - 1, 16))

    def listed(self, answer: Any) -> tuple[Told, ...]:
        """Take a page of the list and return what it says."""
        match answer:
            case {"metadata": {"resourceVersion": str(version), **rest}, "items": list() | None} if version:
                here = tuple(_here(item) for item in answer["items"] or ())
            case _:
                return (_BAD_ANSWER,)
        found = tuple(one for one in here if one is not None)
        keys = {one.key for one in found}
        self._found |= keys
        self._known |= keys
        self._token, self._goes_on = str(rest.get("continue") or ""), True
        return found if self._token else (*found, *self._completed(version))

    def told(self, event: Any) -> tuple[Told, ...]:
        """Take an event of the watch and return what it says; after a Fault the watch is over."""
        match event:
            case {"type": "ERROR", "object": status}:
                return (_fault(status),)
            case {"type": str(what), "object": {"metadata": {"resourceVersion": str(version)}} as document} if version:
                self._version, self._failures = version, 0
                return tuple(self._changes(what, document))
            case _:
                return (_BAD_ANSWER,)

    def closed(self, lasted: float, heard: int) -> None:
        """Note that a watch has ended, as they do, after so many seconds and events."""
        self._goes_on = False
        if not heard and lasted >= TOLD_BY:
            self._start_over()
        elif lasted < SHORT:
            self._failures += 1
        else:
            self._failures = 0
        self._retry_after = 0.0

    def failed(self, fault: Fault, lasted: float = 0.0, heard: int = 0) -> None:
        """Note that a request was not answered as wanted, or that a watch broke off."""
        self._goes_on = False
        if fault.status in _STALE:
            self._limit = 0 if self._token else PAGE  # a list that outlives its token is asked for in one piece
            self._start_over()
        elif not heard and lasted >= TOLD_BY:
            self._start_over()
        self._failures += 1
        self._retry_after = min(fault.retry_after, MOST_ASKED)

    def doubt(self, gone: Iterable[Key]) -> None:
        """Take back that objects are gone: whoever looked into it does not believe it. A list will tell."""
        self._known.update(gone)
        self._start_over()

    def _start_over(self) -> None:
        self._version, self._token, self._found = "", "", set()

    def _completed(self, version: str) -> Iterator[Told]:
        gone = sorted(self._known - self._found)
        self._known, self._found = self._found, set()
        self._version, self._limit, self._retry_after = version, PAGE, 0.0
        yield from (Gone(key) for key in gone)
        yield Complete()

    def _changes(self, what: str, document: Document) -> Iterator[Told]:
        here = _here(document) if what in ("ADDED", "MODIFIED", "DELETED") else None
        if here is None:
            return
        if what != "DELETED":
            self._known.add(here.key)
            yield here
        elif here.key in self._known:
            self._known.remove(here.key)
            yield Gone(here.key)


def _here(document: Any) -> Here | None:
    match document:
        case {"metadata": {"name": str(name), **rest}} if name:
            return Here((str(rest.get("namespace") or ""), name), document)
        case _:
            return None


def _fault(status: Any) -> Fault:
    match status:
        case {"code": int(code), **rest}:
            return Fault(code, str(rest.get("reason") or ""), str(rest.get("message") or "the watch was ended"))
        case _:
            return _BAD_ANSWER


def decoded(line: bytes) -> Any:
    """Return what a line of a watch says, None where that is no JSON."""
    try:
        return json.loads(line)
    except ValueError:
        return None
