"""What one kind of proxy should hold: an immutable set of named, versioned, encoded resources made of shared parts.

Law: version by content. The same resources have the same versions however they are divided into parts and in
whatever order they come; what snapshots share, they share by identity, and comparing them costs only what differs.
"""

import functools
import hashlib
import itertools
import operator
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from xds.following import ABSENT, Changes, Following

ResourceName = tuple[str, str]
"""A type URL and a resource name of that type."""

_MODULUS: Final = 1 << 128
_FEW: Final = 8
"""Fewer names than this are looked up one by one."""

_NO_NAMES: Final[frozenset[ResourceName]] = frozenset()


class Resource(Protocol):
    """What a snapshot is made of.

    `body` is an encoded `google.protobuf.Any`; `version` changes whenever `body` does; `references` are the
    resources this one needs in place (rules C10-C12).
    """

    @property
    def type_url(self) -> str:
        """Full type URL."""

    @property
    def name(self) -> str:
        """Unique in its type."""

    @property
    def version(self) -> str:
        """Changes whenever the body does."""

    @property
    def body(self) -> bytes:
        """An encoded `google.protobuf.Any`."""

    @property
    def references(self) -> frozenset[ResourceName]:
        """What must be in place before this one is used."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource in a snapshot; `mark` is a positive 128-bit digest of its name and version."""

    name: str
    version: str
    body: bytes = field(repr=False)
    references: frozenset[ResourceName]
    mark: int


def mark(name: str, version: str) -> int:
    """Return the positive 128-bit number that stands for this version of this resource."""
    name_bytes = name.encode()
    digest = hashlib.blake2b(b"%d:%b%b" % (len(name_bytes), name_bytes, version.encode()), digest_size=16)
    return int.from_bytes(digest.digest()) or 1


def total(marks: Iterable[int]) -> int:
    """Return the digest of a set of resources: the sum of their marks modulo 2**128, whatever their order.

    It protects from accident, not from an author of thousands of resources looking for a collision; therefore nothing
    but versions is made of it, and responses are shared by the marks themselves.
    """
    return sum(marks) % _MODULUS


def version_text(digest: int) -> str:
    """Return a digest as it travels in `version_info`: 32 hexadecimal digits, never empty."""
    return format(digest % _MODULUS, "032x")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Part:
    """Some resources that several snapshots share; digested once, however many hold it. Compared by identity."""

    entries: Mapping[str, Mapping[str, Entry]] = field(repr=False)
    """Per type URL: name -> entry."""
    digests: Mapping[str, int]
    references: frozenset[ResourceName] = field(repr=False)

    shape: object = field(repr=False)
    """The same object only for parts that hold the same names with the same references."""
    made_of: Sequence[Resource] = field(repr=False)
    """The resources that were given, kept for whoever tells parts by them."""
    following: "Following | None" = field(default=None, repr=False)
    """What differs from the part that this one was made from, if it was."""

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> "Part":
        """Return a part of these resources; a name twice in one type is a ValueError."""
        given = resources if isinstance(resources, tuple) else tuple(resources)
        entries: dict[str, dict[str, Entry]] = {}
        for resource in given:
            named = entries.setdefault(resource.type_url, {})
            if resource.name in named:
                raise ValueError(_twice(resource.type_url, [resource.name]))
            named[resource.name] = _entry(resource)
        digests = {type_url: total([entry.mark for entry in named.values()]) for type_url, named in entries.items()}
        first, *others = [entry.references for named in entries.values() for entry in named.values()] or [_NO_NAMES]
        return cls(entries, digests, first.union(*others), object(), given)

    def followed(self, after: Sequence[Resource]) -> "Part":
        """Return `of` these resources, at a cost of those that took the place of others, if they have the same names
        and references.
        """
        before = self.made_of
        is_other = map(operator.is_not, before, after)
        pairs = tuple(itertools.compress(zip(before, after, strict=False), is_other))
        if len(before) != len(after) or not all(_stands_in(new, old) for old, new in pairs):
            return Part.of(after)
        fresh: dict[str, dict[str, Entry]] = {}
        for _, new in pairs:
            fresh.setdefault(new.type_url, {})[new.name] = _entry(new)
        entries, digests, changes = {**self.entries}, {**self.digests}, dict[str, Mapping[str, int]]()
        for type_url, named in fresh.items():
            before_them, others, moved = self.entries[type_url], dict[str, int](), 0
            for name, entry in named.items():
                if entry.mark != (mark_before := before_them[name].mark):
                    others[name] = mark_before
                    moved += entry.mark - mark_before
            entries[type_url] = {**before_them, **named}
            digests[type_url] = (digests[type_url] + moved) % _MODULUS
            if others:
                changes[type_url] = others
        return Part(entries, digests, self.references, self.shape, after, Following(weakref.ref(self), changes))


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Snapshot:
    """All resources of one kind of proxy. Equal snapshots hold the same names at the same versions."""

    parts: tuple[Part, ...] = field(repr=False)
    digests: Mapping[str, int]
    """Per type URL: digest of all (name, version) pairs, however they are divided into parts."""
    _entries: Mapping[str, tuple[Mapping[str, Entry], ...]] = field(repr=False)
    following: Following | None = field(default=None, repr=False)
    """What differs from the snapshot that this one was made from, if it was and that is known."""

    @classmethod
    def of(cls, *parts: Part) -> "Snapshot":
        """Return the snapshot of all these parts; a name twice in one type is a ValueError."""
        entries: dict[str, list[Mapping[str, Entry]]] = {}
        digests: dict[str, int] = {}
        for part in parts:
            for type_url, named in part.entries.items():
                entries.setdefault(type_url, []).append(named)
                digests[type_url] = (digests.get(type_url, 0) + part.digests[type_url]) % _MODULUS
        for type_url, several in entries.items():
            _check_names(type_url, several)
        return cls(parts, digests, {type_url: tuple(several) for type_url, several in entries.items()})

    def exchanged(self, pairs: Sequence[tuple[Part, Part]]) -> "Snapshot | None":
        """Return the snapshot in which others took the place of some of its parts, at a cost of those; None where these
        are not its own, or the others have other names.
        """
        entries, digests = {**self._entries}, {**self.digests}
        for old, new in pairs:
            if old not in self.parts or not _are_named_alike(old, new):
                return None
            for type_url, come in new.entries.items():
                gone = old.entries[type_url]
                if come is not gone:
                    digests[type_url] = (digests[type_url] + new.digests[type_url] - old.digests[type_url]) % _MODULUS
                    entries[type_url] = tuple([come if named is gone else named for named in entries[type_url]])
        changes = _changes(pairs)
        following = Following(weakref.ref(self), changes) if changes is not None else None
        return Snapshot(_with_others(self.parts, pairs), digests, entries, following)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Snapshot) and self.digests == other.digests)

    def __hash__(self) -> int:
        return hash(frozenset(self.digests.items()))

    def digest(self, type_url: str) -> int:
        """Return the digest of all resources of a type; 0 if there are none."""
        return self.digests.get(type_url, 0)

    def version(self, type_url: str) -> str:
        """Return the version of all resources of a type (rule S1)."""
        return version_text(self.digest(type_url))

    def get(self, type_url: str, name: str) -> Entry | None:
        """Return a resource, None if there is no such name."""
        for named in self._entries.get(type_url, ()):
            if (entry := named.get(name)) is not None:
                return entry
        return None

    def lookup(self, type_url: str) -> Callable[[str], Entry | None]:
        """Return `get` of a type."""
        return functools.partial(self.get, type_url)

    def mark(self, type_url: str, name: str) -> int:
        """Return the mark of a resource, ABSENT if there is no such name."""
        return _mark(self.get(type_url, name))

    def entries(self, type_url: str) -> Iterator[Entry]:
        """Yield all resources of a type, in no particular order."""
        for named in self._entries.get(type_url, ()):
            yield from named.values()

    def names(self, type_url: str) -> Iterator[str]:
        """Yield the names of all resources of a type, in no particular order."""
        for named in self._entries.get(type_url, ()):
            yield from named

    def select(self, type_url: str, names: frozenset[str]) -> Iterator[Entry]:
        """Yield those of the named resources that exist, at a cost of the smaller of both sets per part."""
        if len(names) < _FEW:
            yield from filter(None, (self.get(type_url, name) for name in names))
            return
        for named in self._entries.get(type_url, ()):
            found = names.intersection(named) if len(named) < len(names) else filter(named.__contains__, names)
            yield from (named[name] for name in found)


def dangling(snapshot: Snapshot) -> tuple[ResourceName, ...]:
    """Return the references that name nothing in the snapshot, sorted; () if it may be published (rule C12)."""
    references: frozenset[ResourceName] = frozenset().union(*(part.references for part in snapshot.parts))
    wanted: dict[str, set[str]] = {}
    for type_url, name in references:
        wanted.setdefault(type_url, set()).add(name)
    for type_url, names in wanted.items():
        names.difference_update(snapshot.names(type_url))
    return tuple(sorted((type_url, name) for type_url, names in wanted.items() for name in names))


def _mark(entry: Entry | None) -> int:
    return entry.mark if entry is not None else ABSENT


def _stands_in(new: Resource, old: Resource) -> bool:
    return (new.type_url, new.name, new.references) == (old.type_url, old.name, old.references)


def _entry(resource: Resource) -> Entry:
    version_mark = mark(resource.name, resource.version)
    return Entry(resource.name, resource.version, resource.body, resource.references, version_mark)


def _with_others(parts: tuple[Part, ...], pairs: Sequence[tuple[Part, Part]]) -> tuple[Part, ...]:
    if len(pairs) == 1:
        ((old, new),) = pairs
        return tuple([new if part is old else part for part in parts])
    places = dict(pairs)
    return tuple([places.get(part, part) for part in parts])


def _changes(pairs: Iterable[tuple[Part, Part]]) -> Changes | None:
    """Return what differs once parts took the place of those that they were made from; None if there are others."""
    found: Changes = {}
    for old, new in pairs:
        more = new.following.changes_from(old) if new.following is not None else None
        if more is None:
            return None
        common = {type_url: {**found[type_url], **names} for type_url, names in more.items() if type_url in found}
        found = {**found, **more, **common} if found else more
    return found


def _are_named_alike(one: Part, other: Part) -> bool:
    if one.shape is other.shape:
        return True
    if one.entries.keys() != other.entries.keys():
        return False
    return all(named.keys() == other.entries[type_url].keys() for type_url, named in one.entries.items())


def _check_names(type_url: str, several: Sequence[Mapping[str, Entry]]) -> None:
    pairs = itertools.combinations(several, 2)
    # views of dictionaries go through the smaller of both: what most snapshots share is not gone through for each
    twice = {name for one, other in pairs if not one.keys().isdisjoint(other.keys()) for name in one if name in other}
    if twice:
        raise ValueError(_twice(type_url, sorted(twice)))


def _twice(type_url: str, names: list[str]) -> str:
    return (
        f"{type_url}: name twice in a snapshot: {', '.join(names[:5])}; give each resource a name of its own (rule C4)"
    )
