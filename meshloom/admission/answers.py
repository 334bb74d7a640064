"""What the API server is answered: let in, with warnings, or refused, with the words that kubectl shows.

Law: pure. What is shown is bounded and printable, whatever was written; that a line was cut or left out is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from mesh.problems import Problem
from mesh.resolve import Resolution
from meshloom import plain
from meshloom.admission import asked

Json = dict[str, Any]

LONGEST_WARNING: Final = 250
MOST_WARNINGS: Final = 12
"""The API server cuts each at 256 characters once all together are longer than 4096."""

LONGEST_REFUSAL: Final = 1000
MOST_REFUSALS: Final = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not let in: code and reason as in a `Status` of the API, the words, and where the faults are."""

    code: int
    reason: str
    message: str
    faults: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered; let in where there is no refusal. `is_by_others`: refused for how other objects are.

    `after` is what the mesh will be like with what is let in, None where nothing changes.
    """

    refusal: Refusal | None = None
    warnings: tuple[str, ...] = ()
    is_by_others: bool = False
    after: Resolution | None = field(default=None, repr=False, compare=False)


LET_IN: Final = Answer()


def refused(faults: Sequence[Problem], warnings: Sequence[Problem] = (), *, is_by_others: bool = False) -> Answer:
    """Return the refusal of a change for these faults."""
    lines = _lines(faults, LONGEST_REFUSAL, MOST_REFUSALS)
    refusal = Refusal(HTTPStatus.FORBIDDEN, "Forbidden", "\n".join(lines), tuple(faults[:MOST_REFUSALS]))
    return Answer(refusal, warned(warnings), is_by_others)


def unreadable(faults: Sequence[Problem]) -> Answer:
    """Return the refusal of an object that has not the form of its kind."""
    lines = _lines(faults, LONGEST_REFUSAL, MOST_REFUSALS)
    return Answer(Refusal(HTTPStatus.BAD_REQUEST, "BadRequest", "\n".join(lines), tuple(faults[:MOST_REFUSALS])))


def unanswerable(message: str) -> Answer:
    """Return the refusal of a request that nobody should send here."""
    return Answer(Refusal(HTTPStatus.BAD_REQUEST, "BadRequest", message))


def later(message: str, code: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE) -> Answer:
    """Return the refusal of what may be let in a moment later."""
    reason = "TooManyRequests" if code is HTTPStatus.TOO_MANY_REQUESTS else "ServiceUnavailable"
    return Answer(Refusal(code, reason, message))


def warned(found: Sequence[Problem]) -> tuple[str, ...]:
    """Return problems as warnings."""
    return tuple(_lines(found, LONGEST_WARNING, MOST_WARNINGS))


def document(uid: str, answer: Answer) -> Json:
    """Return the AdmissionReview that answers the request of this uid."""
    response: Json = {"uid": uid, "allowed": answer.refusal is None}
    if answer.refusal is not None:
        response["status"] = _status(answer.refusal)
    if answer.warnings:
        response["warnings"] = list(answer.warnings)
    return {"apiVersion": asked.VERSION, "kind": "AdmissionReview", "response": response}


def _status(refusal: Refusal) -> Json:
    status: Json = {
        "status": "Failure",
        "code": int(refusal.code),
        "reason": refusal.reason,
        "message": refusal.message,
    }
    details = _details(refusal.faults)
    if refusal.reason in ("TooManyRequests", "ServiceUnavailable"):
        details = {**details, "retryAfterSeconds": 1}
    return {**status, "details": details} if details else status


def _details(faults: Sequence[Problem]) -> Mapping[str, Any]:
    if not faults:
        return {}
    causes = [{"field": one.field, "message": plain.printable(_words(one), LONGEST_REFUSAL)} for one in faults]
    return {"name": faults[0].subject.name, "kind": faults[0].subject.kind, "causes": causes}


def _words(problem: Problem) -> str:
    return f"{problem.fault}; {problem.remedy}"


def _lines(found: Sequence[Problem], longest: int, most: int) -> list[str]:
    lines = [plain.printable(str(each), longest) for each in found[:most]]
    left = len(found) - most
    return [*lines, f"and {left} more; `meshloom check` tells all"] if left > 0 else lines
