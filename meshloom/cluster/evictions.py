"""The leader's duty towards pods whose proxy is missing or outdated: they are made anew, one by one, by being evicted.

Law: who is evicted `meshloom.eviction` decides. Evictions go through the Eviction API, so budgets hold; before each its
maker is asked whether it would help and can be borne. Nothing that goes wrong is raised: it is said, and tried again.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

import structlog

from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from meshloom.cluster import events, leader, marks, mesh_config, writes
from meshloom.eviction import makers, turns, views
from meshloom.injector import configuration, decision, standards, templates, wishes
from meshloom.injector.decision import Left
from meshloom.injector.terms import Terms
from watchers import api_server

EVICTED, HELD, WAITING, USELESS, FAILED = "evicted", "held", "waiting", "useless", "failed"
OUTCOMES: Final = (EVICTED, HELD, WAITING, USELESS, FAILED)
"""How turns end: also by a budget, by pods that are missing, by a template that would not help, by a fault."""

LOOK_SECONDS: Final = 1.0
"""Between two looks, however much changes."""
SPREAD: Final = 2 * mesh_config.LOOK_SECONDS
"""Seconds until all replicas have heard of another image."""
AT_A_TIME: Final = 2.0
"""Seconds for turns between two looks."""
MOST: Final = 10
"""So many pods are looked at in one turn, at most, for one that nobody misses."""
PODS: Final = ("v1", "pods")

_log = structlog.get_logger()


class Observer(Protocol):
    """Who counts."""

    def turned(self, outcome: str) -> None:
        """Note how a turn ended, as above."""

    def due(self, count: int, kept: int) -> None:
        """Note how many pods are to be evicted, and how many should be, but others have to do it."""


class Evictions:
    """Looks at passes (`worker.Onlooker`), and has the leader's duty `run`. Belongs to the event loop."""

    def __init__(self, api: api_server.ApiServer, chosen: wishes.Evictions, place: leader.Place) -> None:
        self._api, self._chosen = api, chosen
        self._rules = views.Rules(frozenset({place.namespace, configuration.SYSTEM}), chosen.enabled)
        self._loop = asyncio.get_running_loop()
        self._said = writes.Writes("event of an eviction", events.PACE, _Nobody())
        self._events, self._instance = events.Events(api, self._said, place.identity), place.identity
        self._marks = marks.Marks(api)
        self._observer: Observer = _Nobody()
        self._epoch = time.time() - time.monotonic()
        self._newest: Resolution | None = None
        self._terms: Terms | None = None
        self._since = self._free = 0.0
        self._view: views.View | None = None
        self._turns = turns.Turns()
        self._reasons: dict[Ref, str] = {}
        self._news = asyncio.Event()

    def _now(self) -> float:
        """Return the seconds since the epoch, by a clock that nobody sets meanwhile."""
        return self._epoch + time.monotonic()

    def counted(self, observer: Observer) -> None:
        """Count what is done from now on."""
        self._observer = observer

    def passed(self, resolution: Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Take in what a pass found; called in the worker thread."""
        self._newest = resolution
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._news.set)

    def agree(self, terms: Terms) -> None:
        """Have proxies run on these terms from now on."""
        self._terms, self._since = terms, self._now() + SPREAD
        self._turns = turns.Turns()
        self._news.set()

    async def run(self) -> None:
        """See to all pods until cancelled."""
        self._view, self._turns, self._reasons = None, turns.Turns(), {}
        self._marks.forget()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._said.run())
                group.create_task(self._marks.run())
                await self._work()
        finally:
            self._observer.due(0, 0)

    async def _work(self) -> None:
        while True:
            self._news.clear()
            if self._newest is not None and self._terms is not None:
                await self._look(self._newest, self._terms)
                await self._take_turns()
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):  # wait_for may swallow a cancellation before Python 3.12
                    await self._news.wait()

    async def _look(self, newest: Resolution, terms: Terms) -> None:
        self._view = await asyncio.to_thread(views.view, newest, terms, self._rules, self._view)
        self._turns.want(self._view.due, self._now())
        self._marks.want(self._view.marks)
        self._observer.due(sum(map(len, self._view.due.values())), sum(self._view.kept.values()))
        self._reasons = {maker: words for maker, words in self._reasons.items() if maker in self._view.due}

    def _pause(self) -> float | None:
        due = self._turns.next()
        return None if due is None else max(due[1], self._free) - self._now()

    async def _take_turns(self) -> None:
        until = self._now() + AT_A_TIME
        while (due := self._turns.next()) is not None and self._view is not None:
            if max(due[1], self._free) > self._now() or self._now() > until:
                return
            await self._turn(due[0], self._view)

    # ------------------------------------------------------------------------ one turn

    async def _turn(self, maker: Ref, view: views.View) -> None:
        now = self._now()
        candidates = turns.settled(view.due[maker], self._since, now)
        vain = self._turns.vain_until(maker, candidates)
        if not candidates or self._turns.is_pending(maker, candidates):
            self._turns.wait(maker, now)
        elif vain > now:
            self._turns.put_off(maker, vain)
            self._wait(maker, WAITING, f"its newest pod needs to be made anew again: {candidates[-1].need.words}")
        else:
            await self._seen_to(maker, candidates, view)

    async def _seen_to(self, maker: Ref, candidates: Sequence[views.Candidate], view: views.View) -> None:
        try:
            document = await self._api.request("GET", _path(maker))
            document = {**document, "apiVersion": makers.KINDS[maker.kind][0], "kind": maker.kind}
            if words := _useless(document, view):
                self._turns.put_off(maker, self._now() + turns.REST)
                self._wait(maker, USELESS, words)
                return
            chosen = await self._chosen_of(candidates, makers.is_whole(document, view.alive.get(maker, 0)))
            if chosen is None:
                self._turns.wait(maker, self._now())
                self._wait(maker, WAITING, "not all pods that it should have are available")
                return
            await self._evict(maker, document, chosen, candidates)
        except api_server.ApiError as fault:
            self._failed(maker, fault)

    async def _chosen_of(self, candidates: Sequence[views.Candidate], is_whole: bool) -> views.Candidate | None:
        """Return whom to evict: the oldest; where others are missing, one that serves nobody. Raises ApiError."""
        for one in candidates[:MOST]:
            pod = await self._pod(one)
            if pod is not None and not makers.is_ending(pod) and (is_whole or not makers.is_serving(pod)):
                return one
        return None

    async def _pod(self, one: views.Candidate) -> Mapping[str, Any] | None:
        try:
            pod: Mapping[str, Any] = await self._api.request("GET", _pod_path(one.pod))
        except api_server.ApiError as fault:
            if fault.is_absent:
                return None
            raise
        return pod if pod["metadata"]["uid"] == one.uid else None

    async def _evict(
        self, maker: Ref, document: Mapping[str, Any], one: views.Candidate, candidates: Sequence[views.Candidate]
    ) -> None:
        """Raises ApiError."""
        await self._api.request("POST", f"{_pod_path(one.pod)}/eviction", body=eviction(one))
        now = self._now()
        self._free = now + 60.0 / self._chosen.per_minute
        self._turns.evicted(maker, candidates, one.uid, now)
        self._observer.turned(EVICTED)
        self._reasons.pop(maker, None)
        said = f"evicted {one.pod}, which {one.need.words}"
        _log.info(said)
        subject = events.Subject(document["apiVersion"], maker.kind, maker.name, document["metadata"]["uid"])
        told = events.about(
            subject, maker.namespace, f"Evicted{one.need.reason.value}", said, self._instance, is_warning=False
        )
        self._events.put(told)

    # ------------------------------------------------------------------------ what is said

    def _failed(self, maker: Ref, fault: api_server.ApiError) -> None:
        is_held = fault.status == HTTPStatus.TOO_MANY_REQUESTS
        if not (fault.is_absent or fault.status == HTTPStatus.CONFLICT):  # it is another pod by now, or none
            self._wait(maker, HELD if is_held else FAILED, fault.message)
        self._turns.wait(maker, self._now(), fault.retry_after)

    def _wait(self, maker: Ref, outcome: str, words: str) -> None:
        """Say why pods of a maker are not evicted now, once."""
        self._observer.turned(outcome)
        if self._reasons.get(maker) != words:
            self._reasons[maker] = words
            _log.info(f"pods of {maker} are to be made anew, and none is evicted now: {words}")


class _Nobody:
    """Counts nothing."""

    def wrote(self, _what: str, _outcome: str) -> None:
        """Do nothing."""

    def turned(self, _outcome: str) -> None:
        """Do nothing."""

    def due(self, _count: int, _kept: int) -> None:
        """Do nothing."""


def eviction(one: views.Candidate) -> Mapping[str, Any]:
    """Return what the Eviction API is asked: of this pod, and of no other that has its name."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": one.pod.namespace, "name": one.pod.name},
        "deleteOptions": {"preconditions": {"uid": one.uid}},
    }


def _useless(document: Mapping[str, Any], view: views.View) -> str:
    """Return why a new pod of a maker would get no proxy, or would not be let in with it; empty if neither."""
    pod = templates.pod(document)
    if pod is None:
        return ""
    decided = decision.decided(pod, view.facts)
    if isinstance(decided, Left):
        return f"a new pod of it would get no proxy: {decided.problem}"
    refused = next(standards.doubts(pod, view.facts.namespaces.get(pod.namespace, {})), None)
    return f"a new pod of it would not be let in: {refused}" if refused else ""


def _path(maker: Ref) -> str:
    return api_server.path(*makers.KINDS[maker.kind], maker.namespace, maker.name)


def _pod_path(pod: Ref) -> str:
    return api_server.path(*PODS, pod.namespace, pod.name)
