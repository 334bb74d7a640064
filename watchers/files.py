"""A folder of YAML files as a source of events, and the same folder read once.

Law: reading once and watching go the same way; a file that breaks keeps its last good objects, and is reported.
"""

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mesh import documents, problems
from mesh.problems import Problem, Ref
from watchers import folder, sheets, stirs
from watchers.events import Applied, Deleted, Event, Reported, Synced
from watchers.sheets import Reading
from watchers.yaml_documents import Flaw

LARGEST = 8 * 2**20
"""Bytes of one file."""
STDIN = "-"

AnyPath = str | os.PathLike[str]


Filed = tuple[folder.Signature | None, sheets.Sheet]
"""What a file says, and the signature it had; None where it must be read again in any case."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a folder said at one moment: its files and what could not be listed, the objects, the problems by label."""

    filed: Mapping[str, Filed] = field(default_factory=dict)
    hidden: Mapping[str, Flaw] | None = None
    entries: Mapping[Ref, sheets.Entry] = field(default_factory=dict)
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Whether the folder exists and has been read."""
        return self.hidden is not None and "" not in self.hidden


class FileSource:
    """A folder or a single file, watched for ever: a `watchers.feed.Source`.

    It is synced when the folder has been read for the first time; until the folder exists it is waited for, and a
    problem says so. `poll` is the seconds between looks that need no notice of the system, `largest` the bytes of
    one file. Its events never raise.
    """

    def __init__(
        self, path: AnyPath, *, poll: float = 1.0, largest: int = LARGEST, parse: sheets.Parse = documents.parsed
    ) -> None:
        self.path = os.fspath(path)
        self.name = f"files:{self.path}"
        self.places: Mapping[Ref, str] = {}
        """Where each object was read last, as `file:line` relative to the folder."""
        self._poll = poll
        self._look = functools.partial(look, self.path, largest=largest, parse=parse)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the objects and problems of all files, `Synced`, then what changes; files are read in a thread."""
        before, synced = Look(), False
        async with contextlib.aclosing(stirs.stirs(self.path, self._poll)) as stirred:
            async for _ in stirred:
                after, events = await asyncio.to_thread(self._news, before)
                for event in events:
                    yield event
                if after.is_there and not synced:
                    synced = True
                    yield Synced(self.name)
                before = after

    def _news(self, before: Look) -> tuple[Look, tuple[Event, ...]]:
        after = self._look(before)
        if after is before:
            return before, ()
        self.places = {ref: entry.place for ref, entry in after.entries.items()}
        return after, tuple(_events(self.name, before, after))


def look(path: str, before: Look, *, largest: int = LARGEST, parse: sheets.Parse = documents.parsed) -> Look:
    """Return what a folder says now; files that have not changed since `before` are not read again.

    What has broken since `before` keeps its last good objects; so do files in a folder that cannot be listed any more.
    """
    listing = folder.listing(path)
    filed = {file.label: _filed(file, before.filed.get(file.label), largest, parse) for file in listing.files}
    kept = {label: old for label, old in before.filed.items() if label not in filed and listing.hides(label)}
    filed = dict(sorted({**filed, **kept}.items()))
    if before.hidden == listing.hidden and before.filed == filed:
        return before
    first = sheets.first_entries(sheet for _, sheet in filed.values())
    found = {label: sheets.problems(sheet, first) for label, (_, sheet) in filed.items()}
    hidden = {label: _hidden(label or path, flaw) for label, flaw in listing.hidden.items()}
    return Look(filed, listing.hidden, first, {**found, **hidden})


def read(paths: Iterable[AnyPath], *, largest: int = LARGEST, parse: sheets.Parse = documents.parsed) -> Reading:
    """Return what files and folders say now, `-` for standard input; places begin with the paths as they are given.

    A file that is given twice is read once; of two objects of one address the first counts, in the order of paths.
    """
    found: dict[str, sheets.Sheet] = {}
    for path in paths:
        for identity, sheet in _sheets(os.fspath(path), largest, parse):
            found.setdefault(identity, sheet)
    return sheets.reading(found.values())


def _sheets(path: str, largest: int, parse: sheets.Parse) -> Iterator[tuple[str, sheets.Sheet]]:
    """Yield the absolute path and the sheet of each file at or below a path, and of what could not be listed."""
    if path == STDIN:
        yield path, _sheet("stdin", folder.decoded(sys.stdin.buffer.read(largest + 1), largest), parse)
        return
    listing = folder.listing(path, os.path.normpath(path))
    for label, flaw in listing.hidden.items():
        yield os.path.abspath(label), sheets.Sheet(label, problems=_hidden(label, flaw))
    for file in listing.files:
        yield os.path.abspath(file.path), _sheet(file.label, folder.text(file.path, largest), parse)


def _filed(file: folder.File, before: Filed | None, largest: int, parse: sheets.Parse) -> Filed:
    if before and file.signature and before[0] == file.signature:
        return before
    text = folder.text(file.path, largest)
    sheet = _sheet(file.label, text, parse)
    signature = None if isinstance(text, Flaw) else file.signature
    return signature, sheets.with_last_good(sheet, before[1]) if before else sheet


def _sheet(label: str, text: str | Flaw, parse: sheets.Parse) -> sheets.Sheet:
    return sheets.unreadable(label, text) if isinstance(text, Flaw) else sheets.sheet(label, text, parse)


def _hidden(label: str, flaw: Flaw) -> tuple[Problem, ...]:
    return (problems.error(Ref("File", "", label), "", flaw.fault, flaw.remedy),)


def _events(name: str, before: Look, after: Look) -> Iterator[Event]:
    """Yield what has changed between two looks."""
    for ref, entry in after.entries.items():
        old = before.entries.get(ref)
        if old is None or old.resource != entry.resource:
            yield Applied(entry.resource)
    yield from (Deleted(ref) for ref in before.entries if ref not in after.entries)
    for label in sorted({*before.problems, *after.problems}):
        found = after.problems.get(label, ())
        if found != before.problems.get(label, ()):
            yield Reported(f"{name}:{label}" if label else name, found)
