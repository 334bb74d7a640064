"""What an eviction comes to where the API server does not do as it is asked."""

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from meshloom.cluster import evictions, leader
from meshloom.eviction import turns
from meshloom.injector import wishes
from tests.meshloom.eviction import given
from watchers.api_server import ApiError

WHOLE = {
    "metadata": {"name": "pets-5d4f", "namespace": "shop", "uid": "set", "generation": 1},
    "spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": "pets"}}, "spec": {"containers": []}}},
    "status": {"observedGeneration": 1, "availableReplicas": 1},
}
POD = {"metadata": {"name": "pets-1", "namespace": "shop", "uid": "uid-pets-1"}, "status": {}}


class Api:
    """An API server that refuses whatever is posted."""

    def __init__(self, fault: ApiError) -> None:
        self.fault, self.posted, self.often = fault, 0, asyncio.Event()

    async def request(self, method: str, path: str, *_: Any, **__: Any) -> Any:
        if method == "POST":
            self.posted += 1
            if self.posted == 3:
                self.often.set()
            raise self.fault
        return POD if path.endswith("pets-1") else WHOLE


class Counted:
    def __init__(self) -> None:
        self.turns: Counter[str] = Counter()

    def turned(self, outcome: str) -> None:
        self.turns[outcome] += 1

    def due(self, _count: int, _kept: int) -> None:
        """Not asked here."""


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (ApiError(500, "InternalError", "this pod has more than one budget"), evictions.FAILED),
        (ApiError(429, "TooManyRequests", "it would violate the budget"), evictions.HELD),
        (ApiError(0, "Unreachable", "nobody answers"), evictions.FAILED),
        (ApiError(403, "Forbidden", "not you"), evictions.FAILED),
        (ApiError(404, "NotFound", "no such pod"), None),
        (ApiError(409, "Conflict", "another pod has its name"), None),
    ],
)
async def test_what_fails_is_counted_said_once_and_tried_again(
    fault: ApiError, outcome: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((turns, "FIRST"), (turns, "LONGEST"), (evictions, "LOOK_SECONDS")):
        monkeypatch.setattr(module, name, 0.001)
    api, counted = Api(fault), Counted()
    duty = evictions.Evictions(api, wishes.Evictions(), leader.Place("meshloom-system", "one"))
    duty.counted(counted)
    duty.agree(given.TERMS)
    duty.passed(given.there(given.pod()), ())
    with capture_logs() as logged:
        running = asyncio.create_task(duty.run())
        async with asyncio.timeout(20):
            await api.often.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert set(counted.turns) == ({outcome} if outcome else set())
    said = [one["event"] for one in logged if fault.message in one["event"]]
    assert len(said) == (1 if outcome else 0)


async def test_a_clock_that_is_set_back_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((turns, "FIRST"), (turns, "LONGEST"), (evictions, "LOOK_SECONDS")):
        monkeypatch.setattr(module, name, 0.001)
    leaps = itertools.count(2_000_000_000.0, -3600.0)
    monkeypatch.setattr(evictions.time, "time", lambda: next(leaps))
    api = Api(ApiError(500, "InternalError", "not now"))
    duty = evictions.Evictions(api, wishes.Evictions(), leader.Place("meshloom-system", "one"))
    duty.agree(given.TERMS)
    duty.passed(given.there(given.pod()), ())
    running = asyncio.create_task(duty.run())
    async with asyncio.timeout(20):
        await api.often.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
