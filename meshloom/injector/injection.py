"""Who answers reviews of pods: bytes in, bytes out, in a thread of its own, by the newest pass.

Law: as `meshloom.admission.judge`. A pod whose namespace or binding may be on its way waits a moment; nobody else does.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from mesh.problems import Problem
from mesh.resolve import Resolution
from meshloom.admission import asked
from meshloom.admission.judge import FaultError
from meshloom.injector import audit, facts, review
from meshloom.injector.decision import Reason
from meshloom.injector.patch import Outcome
from meshloom.injector.pods import Pod
from meshloom.injector.terms import Terms

EARLY_SECONDS: Final = 2.0
"""How long a pod waits for its namespace, or a binding of its own, to be seen: both may have come just before it."""
WAITING: Final = 4
"""So many wait at once; others are answered as things are, for they would keep everybody else waiting."""
AUDIT_SECONDS: Final = 60.0
_LOOK_SECONDS = 0.05

TOO_EARLY, FAILED, NOT_ASKED = "TooEarly", "Failed", "NotAsked"
"""How reviews end that have no outcome: nothing is known yet, a fault of ours, nothing to say of such a pod."""
REASONS: Final = (*(each.value for each in Reason), TOO_EARLY, FAILED, NOT_ASKED)
"""All ways in which reviews end."""
_PASSING: Final = (TOO_EARLY, Reason.NO_BINDING.value, Reason.NOT_READY.value)
"""Those that may be others a moment later."""

_log = structlog.get_logger()


class Observer(Protocol):
    """Who counts what becomes of pods."""

    def reviewed(self, reason: str, seconds: float) -> None:
        """Note an answer: a `decision.Reason`, or one of those above."""

    def lacked(self, count: int) -> None:
        """Note how many pods were created without the proxy that their labels ask for."""


Missed = Callable[[Pod, Outcome], None]
"""Is told, on the event loop, of pods that are created without the proxy that their labels ask for, or refused."""


def nobody(_pod: Pod, _outcome: Outcome) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class _Told:
    """`news` is how much was known."""

    text: bytes
    reason: str
    news: int
    pod: Pod | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    basis: tuple[object, ...]
    facts: facts.Facts


class Injection:
    """Knows the newest pass (`meshloom.worker.Onlooker`), and answers by it (`meshloom.admission.webhook`)."""

    def __init__(self, observer: Observer, missed: Missed = nobody, followed: tuple[str, ...] = ()) -> None:
        """`followed` are the namespaces whose pods get proxies here; none: all."""
        self._observer, self._missed, self._followed = observer, missed, followed
        self._now: Resolution | None = None
        self._terms: Terms | None = None
        self._known: _Known | None = None
        self._news = self._waiting = 0
        self._thread = futures.ThreadPoolExecutor(1, "injection")

    def passed(self, resolution: Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Answer by this from now on; called in the worker thread. What is new is read before anybody asks."""
        self._now = resolution
        self._news += 1
        with contextlib.suppress(RuntimeError):  # it is closed
            self._thread.submit(self._facts)

    def agree(self, terms: Terms) -> None:
        """Give proxies by these terms from now on; nothing is answered before the first."""
        self._terms = terms
        self._news += 1

    def tell(self, missed: Missed) -> None:
        """Say who is told of pods that go without."""
        self._missed = missed

    async def answer(self, body: bytes, since: float) -> bytes:
        """Return the answer to an AdmissionReview that came at this moment (`time.monotonic`).

        Raises asked.UnreadableError, FaultError.
        """
        try:
            told = await self._answered(body)
        except FaultError:
            self._observer.reviewed(FAILED, time.monotonic() - since)
            raise
        self._observer.reviewed(told.reason, time.monotonic() - since)
        if told.pod and told.outcome and (told.outcome.is_missed or told.outcome.is_refused):
            self._missed(told.pod, told.outcome)
        return told.text

    async def audit(self) -> None:
        """Count pods without their proxies now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._observer.lacked(await loop.run_in_executor(self._thread, self._lacking))
                await asyncio.sleep(AUDIT_SECONDS)
        finally:
            self._observer.lacked(0)

    def _lacking(self) -> int:
        return audit.lacking(self._now) if self._now is not None else 0

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answered(self, body: bytes) -> _Told:
        told = await self._asked(body)
        if told.reason not in _PASSING or self._waiting >= WAITING:
            return told
        self._waiting += 1
        try:
            return await self._settled(told, body)
        finally:
            self._waiting -= 1

    async def _settled(self, told: _Told, body: bytes) -> _Told:
        until = time.monotonic() + EARLY_SECONDS
        while told.reason in _PASSING and time.monotonic() < until:
            if told.news != self._news:
                told = await self._asked(body)
            else:
                await asyncio.sleep(_LOOK_SECONDS)
        return told

    async def _asked(self, body: bytes) -> _Told:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, body)

    def _answer(self, body: bytes) -> _Told:
        try:
            question = asked.asked(_read(body))
            return self._reviewed(question)
        except asked.UnreadableError:
            raise
        except Exception as fault:
            _log.error("a review of a pod failed. This is a fault of meshloom, please report it", exc_info=fault)
            raise FaultError from None

    def _reviewed(self, question: asked.Asked) -> _Told:
        news = self._news
        terms, known = self._terms, self._facts()
        found = review.reviewed(question, known if terms else None, terms or _UNKNOWN, self._followed)
        text = json.dumps(found.document).encode()
        if found.outcome is None:
            return _Told(text, TOO_EARLY if found.is_too_early else NOT_ASKED, news)
        pod = None if question.is_rehearsal else Pod(question.new or {}, question.namespace)
        return _Told(text, found.outcome.reason.value, news, pod, found.outcome)

    def _facts(self) -> facts.Facts | None:
        """Return what is known of pods now; made anew only where what it is made of is new."""
        now, known = self._now, self._known
        if now is None:
            return None
        basis = facts.basis(now)
        if known is None or any(one is not other for one, other in zip(basis, known.basis, strict=True)):
            self._known = known = _Known(basis, facts.facts(now))
        return known.facts


_UNKNOWN = Terms("", "")


def _read(body: bytes) -> Any:
    """Raises asked.UnreadableError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise asked.UnreadableError("this is not JSON") from None
