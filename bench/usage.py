"""What a server process has used so far, and how it knows that something has happened often enough.

Law: the same for every server that is compared.
"""

import asyncio
import gc
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

REST = 0.005
"""Seconds after the last answer, in which a server finishes what it does about it."""


def usage() -> dict[str, Any]:
    """Return processor seconds, of all threads, and bytes of memory."""
    return {"cpu": time.process_time(), "memory": psutil.Process().memory_info().rss}


async def answered() -> dict[str, Any]:
    """Answer what was used, once the process has come to rest."""
    await asyncio.sleep(10 * REST)
    used = usage()
    gc.collect()
    return {**used, "memory": psutil.Process().memory_info().rss}


class Span:
    """From its making on: seconds on the clock, of processor time, and of that of this thread, the event loop's."""

    def __init__(self) -> None:
        self._clock, self._cpu, self._loop = time.monotonic(), time.process_time(), time.thread_time()

    async def answered(self) -> dict[str, float]:
        """Answer how long it took until now, and what it cost, with what is still to be done about it."""
        seconds = time.monotonic() - self._clock
        await asyncio.sleep(REST)
        return {
            "seconds": seconds,
            "cpu": time.process_time() - self._cpu,
            "loop": time.thread_time() - self._loop,
        }


@dataclass(slots=True)
class Count:
    """A number that somebody may wait for."""

    number: int = 0
    wanted: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self) -> None:
        """Count one."""
        self.number += 1
        if self.number == self.wanted:
            self.reached.set()

    async def until(self, wanted: int) -> None:
        """Wait until so many are counted. Whoever asks has a deadline."""
        self.wanted = wanted
        self.reached.clear()
        if self.number < wanted:
            await self.reached.wait()
