"""Who answers reviews: bytes in, bytes out, in a thread of its own, by the newest pass.

Law: the event loop only hands over. A pass is held by threads alone, so that none is taken apart on the loop; what
goes wrong here is a fault of ours, which is logged, and told to nobody else.
"""

import asyncio
import json
import time
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from mesh.problems import Problem
from mesh.resolve import Resolution
from meshloom.admission import answers, asked, review

_log = structlog.get_logger()


class Observer(Protocol):
    """Who counts what is answered."""

    def reviewed(self, outcome: str, seconds: float) -> None:
        """Note an answer: `admitted`, `warned`, `refused` or `failed`."""


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

    async def answer(self, body: bytes) -> bytes:
        """Return the answer to an AdmissionReview. Raises asked.UnreadableError, FaultError."""
        begun = time.perf_counter()
        try:
            told = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, body)
        except FaultError:
            self._observer.reviewed("failed", time.perf_counter() - begun)
            raise
        self._observer.reviewed(told.outcome, time.perf_counter() - begun)
        return told.text

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _answer(self, body: bytes) -> _Told:
        document = _read(body)
        try:
            question = asked.asked(document)
            answer = review.judged(question, self._now)
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
    if answer.refusal is not None:
        return "refused"
    return "warned" if answer.warnings else "admitted"
