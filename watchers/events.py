"""What a source tells: an object is here, an object is gone, this is wrong, the first list is complete.

Law: an event is a frozen value and stands alone; told twice it says nothing new.
"""

from dataclasses import dataclass

from mesh.problems import Problem, Ref
from mesh.resources import Resource


@dataclass(frozen=True, slots=True)
class Applied:
    """This object is here, and looks like this."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class Deleted:
    """The object at this address is gone."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Reported:
    """All that is wrong with one place, say a file; replaces what was said of that place before, () clears it."""

    source: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Synced:
    """The source of this name has told all that is there at first."""

    source: str


Event = Applied | Deleted | Reported | Synced
