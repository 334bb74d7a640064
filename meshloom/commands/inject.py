"""`meshloom inject`: pods, and what pods are made of, with the proxies that the webhook would give them.

Law: nothing is decided here; pods become what `meshloom.injector.patch` makes of them. What makes no pods is printed as
it was, and that something could not be read is said: who applies what is printed would miss it.
"""

import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import rich.box
import rich.console
import rich.table
import rich.text
import typer
import yaml

from mesh import documents
from mesh.problems import Problem, Ref, Severity
from meshloom import choices
from meshloom import settings as settings_model
from meshloom.commands import check, offline
from meshloom.injector import facts, patch, templates, wishes
from meshloom.injector.patch import Outcome
from meshloom.injector.terms import Terms

COLUMNS = ("Object", "Outcome", "Why, and what to do")


class Injected(NamedTuple):
    """An object of a file, and what becomes of its pod; None if it makes none."""

    document: Mapping[str, Any]
    outcome: Outcome | None


def run(
    paths: Sequence[str], form: choices.Form, settings: pathlib.Path | None, *, classic: bool, explain: bool
) -> int:
    """Print objects with their proxies, or what becomes of each and why; return the exit code.

    Raises errors.UserError.
    """
    unread, found = injected(paths, settings_model.loaded(settings), classic=classic)
    for problem in (*unread, *(() if explain else _told(found))):
        typer.echo(f"{problem.severity.value}: {problem}", err=True)
    if explain:
        _explained(found)
    else:
        _print([one.document for one in found], form)
    return 1 if unread or any(one.outcome.is_refused for one in found if one.outcome) else 0


def injected(
    paths: Sequence[str], chosen: settings_model.Settings, *, classic: bool
) -> tuple[tuple[Problem, ...], tuple[Injected, ...]]:
    """Return what could not be read, and the objects of files in order, with their proxies. Raises errors.UserError."""
    written: list[Mapping[str, Any]] = []

    def parse(document: Mapping[str, Any], place: Ref | None) -> documents.Parsed:
        written.append(document)
        return documents.parsed(document, place)

    read = offline.read(tuple(dict.fromkeys(paths)), chosen, parse)
    known = facts.facts(read.resolution)
    terms = chosen.kubernetes.injection.terms((0, 0) if classic else wishes.NATIVE_SINCE)
    unread = tuple(one for one in read.reading.problems if one.severity is Severity.ERROR)
    return unread, tuple(_injected(document, known, terms) for document in written)


def _injected(document: Mapping[str, Any], known: facts.Facts, terms: Terms) -> Injected:
    pod = templates.pod(document)
    outcome = patch.patch(pod, known, terms) if pod else None
    made = outcome.document if outcome else None
    return Injected(document if made is None else templates.replaced(document, made), outcome)


def _told(found: Iterable[Injected]) -> Iterator[Problem]:
    for one in found:
        if one.outcome:
            yield from one.outcome.warnings
            if one.outcome.problem and (one.outcome.is_refused or one.outcome.is_missed):
                yield one.outcome.problem


def _print(found: Sequence[Mapping[str, Any]], form: choices.Form) -> None:
    if form is choices.Form.JSON:
        typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}, indent=2, default=str))
    else:
        typer.echo(yaml.safe_dump_all(found, sort_keys=False, width=120), nl=False)


def _explained(found: Sequence[Injected]) -> None:
    columns = (rich.table.Column(title, overflow="fold") for title in COLUMNS)
    table = rich.table.Table(*columns, box=rich.box.SIMPLE)
    for one in found:
        if one.outcome:
            table.add_row(*map(rich.text.Text, _row(one.document, one.outcome)))
    console = rich.console.Console()
    (console if console.is_terminal else rich.console.Console(width=check.WIDTH)).print(table)


def _row(document: Mapping[str, Any], outcome: Outcome) -> tuple[str, str, str]:
    metadata = document["metadata"]
    name = f"{document['kind']} {metadata.get('namespace') or 'default'}/{metadata.get('name')}"
    why = [f"binding {outcome.binding.ref.key}, deployment {outcome.binding.deployment.key}"] if outcome.binding else []
    said = [*why, *map(str, (*outcome.warnings, *([outcome.problem] if outcome.problem else [])))]
    return name, outcome.reason.value, "\n".join(said)
