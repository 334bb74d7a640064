"""What waits for news ends when it is told to, also if the news come in that very moment."""

import asyncio
from typing import Any

from meshloom.cluster import statuses
from watchers import following


class Quiet:
    """Nobody is connected, nothing is observed, nobody else tells anything."""

    async def look(self, _number: int) -> None:
        """See nothing."""

    def seen(self) -> tuple[()]:
        """Return nobody."""
        return ()

    def stirred(self) -> frozenset[Any]:
        """Return nothing."""
        return frozenset()

    def statuses(self, _refs: frozenset[Any]) -> dict[Any, bytes]:
        """Return none."""
        return {}

    async def others(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


class News(asyncio.Event):
    """Says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = asyncio.Event()

    async def wait(self) -> Any:
        """Wait, and say so."""
        self.awaited.set()
        return await super().wait()


async def ended(task: "asyncio.Task[None]") -> bool:
    """Cancel a task and return whether it ends."""
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=5.0)
    return task in done


async def test_the_leader_stops_to_write_statuses_when_news_come_with_the_order_to(monkeypatch: Any) -> None:
    monkeypatch.setattr(statuses, "PAUSE", 0.0)
    passes, quiet = statuses.Passes(), Quiet()
    passes.news = news = News()
    passes.returned.set()
    anybody: Any = quiet
    leading = asyncio.create_task(
        statuses.Statuses(passes, anybody, anybody, anybody, anybody, lambda: None).lead(anybody)
    )
    await news.awaited.wait()
    await asyncio.sleep(0)
    news.set()
    await asyncio.sleep(0)
    assert await ended(leading)


async def test_who_waits_for_the_server_ends_when_it_answers_in_that_moment() -> None:
    pulse = following.Pulse()

    async def again() -> None:
        while True:
            await pulse.wait(60.0)

    waiting = asyncio.create_task(again())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pulse.beat()
    await asyncio.sleep(0)
    assert await ended(waiting)
