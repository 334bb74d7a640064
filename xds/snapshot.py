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
    shape: object = field(repr=False)
    """The same object only for snapshots that hold the same names with the same references."""
    following: Following | None = field(default=None, repr=False)
    """What differs from the snapshot that this one was made from, if it was and that is known."""

    @classmethod
    def of(cls, *parts: Part) -> "Snapshot":
        """Return the snapshot of all these parts; a name twice in one type is a ValueError."""
        found = cls(parts, object())
        for type_url in found._types():
            _check_names(type_url, found._named(type_url))
        return found

    def followed(self, after: tuple[Part, ...]) -> "Snapshot":
        """Return `of` these parts, at a cost of those that took the place of others, if they hold the same names."""
        is_other = map(operator.is_not, self.parts, after)
        pairs = tuple(itertools.compress(zip(self.parts, after, strict=False), is_other))
        if len(self.parts) != len(after) or not all(_are_named_alike(old, new) for old, new in pairs):
            return Snapshot.of(*after)
        changes = _changes(pairs)
        following = Following(weakref.ref(self), changes) if changes is not None else None
        is_alike = all(old.shape is new.shape for old, new in pairs)
        return Snapshot(after, self.shape if is_alike else object(), following)

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Snapshot):
            return self is other
        known = self.following.changes_from(other) if self.following is not None else None
        return not known if known is not None else self.digests == other.digests

    def __hash__(self) -> int:
        return hash(frozenset(self.digests.items()))

    @property
    def digests(self) -> Mapping[str, int]:
        """Per type URL: digest of all (name, version) pairs, however they are divided into parts."""
        return {type_url: self.digest(type_url) for type_url in self._types()}

    def digest(self, type_url: str) -> int:
        """Return the digest of all resources of a type; 0 if there are none."""
        return sum([part.digests.get(type_url, 0) for part in self.parts]) % _MODULUS

    def version(self, type_url: str) -> str:
        """Return the version of all resources of a type (rule S1)."""
        return version_text(self.digest(type_url))

    def get(self, type_url: str, name: str) -> Entry | None:
        """Return a resource, None if there is no such name."""
        for part in self.parts:
            named = part.entries.get(type_url)
            if named is not None and (entry := named.get(name)) is not None:
                return entry
        return None

    def lookup(self, type_url: str) -> Callable[[str], Entry | None]:
        """Return `get` of a type."""
        return functools.partial(self.get, type_url)

    def mark(self, type_url: str, name: str) -> int:
        """Return the mark of a resource, ABSENT if there is no such name."""
        entry = self.get(type_url, name)
        return entry.mark if entry is not None else ABSENT

    def entries(self, type_url: str) -> Iterator[Entry]:
        """Yield all resources of a type, in no particular order."""
        for named in self._named(type_url):
            yield from named.values()

    def names(self, type_url: str) -> Iterator[str]:
        """Yield the names of all resources of a type, in no particular order."""
        for named in self._named(type_url):
            yield from named

    def select(self, type_url: str, names: frozenset[str]) -> Iterator[Entry]:
        """Yield those of the named resources that exist, at a cost of the smaller of both sets per part."""
        if len(names) < _FEW:
            yield from filter(None, (self.get(type_url, name) for name in names))
            return
        for named in self._named(type_url):
            found = names.intersection(named) if len(named) < len(names) else filter(named.__contains__, names)
            yield from (named[name] for name in found)

    def _types(self) -> Iterable[str]:
        return dict.fromkeys(type_url for part in self.parts for type_url in part.entries)

    def _named(self, type_url: str) -> Sequence[Mapping[str, Entry]]:
        return [part.entries[type_url] for part in self.parts if type_url in part.entries]


def dangling(snapshot: Snapshot) -> tuple[ResourceName, ...]:
    """Return the references that name nothing in the snapshot, sorted; () if it may be published (rule C12)."""
    references: frozenset[ResourceName] = frozenset().union(*(part.references for part in snapshot.parts))
    wanted: dict[str, set[str]] = {}
    for type_url, name in references:
        wanted.setdefault(type_url, set()).add(name)
    for type_url, names in wanted.items():
        names.difference_update(snapshot.names(type_url))
    return tuple(sorted((type_url, name) for type_url, names in wanted.items() for name in names))


def _stands_in(new: Resource, old: Resource) -> bool:
    return (new.type_url, new.name, new.references) == (old.type_url, old.name, old.references)


def _entry(resource: Resource) -> Entry:
    version_mark = mark(resource.name, resource.version)
    return Entry(resource.name, resource.version, resource.body, resource.references, version_mark)


def _changes(pairs: Sequence[tuple[Part, Part]]) -> Changes | None:
    """Return what differs once parts took the place of those that they were made from; None if there are others."""
    found: Changes = {}
    for old, new in pairs:
        more = new.following.changes_from(old) if new.following is not None else None
        if more is None:
            return None
        found = _together(found, more) if found else more
    return found


def _together(ones: Changes, others: Changes) -> Changes:
    common = {type_url: {**ones[type_url], **names} for type_url, names in others.items() if type_url in ones}
    return {**ones, **others, **common}


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
