"""The program, running: in this process, on the loop of the test, with its log within reach."""

import asyncio
import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from meshloom import addresses, app, senses, ways_in
from meshloom import settings as settings_model
from meshloom.identity import home
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
    """A running program: where it serves, its log, and the sockets of its operator API and of its health port."""

    address: str
    log: Log
    operator: pathlib.Path
    health: pathlib.Path
    asked_to_stop: asyncio.Event
    running: "asyncio.Task[None]"

    async def stop(self) -> None:
        """Stop it, and wait until it has ended."""
        self.asked_to_stop.set()
        await asyncio.wait_for(asyncio.shield(self.running), ads.PATIENCE)


def settings_in(folder: pathlib.Path, health: str = "", operator: str = "") -> settings_model.Settings:
    """Return settings by which health and operator API are served there, or on sockets in a folder."""
    doors = settings_model.Operating(
        health=health or f"unix:{folder}/health.sock", socket=operator or f"{folder}/operator.sock"
    )
    return SETTINGS.model_copy(update={"operating": doors})


@contextlib.asynccontextmanager
async def serving(
    folder: pathlib.Path, socket: pathlib.Path, *, until: str = "serving ADS on", health: str = "", operator: str = ""
) -> AsyncIterator[Serving]:
    """Run the program on a folder until the block ends, and see that it ends without an error.

    The block begins when the log says `until`.
    """
    log, stop = Log(), asyncio.Event()
    before = structlog.get_config()
    structlog.configure(processors=[log])
    address = addresses.Pipe(str(socket))
    doors = pathlib.Path(tempfile.mkdtemp(prefix="meshloom-"))  # the paths of pytest are too long for a socket
    settings, state = settings_in(doors, health, operator), home.folder(folder.with_name(f"{folder.name}.state"))
    program = app.Program(senses.folder(folder, settings.files), ways_in.Ads(state, address), settings)
    running = asyncio.create_task(program.run(stop))
    try:
        started = asyncio.create_task(log.until(until))
        await asyncio.wait((started, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            started.cancel()
            running.result()
        yield Serving(str(address), log, doors / "operator.sock", doors / "health.sock", stop, running)
        stop.set()
        await asyncio.wait_for(running, ads.PATIENCE)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        structlog.configure(**before)
        shutil.rmtree(doors)
