"""Who answers reviews: bytes in, bytes out, in a thread of its own, by the newest pass.

Law: the event loop only hands over. A pass is held by threads alone, so that none is taken apart on the loop; what
goes wrong here is a fault of ours, which is logged, and told to nobody else. Nobody is refused for how others were a
moment ago.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import structlog

from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from meshloom.admission import ahead, answers, asked, review

PATIENCE: Final = 2.5
"""Seconds after which a review is not judged any more: whoever asks for so much at once is told to come again."""

SETTLE: Final = 2.0
"""Seconds that a change waits which is refused for how others are: what was applied just before it is on its way."""
WAITING: Final = 4
"""So many wait for that at once; others are told to come again, and keep no one else waiting."""
_LOOK_SECONDS: Final = 0.05

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
    """`passes` is how many passes were known; `is_by_others` whether another one may change the answer."""

    text: bytes
    outcome: str
    passes: int = 0
    is_by_others: bool = False


class Judge:
    """Knows the newest pass (`meshloom.worker.Onlooker`), and judges by it."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._now: Resolution | None = None
        self._passes = self._waiting = 0
        self._ahead = ahead.Ahead()
        self._thread = futures.ThreadPoolExecutor(1, "admission")

    def passed(self, resolution: Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Judge by this from now on; called in the worker thread."""
        self._now = resolution
        self._passes += 1
        with contextlib.suppress(RuntimeError):  # it is closed
            self._thread.submit(self._catch_up)

    async def answer(self, body: bytes, since: float) -> bytes:
        """Return the answer to an AdmissionReview that came at this moment (`time.monotonic`).

        Raises asked.UnreadableError, FaultError.
        """
        try:
            told = await self._settled(body, since)
        except FaultError:
            self._observer.reviewed("failed", time.monotonic() - since)
            raise
        self._observer.reviewed(told.outcome, time.monotonic() - since)
        return told.text

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _settled(self, body: bytes, since: float) -> _Told:
        """Return the answer; one that others are the reason of when there has been time to see them as they are."""
        told = await self._judged(body, since)
        if not told.is_by_others:
            return told
        if self._waiting >= WAITING:
            return await self._judged(body, _LONG_AGO)
        self._waiting += 1
        try:
            return await self._seen(told, body, since)
        finally:
            self._waiting -= 1

    async def _seen(self, told: _Told, body: bytes, since: float) -> _Told:
        until = time.monotonic() + SETTLE
        while told.is_by_others and time.monotonic() < until:
            if told.passes != self._passes:
                told = await self._judged(body, since)
            else:
                await asyncio.sleep(_LOOK_SECONDS)
        return told

    async def _judged(self, body: bytes, since: float) -> _Told:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, body, since)

    def _catch_up(self) -> None:
        """Let go of the pass before, which would keep all that it means from being freed."""
        if self._now is not None:
            self._ahead.of(self._now)

    def _judgement(self, question: asked.Asked) -> answers.Answer:
        """Return the judgement by what was seen, and what was let in since."""
        seen = self._now
        answer = review.judged(question, self._ahead.of(seen) if seen is not None else None)
        if answer.after is not None and (ref := _named(question)) is not None:
            self._ahead.let_in(ref, answer.after)
        return answer

    def _answer(self, body: bytes, since: float) -> _Told:
        document = _read(body)
        try:
            question, passes = asked.asked(document), self._passes
            is_late = time.monotonic() - since > PATIENCE
            answer = _LATER if is_late else self._judgement(question)
            text = json.dumps(answers.document(question.uid, answer)).encode()
            return _Told(text, _outcome(answer), passes, answer.is_by_others)
        except asked.UnreadableError:
            raise
        except Exception as fault:
            _log.error("a review failed. This is a fault of meshloom, please report it", exc_info=fault)
            raise FaultError from None


_LONG_AGO: Final = float("-inf")


def _named(question: asked.Asked) -> Ref | None:
    """Return the address of what is to be there, None if it is not known yet or nothing comes of it."""
    metadata = question.new.get("metadata") if question.new is not None and not question.is_rehearsal else None
    if not isinstance(metadata, Mapping):
        return None
    namespace, name = metadata.get("namespace", question.namespace), metadata.get("name")
    return Ref(question.kind, namespace, name) if isinstance(namespace, str) and isinstance(name, str) else None


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
