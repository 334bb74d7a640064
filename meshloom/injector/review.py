"""What the API server is answered about a pod that is to be created: an AdmissionReview in, an AdmissionReview out.

Law: pure; the outcome is that of `meshloom.injector.patch`. Only what is said to be wrong is refused, and what is not
known yet: a pod that comes too early is tried again by whoever makes pods, one without its proxy stays without.
"""

import base64
import json
from collections.abc import Container
from http import HTTPStatus
from typing import Any, NamedTuple

from meshloom.admission import answers
from meshloom.admission.asked import Asked
from meshloom.injector import contract, decision, patch
from meshloom.injector.decision import Reason
from meshloom.injector.facts import Facts
from meshloom.injector.patch import Outcome
from meshloom.injector.pods import Pod
from meshloom.injector.terms import Terms


class Reviewed(NamedTuple):
    """The answer, and what became of the pod: None if nothing was asked of one, or it is too early to say."""

    document: dict[str, Any]
    outcome: Outcome | None = None
    is_too_early: bool = False


def reviewed(question: Asked, known: Facts | None, terms: Terms, followed: Container[str] = ()) -> Reviewed:
    """Return what is answered; `known` is None as long as nothing is known.

    `followed` are the namespaces that something is known of sooner or later; none: all. Others are nobody's here.
    """
    if (question.kind, question.of) != ("Pod", "v1") or question.operation != "CREATE" or question.new is None:
        what = f"{question.operation[:20]} of {question.kind[:60] or 'an object'}"
        refusal = answers.unanswerable(f"{what} is nothing that meshloom injects; leave it out of the webhook's rules")
        return Reviewed(answers.document(question.uid, refusal))
    pod = Pod(question.new, question.namespace or "default")
    is_elsewhere = bool(followed) and pod.namespace not in followed
    if question.is_of_part or is_elsewhere or is_out_of_question(pod):
        return Reviewed(answers.document(question.uid, answers.LET_IN))
    if known is None or is_too_early(pod, known):
        return Reviewed(answers.document(question.uid, _later(pod)), is_too_early=True)
    outcome = patch.patch(pod, known, terms)
    return Reviewed(_answered(question.uid, outcome), outcome)


def is_out_of_question(pod: Pod) -> bool:
    """Return whether a pod gets no proxy, whatever its namespace says."""
    values = (contract.ENABLED, contract.DISABLED)
    return not any(decision.is_wanted(each, pod.labels.get(contract.LABEL)) for each in values)


def is_too_early(pod: Pod, known: Facts) -> bool:
    """Return whether the label for which the API server asks has not been seen yet."""
    return contract.LABEL not in known.namespaces.get(pod.namespace, {})


def _later(pod: Pod) -> answers.Answer:
    said = f"{pod.ref}: meshloom does not know namespace {pod.namespace} yet; try again in a moment"
    return answers.later(said, HTTPStatus.SERVICE_UNAVAILABLE)


def _answered(uid: str, outcome: Outcome) -> dict[str, Any]:
    if outcome.is_refused and outcome.problem is not None:
        refuse = answers.unreadable if outcome.reason is Reason.UNREADABLE else answers.refused
        return answers.document(uid, refuse([outcome.problem]))
    told = [*outcome.warnings, *([outcome.problem] if outcome.is_missed and outcome.problem else [])]
    document = answers.document(uid, answers.Answer(warnings=answers.warned(told)))
    if outcome.patch:
        document["response"] |= {"patchType": "JSONPatch", "patch": _encoded(outcome.patch)}
    return document


def _encoded(operations: object) -> str:
    return base64.b64encode(json.dumps(operations, separators=(",", ":")).encode()).decode()
