"""What the files of a folder say: each on its own, after an edit that broke it, and all together.

Law: pure; an object comes and goes with its file, and a fault takes away no object that was there before it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mesh import documents
from mesh.problems import Problem, Ref, error, first_of
from mesh.resources import KINDS, Resource
from mesh.rules import names
from mesh.workloads import WORKLOADS
from watchers import yaml_documents

Parse = Callable[[Mapping[str, Any], Ref | None], documents.Parsed]
"""Reads one object, as `mesh.documents.parsed`; the Ref is the place in the file."""

_KINDS = {*KINDS, *WORKLOADS}


@dataclass(frozen=True, slots=True)
class Entry:
    """A good object and where it begins: file, line (from 1)."""

    resource: Resource
    path: str
    line: int

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one file says: its good objects in the order of the file, and what is wrong with it.

    `faulty` holds the addresses of objects that are there, but wrong. `uncertain` means that something in the file
    cannot be told: its objects may be more than those that were found.
    """

    path: str
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    faulty: frozenset[Ref] = frozenset()
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What all files say together; `places` tells for each object the `file:line` it was read from."""

    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    places: Mapping[Ref, str] = field(default_factory=dict)


def sheet(path: str, text: str, parse: Parse = documents.parsed) -> Sheet:
    """Return what a file of this text says."""
    read = yaml_documents.read(text)
    if read.flaw:
        return unreadable(path, read.flaw)
    return _joined(path, [part for document in read.documents for part in _parts(path, document, parse)])


def unreadable(path: str, flaw: yaml_documents.Flaw) -> Sheet:
    """Return the sheet of a file that cannot be read."""
    return Sheet(path, problems=(error(_place(path, flaw.line), "", flaw.fault, flaw.remedy),), uncertain=True)


def with_last_good(fresh: Sheet, before: Sheet) -> Sheet:
    """Return a sheet in which the faults of an edit have taken away none of the objects that were there before."""
    here = {entry.resource.ref for entry in fresh.entries}
    kept = (
        entry
        for entry in before.entries
        if entry.resource.ref not in here and (fresh.uncertain or entry.resource.ref in fresh.faulty)
    )
    return replace(fresh, entries=tuple(sorted((*fresh.entries, *kept), key=lambda entry: entry.line)))


def reading(sheets: Iterable[Sheet]) -> Reading:
    """Return what these files say together: of objects of one address the first counts, the others are problems."""
    everything = tuple(sheets)
    first = first_entries(everything)
    return Reading(
        tuple(entry.resource for entry in first.values()),
        tuple(problem for item in everything for problem in problems(item, first)),
        {ref: entry.place for ref, entry in first.items()},
    )


def first_entries(sheets: Iterable[Sheet]) -> dict[Ref, Entry]:
    """Return for each address the entry that counts: the first, in the order of files and then of lines."""
    first: dict[Ref, Entry] = {}
    for entry in (entry for item in sheets for entry in item.entries):
        first.setdefault(entry.resource.ref, entry)
    return first


def problems(item: Sheet, first: Mapping[Ref, Entry]) -> tuple[Problem, ...]:
    """Return what is wrong in one file, given which entry counts for each address."""
    return (*item.problems, *_duplicates(item, first))


def _duplicates(item: Sheet, first: Mapping[Ref, Entry]) -> Iterator[Problem]:
    for entry in item.entries:
        counts = first[entry.resource.ref]
        if counts is not entry:
            fault = f"is written twice: {counts.place} counts, {entry.place} is ignored"
            yield error(entry.resource.ref, "", fault, "remove one of the two, or give it another name")


def _joined(path: str, parts: Sequence[Sheet]) -> Sheet:
    return Sheet(
        path,
        tuple(entry for part in parts for entry in part.entries),
        tuple(problem for part in parts for problem in part.problems),
        frozenset(ref for part in parts for ref in part.faulty),
        any(part.uncertain for part in parts),
    )


def _parts(path: str, document: yaml_documents.Document, parse: Parse) -> Iterator[Sheet]:
    nodes = _objects(document.root)
    if document.flaws:
        yield _flawed(path, document.flaws, [_address(node.value) for node in nodes])
    else:
        yield from (_part(path, node, parse) for node in nodes)


def _objects(node: yaml_documents.Node) -> tuple[yaml_documents.Node, ...]:
    """Return the items of a `List`, else the object itself."""
    members = documents.members(node.value)
    is_itself = len(members) == 1 and members[0] is node.value
    return (node,) if is_itself else tuple(node.parts["items"].parts.values())


def _flawed(path: str, flaws: Sequence[yaml_documents.Flaw], addresses: Sequence[Ref | None]) -> Sheet:
    """Return the sheet of a document that can be read, but must not be believed."""
    known = frozenset(ref for ref in addresses if ref)
    subject = next(iter(known)) if len(known) == len(addresses) == 1 else None
    found = (error(subject or _place(path, flaw.line), "", flaw.fault, flaw.remedy) for flaw in flaws)
    placed = (_placed(problem, f"{path}:{flaw.line}") for problem, flaw in zip(found, flaws, strict=True))
    return Sheet(path, (), first_of(placed), known, len(known) < len(addresses))


def _part(path: str, node: yaml_documents.Node, parse: Parse) -> Sheet:
    """Return the sheet of one object."""
    parsed = parse(node.value, _place(path, node.line))
    placed = tuple(_placed(problem, f"{path}:{node.line_of(problem.field)}") for problem in parsed.problems)
    if parsed.resource is not None:
        return Sheet(path, (Entry(parsed.resource, path, node.line),), placed)
    if not documents.has_errors(parsed):
        return Sheet(path, (), placed)
    address = _address(node.value)
    return Sheet(path, (), placed, frozenset([address] if address else ()), address is None)


def _address(value: Any) -> Ref | None:
    """Return the address of an object of a kind that is read, whatever else is wrong with it, or None."""
    match value:
        case {"kind": str(kind), "metadata": {"name": str(name)}} if name and kind in _KINDS:
            return names.best_effort_ref(value)
        case _:
            return None


def _place(path: str, line: int) -> Ref:
    return Ref("File", "", f"{path}:{line}" if line else path)


def _placed(problem: Problem, place: str) -> Problem:
    """Return a problem that says where in which file it is, if its subject does not."""
    if problem.subject.kind == "File":
        return problem
    return replace(problem, fault=f"{problem.fault} ({place})")
