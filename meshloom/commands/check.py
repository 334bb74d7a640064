"""`meshloom check`: what is wrong with a mesh, as a table for people or as JSON.

Law: the words are those of `Problem`; nothing is found here.
"""

import json
import pathlib
from collections.abc import Iterator, Sequence

import rich.box
import rich.console
import rich.table
import rich.text
import typer

from mesh.problems import Problem, Severity
from meshloom import choices
from meshloom import settings as settings_model
from meshloom.commands import offline

COLUMNS = ("", "Resource", "Field", "What is wrong", "What to do", "Where")
WIDTH = 160
"""Columns where the output is no terminal."""

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def run(paths: Sequence[str], listing: choices.Listing, settings: pathlib.Path | None) -> int:
    """Print what is wrong with what the paths hold; return the exit code. Raises errors.UserError."""
    found = offline.read(paths, settings_model.loaded(settings))
    if listing is choices.Listing.JSON:
        typer.echo(as_json(found))
    else:
        console = rich.console.Console()
        as_table(found, console if console.is_terminal else rich.console.Console(width=WIDTH))
    return 1 if found.has_errors else 0


def as_json(found: offline.Offline) -> str:
    """Return `{"resources": N, "problems": […]}`."""
    said = {
        "resources": len(found.reading.resources),
        "problems": [_json(*offline.placed(problem, found)) for problem in found.problems],
    }
    return json.dumps(said, indent=2)


def as_table(found: offline.Offline, console: rich.console.Console) -> None:
    """Print the problems as a table, or that there are none, and one line that sums up."""
    if found.problems:
        columns = (rich.table.Column(title, overflow="fold") for title in COLUMNS)  # nothing is cut off
        table = rich.table.Table(*columns, box=rich.box.SIMPLE)
        for problem in found.problems:
            table.add_row(*_cells(*offline.placed(problem, found)))
        console.print(table)
    console.print(_summary(found), highlight=False, markup=False)


def _cells(problem: Problem, place: str) -> Iterator[rich.text.Text]:
    yield rich.text.Text(problem.severity.value, style=_COLORS[problem.severity])
    subject = "" if problem.subject.kind == "File" else str(problem.subject)
    yield from (rich.text.Text(cell) for cell in (subject, problem.field, problem.fault, problem.remedy, place))


def _json(problem: Problem, place: str) -> dict[str, object]:
    return {
        "severity": problem.severity.value,
        "resource": problem.subject._asdict(),
        "field": problem.field,
        "fault": problem.fault,
        "remedy": problem.remedy,
        "place": place,
    }


def _summary(found: offline.Offline) -> str:
    read = _counted(len(found.reading.resources), "resource")
    errors = sum(problem.severity is Severity.ERROR for problem in found.problems)
    warnings = len(found.problems) - errors
    if not found.problems:
        return f"no problems found in {read}"
    return f"{_counted(errors, 'error')} and {_counted(warnings, 'warning')} in {read}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
