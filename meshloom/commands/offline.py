"""What the files on a command line say and mean, by the functions the server uses.

Law: nothing is decided here; a file, the server and the CLI never disagree.
"""

import pathlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh import documents, inventory, resolve
from mesh.problems import Problem, Severity
from meshloom import edge_secrets, errors
from meshloom import settings as settings_model
from watchers import files, sheets

_PLACE = re.compile(r" \(([^()]+:\d+)\)$")


@dataclass(frozen=True, slots=True)
class Offline:
    """What was read and what it means; `problems` are those of the files and of the mesh, in order."""

    reading: sheets.Reading
    resolution: resolve.Resolution
    problems: tuple[Problem, ...]

    @property
    def has_errors(self) -> bool:
        """Whether something that was asked for is not done."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def read(paths: Sequence[str], settings: settings_model.Settings, parse: sheets.Parse = documents.parsed) -> Offline:
    """Return what files, folders and `-` for standard input say; `parse` reads each object.

    Raises errors.UserError for a path to nowhere.
    """
    for path in paths:
        if path != files.STDIN and not pathlib.Path(path).exists():
            raise errors.UserError(f"{path} does not exist; name a file or folder of YAML, or - for standard input")
    reading = files.read(paths, largest=settings.files.largest_bytes, parse=parse)
    resolution = resolve.resolve(inventory.inventory_of(reading.resources), settings=settings.model())
    endings = edge_secrets.endings(resolution, time.time())
    return Offline(reading, resolution, (*reading.problems, *resolution.problems, *endings))


def placed(problem: Problem, offline: Offline) -> tuple[Problem, str]:
    """Return a problem without its place in its words, and the place as `file:line`, empty where there is none."""
    if problem.subject.kind == "File":
        return problem, problem.subject.name
    if said := _PLACE.search(problem.fault):
        return replace(problem, fault=problem.fault[: said.start()]), said.group(1)
    return problem, offline.reading.places.get(problem.subject, "")
