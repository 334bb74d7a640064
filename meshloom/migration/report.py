"""The whole report: all findings in the order in which they matter, and in words for people or as JSON.

Law: pure; the same facts, the same report.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshloom import plain
from meshloom.migration import leftovers, machinery, outlook, workloads
from meshloom.migration.facts import Facts
from meshloom.migration.findings import ORDER, Finding, Weight

LONGEST: Final = 2000
"""Characters of one finding."""

_TITLES: Final[Mapping[Weight, str]] = {
    Weight.BLOCKING: "First",
    Weight.DOABLE: "meshloom migrate --apply does this",
    Weight.OPEN: "You do this",
    Weight.KNOWN: "Good to know",
}


def report(of: Facts) -> tuple[Finding, ...]:
    """Return all findings, the weightiest first; of equal ones in the order in which they are dealt with."""
    return tuple(sorted(_found(of), key=lambda one: ORDER.index(one.weight)))


def _found(of: Facts) -> Iterator[Finding]:
    """Yield all findings in the order in which their steps are done."""
    ahead = outlook.outlook(of)
    yield from machinery.running(of)
    yield from machinery.webhooks(of)
    yield from machinery.definitions(of)
    yield from leftovers.by_id(of)  # before the statuses, which say whose an id was
    yield from leftovers.held(of, ahead.resolution)
    yield from leftovers.statuses(of)
    yield from leftovers.certificates(of)
    yield from workloads.gateways(of)
    yield from workloads.pods(of)
    yield from workloads.namespaces(of)
    yield from machinery.settings(of)
    yield from leftovers.faults(of, ahead.problems)
    yield from machinery.unread(of)


def lines(found: tuple[Finding, ...]) -> Iterator[str]:
    """Yield the report in words."""
    for weight in ORDER:
        mine = [finding for finding in found if finding.weight is weight]
        if mine:
            yield f"{_TITLES[weight]}:"
            yield from (f"  - {plain.printable(str(finding), LONGEST)}" for finding in mine)
    counted = ", ".join(f"{_count(found, weight)} {weight.value}" for weight in ORDER)
    yield f"{len(found)} findings: {counted}" if found else "nothing of the original operator is left"


def as_json(found: tuple[Finding, ...]) -> dict[str, Any]:
    """Return `{"findings": […]}`."""
    return {"findings": [_said(one) for one in found]}


def _said(one: Finding) -> dict[str, str]:
    return {"weight": one.weight.value, "subject": one.subject, "fact": one.fact, "advice": one.advice}


def is_done(found: tuple[Finding, ...]) -> bool:
    """Return whether nobody has to do anything any more."""
    return all(finding.weight is Weight.KNOWN for finding in found)


def _count(found: tuple[Finding, ...], weight: Weight) -> int:
    return sum(finding.weight is weight for finding in found)
