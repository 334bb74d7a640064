"""What is said of one object before any proxy is asked: do its references hold, and is it configured.

Law: pure; a verdict follows from the object, where its references lead, what is wrong with it, and what it has become.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from mesh.problems import Problem, Ref, Severity
from mesh.resolve import references
from meshloom.status.verdicts import INVALID, NOT_RESOLVED, Truth, Verdict, listed, success

LET_GO: Final = success("nothing refers to it any more")
RESOLVED: Final = "all that it refers to is there"
CONFIGURED: Final = "it is part of what proxies are given"
_SERVICE: Final = "Service"
WAITS: Final = "it waits for what it refers to; proxies keep what they have"


class Facts(NamedTuple):
    """What those who refer to an object need to know of it. `fault` says why it is not ready, empty if it is."""

    id: str = ""
    name: str = ""
    fields: Mapping[str, Any] = {}
    is_ending: bool = False
    fault: str = ""


class Bound(NamedTuple):
    """The references of an object: as written, those that lead somewhere by field, and what is wrong with them."""

    links: tuple[references.Link, ...]
    bonds: references.Bonds
    problems: tuple[Problem, ...]

    @property
    def lost(self) -> tuple[references.Link, ...]:
        """Return the references that lead nowhere, or nowhere that the settings permit."""
        return tuple(link for link in self.links if (link.ref or link.id) and link.field not in self.bonds.targets)


NO_BONDS: Final = Bound((), references.Bonds({}), ())


def dependencies(of: Bound, facts: Mapping[Ref, Facts]) -> Verdict:
    """Return whether all that an object refers to is there, stays, and is ready.

    A Service that is not there leaves it open, as in the original: Services come and go with deployments.
    """
    lost = of.lost
    refused = [_words(link, of.problems) for link in lost if link.kind != _SERVICE or link.field in of.bonds.refused]
    targets = dict.fromkeys(of.bonds.targets.values())
    ending = [f"{ref} is being deleted" for ref in targets if ref in facts and facts[ref].is_ending]
    if refused or ending:
        return Verdict(Truth.FALSE, NOT_RESOLVED, listed((*refused, *ending)))
    absent = [_words(link, of.problems) for link in lost]
    unready = [f"{ref} {facts[ref].fault}" for ref in targets if ref in facts and facts[ref].fault]
    if absent or unready:
        return Verdict(Truth.UNKNOWN, NOT_RESOLVED, listed((*absent, *unready)))
    return success(RESOLVED)


def held(words: Iterable[str]) -> Verdict:
    """Return that an object which is being deleted waits for those that refer to it."""
    return Verdict(Truth.UNKNOWN, NOT_RESOLVED, listed(words))


def configured(of: Bound, found: tuple[Problem, ...], is_meant: bool) -> Verdict:
    """Return whether an object is compiled and published as it is written.

    `found` is all that is wrong with it; `is_meant` whether it has a place in the graph. A binding without its Service
    binds nothing.
    """
    faults = tuple(_faults(found, frozenset(of.problems)))
    if faults:
        return Verdict(Truth.FALSE, INVALID, listed(faults))
    if not is_meant or any(link.severity is Severity.ERROR or link.kind == _SERVICE for link in of.lost):
        return Verdict(Truth.UNKNOWN, NOT_RESOLVED, WAITS)
    return success(CONFIGURED)


def fault(kind: str, depends: Verdict, is_configured: Verdict) -> str:
    """Return why others cannot rest on an object yet, empty if they can."""
    verdicts = {"ServiceMeshDependenciesActive": depends, "ServiceMeshConfigured": is_configured}
    wrong = [f"{name} is {verdict.truth.value}" for name, verdict in verdicts.items() if not verdict.is_true]
    return f"is not ready: its {wrong[0]}" if wrong else ""


def _faults(found: tuple[Problem, ...], of_references: frozenset[Problem]) -> Iterator[str]:
    for problem in found:
        if problem.severity is Severity.ERROR and problem not in of_references:
            yield said(problem)


def _words(link: references.Link, found: tuple[Problem, ...]) -> str:
    told = next((problem for problem in found if problem.field in (link.field, f"{link.field}.id")), None)
    return said(told) if told is not None else f"{link.field} leads nowhere"


def said(problem: Problem) -> str:
    """Return a problem in words for the object itself, which need not be named."""
    where = f"{problem.field}: " if problem.field else ""
    return f"{where}{problem.fault}; {problem.remedy}"
