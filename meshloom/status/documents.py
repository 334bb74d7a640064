"""The status of an object as it is written: fields, conditions in order, and when each of these last changed.

Law: pure; what was written before is read with care, for anybody may have written it. A document in which nothing is
new equals the one before, so that it need not be written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from meshloom.status import judgements, progress
from meshloom.status.draft import Draft
from meshloom.status.fields import OWN
from meshloom.status.progress import Proxies
from meshloom.status.verdicts import (
    ACTIVE,
    CONFIGURED,
    DEPENDENCIES,
    Truth,
    Verdict,
    condition_types,
)

Document = Mapping[str, Any]

_UPDATED: Final = "lastUpdatedTime"
_MADE_BY_KUBERNETES_ALONE: Final = 2
"""Conditions of the kinds that have no `lastUpdatedTime`."""


class Condition(NamedTuple):
    """A condition as it was written."""

    status: str = ""
    reason: str = ""
    message: str = ""
    since: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a status is judged by beside its draft: the proxies it concerns, since which pass it is configured as it is,
    why it has to wait while it is being deleted, the time, as `2026-01-31T12:00:00Z`, and what is said before proxies
    are asked, if anything is.
    """

    proxies: Proxies
    since: int
    now: str
    held: tuple[str, ...] = ()
    first: Verdict | None = None


def document(draft: Draft, moment: Moment, before: Document) -> Document:
    """Return the status of an object, whose status was `before`."""
    written = conditions(before)
    verdicts = _verdicts(draft, moment, written)
    types = condition_types(draft.ref.kind)
    told = [_condition(name, verdicts[name], draft.generation, moment.now, written) for name in types]
    updated = {_UPDATED: _updated(draft, moment, before, written)} if len(types) > _MADE_BY_KUBERNETES_ALONE else {}
    return {**draft.facts.fields, **{name: value for name, value in updated.items() if value}, "conditions": told}


def owned(status: Any) -> Document:
    """Return the part of a status that is ours to write."""
    return {name: value for name, value in status.items() if name in OWN} if isinstance(status, Mapping) else {}


def conditions(status: Document) -> Mapping[str, Condition]:
    """Return the conditions of a status by type; what is not one is passed over."""
    told = status.get("conditions")
    found = (one for one in told if isinstance(one, Mapping)) if isinstance(told, list) else ()
    return {str(one.get("type")): _read(one) for one in found}


def is_open(draft: Draft, moment: Moment, status: Document) -> bool:
    """Return whether something is waited for of what proxies say."""
    if draft.facts.is_ending or not draft.configured.is_true:
        return False
    now = conditions(status).get(ACTIVE, Condition())
    is_first = now.message == progress.NO_PROXY and moment.proxies.connected > 0
    return now.status == Truth.UNKNOWN.value or is_first


def accepted(draft: Draft, written: Mapping[str, Condition]) -> str:
    """Return the message of the condition Active if it held for what is written now, otherwise empty."""
    was = written.get(ACTIVE, Condition())
    holds = was.status == Truth.TRUE.value and was.generation == draft.generation
    return was.message if holds else ""


def _verdicts(draft: Draft, moment: Moment, written: Mapping[str, Condition]) -> Mapping[str, Verdict]:
    return {
        DEPENDENCIES: judgements.held(moment.held) if moment.held else _references(draft),
        CONFIGURED: draft.configured,
        ACTIVE: _active(draft, moment, written),
    }


def _references(draft: Draft) -> Verdict:
    return judgements.LET_GO if draft.facts.is_ending else draft.dependencies


def _active(draft: Draft, moment: Moment, written: Mapping[str, Condition]) -> Verdict:
    if draft.facts.is_ending:
        return progress.waiting(is_ending=True)
    if draft.configured.is_true and moment.first is not None:
        return moment.first
    if draft.configured.is_true:
        return progress.active(moment.proxies, moment.since, accepted(draft, written))
    return draft.configured if CONFIGURED not in condition_types(draft.ref.kind) else progress.waiting(is_ending=False)


def _condition(
    name: str, verdict: Verdict, generation: int, now: str, written: Mapping[str, Condition]
) -> dict[str, Any]:
    """An open question keeps the generation of the last answer, as in the original."""
    was = written.get(name, Condition())
    is_same = was.status == verdict.truth.value and was.since
    of = was.generation if verdict.truth is Truth.UNKNOWN and was.generation else generation
    return {
        "type": name,
        "status": verdict.truth.value,
        "reason": verdict.reason,
        "message": verdict.message,
        "lastTransitionTime": was.since if is_same else now,
        "observedGeneration": of,
    }


def _updated(draft: Draft, moment: Moment, before: Document, written: Mapping[str, Condition]) -> str:
    """Return when what is written was last accepted."""
    was = written.get(CONFIGURED, Condition())
    last = before.get(_UPDATED)
    known = last if isinstance(last, str) else ""
    is_known = was.status == Truth.TRUE.value and was.generation == draft.generation and known
    return moment.now if draft.configured.is_true and not is_known else known


def _read(one: Mapping[str, Any]) -> Condition:
    generation = one.get("observedGeneration")
    texts = (one.get(name) for name in ("status", "reason", "message", "lastTransitionTime"))
    status, reason, message, since = (text if isinstance(text, str) else "" for text in texts)
    return Condition(status, reason, message, since, generation if isinstance(generation, int) else 0)


def news(before: Document, after: Document) -> Iterator[tuple[str, Condition]]:
    """Yield the conditions that have changed in a way that people are told of: another status, or another fault.

    Of an object that is fine from the start it is told once, not of each condition.
    """
    was = conditions(before)
    for name, now in conditions(after).items():
        then = was.get(name, Condition())
        if not _is_expected(name, then, now) and (now.status != then.status or _fault(now) != _fault(then)):
            yield name, now


def _is_expected(name: str, then: Condition, now: Condition) -> bool:
    """Return whether nobody asks: proxies take their time, and what was never doubted is true."""
    if name == ACTIVE:
        return now.status == Truth.UNKNOWN.value
    return now.status == Truth.TRUE.value and not then.status


def _fault(condition: Condition) -> tuple[str, str]:
    return ("", "") if condition.status == Truth.TRUE.value else (condition.reason, condition.message)
