"""The program, running: in this process, on the loop of the test, with its log within reach."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from meshloom import addresses, app
from meshloom import settings as settings_model
from tests.meshloom import ads

SETTINGS = settings_model.Settings.model_validate(
    {"observing": {"settle_seconds": 0.02, "at_most_seconds": 0.2}, "stop_seconds": 1}
)


@dataclass
class Log:
    """What was logged, newest last."""

    lines: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
        """Take in one line, as a structlog processor."""
        self.lines.append(f"{method}: {event.get('event')}")
        self.news.set()
        raise structlog.DropEvent

    async def until(self, text: str) -> str:
        """Wait for a line that holds a text, and return it."""
        async with asyncio.timeout(ads.PATIENCE):
            while not (found := self.holding(text)):
                self.news.clear()
                await self.news.wait()
        return found[0]

    def holding(self, text: str) -> list[str]:
        """Return the lines that hold a text."""
        return [line for line in self.lines if text in line]


@dataclass
class Serving:
    """A running program: where it serves, and its log."""

    address: str
    log: Log


@contextlib.asynccontextmanager
async def serving(folder: pathlib.Path, socket: pathlib.Path) -> AsyncIterator[Serving]:
    """Run the program on a folder until the block ends, and see that it ends without an error."""
    log, stop = Log(), asyncio.Event()
    before = structlog.get_config()
    structlog.configure(processors=[log])
    address = addresses.Pipe(str(socket))
    running = asyncio.create_task(app.Program(folder, address, SETTINGS).run(stop))
    try:
        started = asyncio.create_task(log.until("serving ADS on"))
        await asyncio.wait((started, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            started.cancel()
            running.result()
        yield Serving(str(address), log)
        stop.set()
        await asyncio.wait_for(running, ads.PATIENCE)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        structlog.configure(**before)
