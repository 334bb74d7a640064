"""What was found and what becomes of it; where meshloom can do something about it, the step that does.

Law: values. A finding says what is the case, what happens, and what is to be done, so that nobody has to guess.
"""

import enum
from dataclasses import dataclass
from typing import Any, Final

from mesh.problems import Ref

Json = dict[str, Any]


class Weight(enum.Enum):
    """BLOCKING: nothing may be done before. DOABLE: `--apply` does it. OPEN: somebody has to. KNOWN: good to know."""

    BLOCKING = "blocking"
    DOABLE = "doable"
    OPEN = "open"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one object: a JSON patch that holds only where the object is as it was read; None: it is removed.

    `said` is what was done, in the past tense.
    """

    ref: Ref
    said: str
    patch: tuple[Json, ...] | None = None
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `subject` is an object, or a few words where there is none or more than one."""

    weight: Weight
    subject: str
    fact: str
    advice: str
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return f"{self.subject}: {self.fact}; {self.advice}"


ORDER: Final = tuple(Weight)
"""The order in which findings are shown."""


def blocking(subject: Ref | str, fact: str, advice: str) -> Finding:
    """Return something that has to be done before anything else."""
    return Finding(Weight.BLOCKING, str(subject), fact, advice)


def doable(subject: Ref | str, fact: str, advice: str, *steps: Step) -> Finding:
    """Return something that `--apply` does."""
    return Finding(Weight.DOABLE, str(subject), fact, advice, steps)


def still_open(subject: Ref | str, fact: str, advice: str) -> Finding:
    """Return something that somebody has to do."""
    return Finding(Weight.OPEN, str(subject), fact, advice)


def known(subject: Ref | str, fact: str, advice: str) -> Finding:
    """Return something that is good to know."""
    return Finding(Weight.KNOWN, str(subject), fact, advice)


def tested(path: str, value: Any) -> Json:
    """Return the operation of a JSON patch that holds only where there is this value."""
    return {"op": "test", "path": path, "value": value}


def pointer(*steps: str | int) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
