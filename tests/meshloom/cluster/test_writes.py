"""Writes at a bounded rate, the newest of each, again where that helps."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from meshloom.cluster import writes
from watchers.api_server import ApiError

FAST = writes.Pace(rate=10_000, burst=100, together=4)


class Tally:
    def __init__(self) -> None:
        self.of: Counter[str] = Counter()
        self.news = asyncio.Event()

    def wrote(self, what: str, outcome: str) -> None:
        self.of[outcome] += 1
        self.news.set()

    async def until(self, outcome: str, count: int) -> None:
        async with asyncio.timeout(30):
            while self.of[outcome] < count:
                self.news.clear()
                await self.news.wait()


@contextlib.asynccontextmanager
async def running(tally: Tally, pace: writes.Pace = FAST) -> AsyncIterator[writes.Writes]:
    made = writes.Writes("status", pace, tally)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert made.count == 0


def writing(into: list[str], text: str, *faults: ApiError) -> writes.Write:
    left = list(faults)

    async def write() -> None:
        into.append(text)
        if left:
            raise left.pop(0)

    return write


async def test_of_what_is_due_under_one_key_the_newest_is_written() -> None:
    tally, done = Tally(), list[str]()
    made = writes.Writes("status", FAST, tally)
    for text in ("old", "new"):
        made.put("a", writing(done, text))
    made.put("b", writing(done, "other"))
    task = asyncio.create_task(made.run())
    await tally.until("done", 2)
    task.cancel()
    assert sorted(done) == ["new", "other"]


@pytest.mark.parametrize("status", [0, 403, 409, 429, 500, 503])
async def test_what_may_pass_is_tried_again(status: int) -> None:
    tally, done = Tally(), list[str]()
    async with running(tally) as made:
        made.put("a", writing(done, "x", ApiError(status, "Busy", "later")))
        await tally.until("done", 1)
    assert (done, tally.of["failed"]) == (["x", "x"], 1)


@pytest.mark.parametrize("status", sorted(writes.FINAL))
async def test_what_will_be_the_same_again_is_not(status: int) -> None:
    tally, done = Tally(), list[str]()
    async with running(tally) as made:
        made.put("a", writing(done, "x", ApiError(status, "Never", "no")))
        await tally.until("refused", 1)
        made.put("b", writing(done, "y"))
        await tally.until("done", 1)
    assert done == ["x", "y"]


async def test_something_newer_takes_the_place_of_what_rests() -> None:
    tally, done = Tally(), list[str]()
    async with running(tally) as made:
        made.put("a", writing(done, "old", ApiError(429, "Busy", "later", retry_after=3600)))
        await tally.until("failed", 1)
        assert made.count == 1
        made.put("a", writing(done, "new"))
        await tally.until("done", 1)
    assert done == ["old", "new"]


async def test_what_comes_while_too_much_is_due_is_lost() -> None:
    made = writes.Writes("event", writes.Pace(most=2), Tally())
    for key in ("a", "b", "c", "a"):
        made.put(key, writing([], key))
    assert made.count == 2


async def test_the_rate_is_kept_after_a_burst() -> None:
    tally, done = Tally(), list[str]()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with running(tally, writes.Pace(rate=50, burst=5, together=3)) as made:
        for number in range(20):
            made.put(number, writing(done, str(number)))
        await tally.until("done", 20)
    assert loop.time() - begun >= 14 / 50
