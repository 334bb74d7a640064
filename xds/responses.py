"""Responses as bytes, made once for all streams that get the same resources.

Law: equal resources are serialised once. A nonce comes from one server-wide counter, so a finished response may go
to any stream that has not yet seen a nonce of its type as high (rule C3).
"""

import bisect
import itertools
import operator
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from xds import changes, resource_types, snapshot
from xds.following import Changes
from xds.wire import discovery_pb2

BATCH_BYTES: Final = 3 << 20
"""Delta responses and endpoints are split at this many bytes of bodies; 4 MiB is the usual limit of a gRPC client."""

CACHE_BYTES: Final = 64 << 20

_MEMOISED: Final = 16
"""Digests remembered, each with its snapshot, and single changes: streams of one key are woken together."""

_MOST_DIFFERENCES: Final = 256
"""Differences of parts remembered, which keep no part alive."""

_FEW: Final = 8
"""Fewer names than this are not worth remembering their digest."""

_MOST_SETS: Final = 1024
"""Full sets remembered, for clients that come back: the version they bring then tells what they hold."""

Entries = Sequence[snapshot.Entry]
_Draft = tuple[bytes, "Content"]
"""A serialised response without its nonce."""

T = TypeVar("T")


class Content(NamedTuple):
    """What a response says: `names`, `marks` and `entries` run in parallel, by name; `removed` is delta only."""

    version: str
    names: tuple[str, ...]
    marks: tuple[int, ...]
    removed: tuple[str, ...] = ()
    entries: tuple[snapshot.Entry, ...] = ()

    def get(self, name: str) -> snapshot.Entry | None:
        """Return the resource of this name, None if the response does not hold it."""
        position = bisect.bisect_left(self.names, name)
        return self.entries[position] if self.names[position : position + 1] == (name,) else None


@dataclass(frozen=True, slots=True)
class Response:
    """A finished response; `number` is its nonce as a number, which stands at the end of `data`."""

    type_url: str
    number: int
    nonce: str
    data: bytes = field(repr=False)
    content: Content

    def renumbered(self, number: int) -> "Response":
        """Return the same response with another nonce."""
        body = self.data[: -len(_nonce(self.nonce))]
        return _response(self.type_url, body, self.content, number)


class Single(NamedTuple):
    """A change that is a new version of one resource, and nothing else; `before` is the one it takes the place of."""

    type_url: str
    name: str
    before: snapshot.Entry
    entry: snapshot.Entry


class _Difference(NamedTuple):
    """What differs between snapshots in which these parts took the place of others."""

    of: tuple[weakref.ref[snapshot.Part], ...]
    changes: Changes


class Responses:
    """What all streams of a server share: the nonce counter, finished responses, and differences of snapshots.

    `cache_bytes` bounds the memory of finished responses, `batch_bytes` the bodies in one batched response.
    """

    __slots__ = (
        "_batch_bytes", "_cache", "_cache_bytes", "_cached_bytes", "_differences", "_digests", "_numbers", "_sets",
        "_singles",
    )  # fmt: skip

    def __init__(self, cache_bytes: int = CACHE_BYTES, batch_bytes: int = BATCH_BYTES) -> None:
        self._cache_bytes = cache_bytes
        self._batch_bytes = batch_bytes
        self._cached_bytes = 0
        self._numbers = itertools.count(1)
        self._cache: OrderedDict[Hashable, tuple[Response, ...]] = OrderedDict()
        self._differences: OrderedDict[Hashable, _Difference] = OrderedDict()
        self._digests: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._sets: OrderedDict[tuple[str, str], Content] = OrderedDict()
        self._singles: OrderedDict[Hashable, tuple[object, Single | None]] = OrderedDict()

    def sotw(self, type_url: str, version: str, entries: Entries, after: int) -> Response:
        """Return a state-of-the-world response whose nonce is above `after`, the last of its type on the stream."""
        key = ("sotw", type_url, version, _identity(entries))
        (response,) = self._known(key, after) or self._made(key, type_url, (_sotw(type_url, version, entries),))
        if type_url in resource_types.WILDCARD_TYPES:
            self._sets[type_url, version] = response.content
            self._sets.move_to_end((type_url, version))
            _bound(self._sets, _MOST_SETS)
        return response

    def full_set(self, type_url: str, version: str) -> Content | None:
        """Return the full set that was sent under this version, None if it is not remembered (rule S4)."""
        return self._sets.get((type_url, version))

    def delta(self, type_url: str, entries: Entries, after: int) -> Iterator[Response]:
        """Yield delta responses holding these resources: batches, or one resource each where the type says so."""
        alone = type_url in resource_types.ONE_PER_RESPONSE
        for group in [(entry,) for entry in _by_name(entries)] if alone else [entries] if entries else []:
            key = ("delta", type_url, _identity(group))
            made = self._known(key, after) or self._made(key, type_url, self._batched(type_url, group))
            after = made[-1].number
            yield from made

    def alone(self, type_url: str, entry: snapshot.Entry, after: int) -> Response:
        """Return a delta response that holds this resource alone."""
        key = ("delta", type_url, entry.mark)
        (response,) = self._known(key, after) or self._made(key, type_url, (_delta(type_url, (entry,), ()),))
        return response

    def withdrawal(self, type_url: str, names: Iterable[str], after: int) -> Response:
        """Return a delta response saying that these names do not exist (rules D8, D9); no names: nothing does."""
        removed = tuple(sorted(names))
        key = ("removed", type_url, removed)
        (response,) = self._known(key, after) or self._made(key, type_url, (_delta(type_url, (), removed),))
        return response

    def first_batch(self, entries: Entries) -> Entries:
        """Return the first of these resources, in name order, that fit into one response; at least one."""
        return next(_batches(_by_name(entries), self._batch_bytes))

    def changes(self, old: snapshot.Snapshot, new: snapshot.Snapshot) -> Changes:
        """Return `changes.changes`, found once for streams of which the same parts changed."""
        known_before = new.following.changes_from(old) if new.following is not None else None
        if known_before is not None:
            return known_before
        moves = changes.moves(old, new)
        parts = (*moves[0], *moves[1])
        key = (len(moves[0]), *map(id, parts))
        known = self._differences.get(key)
        if known is None or not all(map(operator.is_, [part() for part in known.of], parts)):
            known = self._differences[key] = _Difference(tuple(map(weakref.ref, parts)), changes.between(moves))
            _bound(self._differences, _MOST_DIFFERENCES)
        return known.changes

    def single(self, of: Changes, old: snapshot.Snapshot, new: snapshot.Snapshot) -> Single | None:
        """Return what these changes are, found once for streams that have them in common; None if they are more."""
        return _memoised(self._singles, id(of), of, lambda: _single(of, old, new))

    def digest(self, held: snapshot.Snapshot, type_url: str, names: frozenset[str]) -> int:
        """Return the digest of those names that exist, found once for all streams that share the set of names."""
        if len(names) < _FEW:
            return snapshot.total([held.mark(type_url, name) for name in names])
        key = (type_url, id(held), id(names))
        marks = (entry.mark for entry in held.select(type_url, names))
        return _memoised(self._digests, key, (held, names), lambda: snapshot.total(marks))

    def version(self, held: snapshot.Snapshot, type_url: str, names: frozenset[str]) -> str:
        """Return the version of a client that holds those names that exist (rule S4)."""
        return snapshot.version_text(self.digest(held, type_url, names))

    def _batched(self, type_url: str, entries: Entries) -> Iterator[_Draft]:
        return (_delta(type_url, batch, ()) for batch in _batches(_by_name(entries), self._batch_bytes))

    def _known(self, key: Hashable, after: int) -> tuple[Response, ...]:
        cached = self._cache.get(key, ())
        if not cached:
            return ()
        if cached[0].number > after:  # C3: not yet used on this stream
            self._cache.move_to_end(key)
            return cached
        return self._remember(key, tuple(response.renumbered(next(self._numbers)) for response in cached))

    def _made(self, key: Hashable, type_url: str, drafts: Iterable[_Draft]) -> tuple[Response, ...]:
        made = [_response(type_url, body, content, next(self._numbers)) for body, content in drafts]
        return self._remember(key, tuple(made))

    def _remember(self, key: Hashable, fresh: tuple[Response, ...]) -> tuple[Response, ...]:
        self._cached_bytes += _size(fresh) - _size(self._cache.pop(key, ()))
        self._cache[key] = fresh
        while self._cached_bytes > self._cache_bytes:
            self._cached_bytes -= _size(self._cache.popitem(last=False)[1])
        return fresh


def _single(of: Changes, old: snapshot.Snapshot, new: snapshot.Snapshot) -> Single | None:
    if len(of) != 1:
        return None
    ((type_url, names),) = of.items()
    if len(names) != 1:
        return None
    (name,) = names
    before, entry = old.get(type_url, name), new.get(type_url, name)
    return Single(type_url, name, before, entry) if before is not None and entry is not None else None


def _size(several: tuple[Response, ...]) -> int:
    # bytes, and the entries they are made of, which are as large
    return 2 * sum([len(response.data) for response in several])


def _identity(entries: Entries) -> Hashable:
    return entries[0].mark if len(entries) == 1 else frozenset(entry.mark for entry in entries)


def _by_name(entries: Entries) -> Entries:
    return sorted(entries, key=lambda entry: entry.name) if len(entries) > 1 else entries


def _batches(entries: Entries, limit: int) -> Iterator[Entries]:
    start = size = 0
    for position, entry in enumerate(entries):
        size += len(entry.body)
        if size > limit and position > start:
            yield entries[start:position]
            start, size = position, len(entry.body)
    yield entries[start:]


def _content(version: str, entries: Entries, removed: tuple[str, ...] = ()) -> Content:
    names, marks = [entry.name for entry in entries], [entry.mark for entry in entries]
    return Content(version, tuple(names), tuple(marks), removed, tuple(entries))


def _sotw(type_url: str, version: str, entries: Entries) -> _Draft:
    entries = _by_name(entries)
    resources = [entry.body for entry in entries]
    message = discovery_pb2.DiscoveryResponse(version_info=version, resources=resources, type_url=type_url)
    return message.SerializeToString(), _content(version, entries)


def _delta(type_url: str, entries: Entries, removed: tuple[str, ...]) -> _Draft:
    # D10: system_version_info is for people; a digest of this response, so that snapshots that differ can share it
    version = snapshot.version_text(snapshot.total([entry.mark for entry in entries]))
    message = discovery_pb2.DeltaDiscoveryResponse(
        system_version_info=version,
        resources=[_resource(entry) for entry in entries],
        type_url=type_url,
        removed_resources=removed,
    )
    return message.SerializeToString(), _content(version, entries, removed)


def _resource(entry: snapshot.Entry) -> discovery_pb2.Resource:
    return discovery_pb2.Resource(version=entry.version, resource=entry.body, name=entry.name)


def _response(type_url: str, body: bytes, content: Content, number: int) -> Response:
    nonce = str(number)
    return Response(type_url, number, nonce, body + _nonce(nonce), content)


def _nonce(nonce: str) -> bytes:
    # encoded messages may be concatenated: their fields merge; `nonce` is field 5, a string, in both variants
    return b"\x2a%c%b" % (len(nonce), nonce.encode())


def _memoised(known: OrderedDict[Hashable, tuple[object, T]], key: Hashable, kept: object, find: Callable[[], T]) -> T:
    found = known.get(key)
    if found is None:
        found = known[key] = (kept, find())  # what the ids in the key belong to is kept alive with it
        _bound(known, _MEMOISED)
    return found[1]


def _bound(known: OrderedDict[Any, Any], most: int) -> None:
    if len(known) > most:
        known.popitem(last=False)
