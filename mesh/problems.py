"""What is wrong with something a user wrote, said so that a newcomer can mend it.

Law: a problem names its resource, its field, the fault and the remedy; it is a value, never an exception.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Ref(NamedTuple):
    """The address of an object: kind, namespace, name. Sorts by kind, then namespace, then name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def key(self) -> str:
        """`namespace/name`, or the bare name of an object that has no namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Severity(enum.Enum):
    """ERROR: something the user asked for is not done. WARNING: it is done, but perhaps not what was meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault: where it is, what it is, what to do about it.

    `subject` may also be a file: kind `File`, no namespace, name `folder/mesh.yaml:12`. `field` is a path as
    `spec.hosts[0].listeners[1].port`, or empty where the whole object is meant.
    """

    subject: Ref
    field: str
    fault: str
    remedy: str
    severity_name: str = Severity.ERROR.value

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return Severity(self.severity_name)

    def __str__(self) -> str:
        where = f"{self.subject} {self.field}" if self.field else f"{self.subject}"
        return f"{where}: {self.fault}; {self.remedy}"


MOST_ALIKE = 100
"""Problems of one sort that are told of one object."""


def error(subject: Ref, field: str, fault: str, remedy: str) -> Problem:
    """Return a problem that keeps something from working."""
    return Problem(subject, field, fault, remedy)


def warning(subject: Ref, field: str, fault: str, remedy: str) -> Problem:
    """Return a problem that works, but perhaps not as meant."""
    return Problem(subject, field, fault, remedy, Severity.WARNING.value)


def first_of(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems of one sort in one object; where they are very many, the first, and one that counts the rest."""
    listed = tuple(found)
    return (*listed[:MOST_ALIKE], *rest_of(listed[MOST_ALIKE:])) if len(listed) > MOST_ALIKE else listed


def rest_of(untold: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return one problem that stands for many that are not told; none for none."""
    if not untold:
        return ()
    fault = f"has {len(untold):,} more problems of the same sort as {MOST_ALIKE} that are listed"
    worst = min(problem.severity_name for problem in untold)  # "error" comes before "warning"
    return (Problem(untold[0].subject, "", fault, "mend those first", worst),)
