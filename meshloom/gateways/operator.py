"""The leader's duty towards gateways: their objects are as they are wanted, and stay so whatever others do to them.

Law: what is to be done `plan` decides and `hands` do; here is only when, and what is remembered. Nothing that goes
wrong is raised: it is said in the state of the gateway, and tried again.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Mapping
from typing import Any, Final, Protocol

import structlog

from mesh.problems import Ref
from meshloom.gateways import hands, plan, schedule, sight, states
from meshloom.gateways.states import State
from meshloom.gateways.wanted import Wanted, Wishes
from watchers import api_server

_CHANCE = random.SystemRandom()
"""So that not all come at once."""

CONFLICT: Final = 409
TOO_MANY: Final = 429
LONGEST_WORDS: Final = 1000
LOOK_SECONDS: Final = 0.5
"""Between two looks at whether everything has been seen."""

_log = structlog.get_logger()


class Observer(Protocol):
    """Who counts."""

    def did(self, kind: str, what: str) -> None:
        """Note what was done to an object of a kind: `made`, `changed`, `removed`, `left` or `refused`."""


class Operator:
    """On one event loop. `wish` says what is wanted at any time, `run` does it while this replica leads."""

    def __init__(self, api: api_server.ApiServer, observer: Observer, namespaces: tuple[str, ...] = ()) -> None:
        """No namespaces: all of them."""
        self._api, self._observer, self._namespaces = api, observer, namespaces or ("",)
        self._wishes: Wishes = {}
        self._states: dict[Ref, State] = {}
        self._news = asyncio.Event()
        self._forget()

    @property
    def states(self) -> Mapping[Ref, State]:
        """How the gateways are, by IngressGatewayDeployment: another object whenever that changes."""
        return self._states

    def wish(self, wishes: Wishes) -> None:
        """Take what is wanted from now on."""
        before, self._wishes = self._wishes, wishes
        for owner, one in wishes.items():
            if before.get(owner) is not one:
                self._call(owner)
        for owner in before.keys() - wishes.keys():
            self._schedule.drop(owner)
            self._tell(owner, None)

    async def run(self) -> None:
        """See to all gateways until cancelled."""
        self._forget()
        for owner in self._wishes:
            self._call(owner)
        places = itertools.product(plan.KINDS, self._namespaces)
        sights = [sight.Sight(kind, namespace, self._api, self._seen) for kind, namespace in places]
        async with asyncio.TaskGroup() as group:
            for one in sights:
                group.create_task(one.run())
            for one in sights:
                await self._seen_by(one)
            await self._work()

    async def _seen_by(self, one: sight.Sight) -> None:
        """Return when all of a kind has been seen; say so where we may not look."""
        while not one.complete.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):  # wait_for may swallow a cancellation before Python 3.12
                    await one.complete.wait()
            for owner in self._wishes if one.refusal else ():
                self._tell(owner, states.faulty(_refused(one.refusal)))

    def _forget(self) -> None:
        self._there: dict[Ref, Mapping[str, Any]] = {}
        self._settled: dict[Ref, tuple[Mapping[str, Any], str]] = {}
        self._schedule: schedule.Schedule[Ref] = schedule.Schedule()

    def _call(self, owner: Ref) -> None:
        self._schedule.call(owner, _now())
        self._news.set()

    # ------------------------------------------------------------------------ what is seen

    def _seen(self, ref: Ref, document: Mapping[str, Any] | None) -> None:
        if document is not None and plan.is_older(document, self._there.get(ref)):
            return
        before = self._there.pop(ref, None)
        if document is not None:
            self._there[ref] = document
        owner = plan.owner(document or before or {})
        if owner is None or owner not in self._wishes:
            return
        if document is None or not self._is_settled(ref, document):
            self._call(owner)
        elif ref.kind == "Deployment" and self._states.get(owner, _UNKNOWN).standing is not states.Standing.FAULTY:
            self._tell(owner, states.of_deployment(document))

    def _is_settled(self, ref: Ref, document: Mapping[str, Any]) -> bool:
        """Return whether an object is as it was when it was last applied."""
        body, before = self._settled.get(ref, (None, ""))
        return body is not None and before == plan.fingerprint(document, body)

    # ------------------------------------------------------------------------ what is done

    async def _work(self) -> None:
        while True:
            self._news.clear()
            due = self._schedule.next()
            if due is not None and due[1] <= _now():
                self._schedule.begin(due[0], _now())
                await self._see_to(due[0])
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else due[1] - _now()):
                    await self._news.wait()

    async def _see_to(self, owner: Ref) -> None:
        wish = self._wishes.get(owner)
        if wish is None:
            return
        if wish.fault:
            self._tell(owner, states.faulty(wish.fault))
            return
        try:
            words = await self._brought_about(owner, wish)
        except api_server.ApiError as error:
            self._failed(owner, error)
            return
        if words:
            self._again(owner, 0.0)
        if self._wishes.get(owner) is wish:
            self._tell(owner, states.faulty(words) if words else states.of_deployment(self._deployment(owner)))

    async def _brought_about(self, owner: Ref, wish: Wanted) -> str:
        """Bring about what is wanted, object by object; return why something cannot be, or nothing. Raises ApiError."""
        bodies = {plan.ref(body): body for body in wish.objects}
        left = []
        for place in plan.places(owner):
            found = self._there.get(place) or await hands.found(self._api, place)
            match plan.step(wish.owner.metadata.uid, bodies.get(place), found):
                case plan.Apply() as step if not self._is_as_wanted(place, step):
                    await self._apply(place, step, wish)
                case plan.Remove() as step:
                    await hands.removed(self._api, step)
                    self._did(place, "removed")
                case plan.Leave(words):
                    self._observer.did(place.kind, "left")
                    left.append(words)
                case _:
                    pass
        return "; ".join(left)

    def _is_as_wanted(self, place: Ref, step: plan.Apply) -> bool:
        body, _ = self._settled.get(place, (None, ""))
        return body is step.body and step.found is not None and self._is_settled(place, step.found)

    async def _apply(self, place: Ref, step: plan.Apply, wish: Wanted) -> None:
        made = {**await hands.applied(self._api, step), "kind": place.kind}
        before = step.found["metadata"].get("resourceVersion") if step.found else None
        if before != made["metadata"]["resourceVersion"]:
            self._did(place, "changed" if step.found else "made")
        self._there[place] = made
        self._settled[place] = step.body, plan.fingerprint(made, step.body)
        pods = wish.least_pods
        if place.kind == "Deployment" and step.found is None and pods > 1:
            with contextlib.suppress(api_server.ApiError):  # otherwise the autoscaler does it
                await hands.begun(self._api, made, pods)

    # ------------------------------------------------------------------------ what is said

    def _failed(self, owner: Ref, error: api_server.ApiError) -> None:
        self._again(owner, error.retry_after)
        if error.status in (0, CONFLICT, TOO_MANY) or error.status >= 500:
            _log.info(f"the objects of {owner} are not as wanted yet: {error.message[:LONGEST_WORDS]}")
            return
        self._observer.did(owner.kind, "refused")
        words = _refused(error.message)
        if self._states.get(owner) != states.faulty(words):
            _log.error(f"the objects of {owner} cannot be as wanted: {words}")
        self._tell(owner, states.faulty(words))

    def _again(self, owner: Ref, wait: float) -> None:
        self._schedule.again(owner, _now(), wait, _CHANCE.random())

    def _did(self, place: Ref, what: str) -> None:
        self._observer.did(place.kind, what)
        _log.info(f"{what} {place} of a gateway")

    def _deployment(self, owner: Ref) -> Mapping[str, Any] | None:
        return self._there.get(plan.places(owner)[0])

    def _tell(self, owner: Ref, state: State | None) -> None:
        if self._states.get(owner) == state:
            return
        rest = {ref: one for ref, one in self._states.items() if ref != owner}
        self._states = rest if state is None else {**rest, owner: state}


def _refused(words: str) -> str:
    return f"the API server refuses: {words[:LONGEST_WORDS]}"


_UNKNOWN: Final = states.of_deployment(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
