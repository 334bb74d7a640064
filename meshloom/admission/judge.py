"""Who answers reviews: bytes in, bytes out, in a thread of its own, by the newest pass.

Law: the event loop only hands over. A pass is held by threads alone, so that none is taken apart on the loop; what
goes wrong here is a fault of ours, which is logged, and told to nobody else.
"""

import asyncio
import json
import time
from concurrent import futures
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import structlog

from mesh.problems import Problem
from mesh.resolve import Resolution
from meshloom.admission import answers, asked, review

PATIENCE: Final = 2.5
"""Seconds after which a review is not judged any more: whoever asks for so much at once is told to come again."""

_LATER: Final = answers.later("too many changes at once; try again in a moment", HTTPStatus.TOO_MANY_REQUESTS)

_log = structlog.get_logger()


class Observer(Protocol):
    """Who counts what is answered."""

    def reviewed(self, outcome: str, seconds: float) -> None:
        """Note an answer: `admitted`, `warned`, `refused`, `deferred` or `failed`."""


class FaultError(Exception):
    """A review failed, which is a fault of ours; the log has it."""


@dataclass(frozen=True, slots=True)
class _Told:
    text: bytes
    outcome: str


class Judge:
    """Knows the newest pass (`meshloom.worker.Onlooker`), and judges by it."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._now: Resolution | None = None
        self._thread = futures.ThreadPoolExecutor(1, "admission")

    def passed(self, resolution: Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Judge by this from now on; called in the worker thread."""
        self._now = resolution

    async def answer(self, body: bytes, since: float) -> bytes:
        """Return the answer to an AdmissionReview that came at this moment (`time.monotonic`).

        Raises asked.UnreadableError, FaultError.
        """
        try:
            told = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, body, since)
        except FaultError:
            self._observer.reviewed("failed", time.monotonic() - since)
            raise
        self._observer.reviewed(told.outcome, time.monotonic() - since)
        return told.text

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _answer(self, body: bytes, since: float) -> _Told:
        document = _read(body)
        try:
            question = asked.asked(document)
            is_late = time.monotonic() - since > PATIENCE
            answer = _LATER if is_late else review.judged(question, self._now)
            return _Told(json.dumps(answers.document(question.uid, answer)).encode(), _outcome(answer))
        except asked.UnreadableError:
            raise
        except Exception as fault:
            _log.error("a review failed. This is a fault of meshloom, please report it", exc_info=fault)
            raise FaultError from None


def _read(body: bytes) -> Any:
    """Raises asked.UnreadableError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise asked.UnreadableError("this is not JSON") from None


def _outcome(answer: answers.Answer) -> str:
    if answer is _LATER:
        return "deferred"
    if answer.refusal is not None:
        return "refused"
    return "warned" if answer.warnings else "admitted"
