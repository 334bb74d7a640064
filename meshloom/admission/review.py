"""Whether a change is let in: an AdmissionReview in, an AdmissionReview out.

Law: pure; the judgement is that of `mesh.admission`. The answer is the same however often it is asked, dry run or not.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from mesh import admission, documents, resources
from mesh.documents import Parsed
from mesh.problems import Problem, Severity
from mesh.resolve import Resolution
from mesh.resources import Resource
from meshloom.admission import answers
from meshloom.admission.answers import Answer
from meshloom.admission.asked import Asked, Object, asked

NOT_READ_YET = "meshloom has not read the cluster yet; try again in a moment"


def review(document: object, now: Resolution | None) -> dict[str, Any]:
    """Return the answer to an AdmissionReview. `now` is what the mesh is like, None if that is not known yet.

    Raises asked.UnreadableError where the document is none.
    """
    question = asked(document)
    return answers.document(question.uid, judged(question, now))


def judged(question: Asked, now: Resolution | None) -> Answer:
    """Return whether a change is let in."""
    if question.is_of_part:
        return answers.LET_IN
    if question.of != resources.API_VERSION or question.kind not in resources.KINDS:
        what = f"{question.kind or 'an object'} of {question.of or 'no group'}"
        return answers.unanswerable(f"{what} is nothing that meshloom judges; leave it out of the webhook's rules")
    match question.operation, question.new, question.old:
        case "CREATE", Mapping() as new, None:
            return _created(new, now)
        case "UPDATE", Mapping() as new, Mapping() as old:
            return _updated(old, new, now)
        case "DELETE", _, old:
            return _removed(old, now)
        case operation, _, _:
            return answers.unanswerable(f"{operation[:60]!r} without its objects is nothing that meshloom judges")


def _created(new: Object, now: Resolution | None) -> Answer:
    found = documents.parsed(new)
    if found.resource is None:
        return _unreadable(found)
    return _not_yet() if now is None else _answer(found, admission.creation(found.resource, now))


def _updated(old: Object, new: Object, now: Resolution | None) -> Answer:
    """Rule 2.2.1: what leaves the spec as it is is let in unread."""
    if old.get("spec") == new.get("spec"):
        return answers.LET_IN
    found, before = documents.parsed(new), documents.parsed(old).resource
    if found.resource is None:
        return _unreadable(found)
    if now is None:
        return _not_yet()
    return _answer(found, _change(before, found.resource, now))


def _change(before: Resource | None, new: Resource, now: Resolution) -> admission.Verdict:
    """Return the verdict on a change; one that mends what could not be read is judged as if it were new."""
    return admission.creation(new, now) if before is None else admission.update(before, new, now)


def _removed(old: Object | None, now: Resolution | None) -> Answer:
    before = documents.parsed(old).resource
    if before is None or now is None:
        return answers.LET_IN
    return Answer(warnings=answers.warned(admission.removal(before, now).warnings))


def _answer(found: Parsed, verdict: admission.Verdict) -> Answer:
    warnings = (*_notes(found), *verdict.warnings)
    if verdict.is_admitted:
        return Answer(warnings=answers.warned(warnings), after=verdict.after)
    return answers.refused(verdict.refusals, warnings, is_by_others=verdict.is_by_others)


def _unreadable(found: Parsed) -> Answer:
    return answers.unreadable([one for one in found.problems if one.severity is Severity.ERROR] or found.problems)


def _notes(found: Parsed) -> tuple[Problem, ...]:
    return tuple(dict.fromkeys(found.problems))


def _not_yet() -> Answer:
    return answers.later(NOT_READ_YET, HTTPStatus.SERVICE_UNAVAILABLE)
