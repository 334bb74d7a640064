"""Waiting for what comes in its own time, but not for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which what has not come will not come, on a busy machine too."""

_PAUSE = 0.02


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return as soon as something is so."""

    async def asked() -> bool:
        return condition()

    await until_told(asked, patience)


async def until_told(condition: Callable[[], Awaitable[T]], patience: float = PATIENCE) -> T:
    """Return what whoever is asked says, as soon as that is something, or that it is so."""
    async with asyncio.timeout(patience):
        while True:
            if told := await condition():
                return told
            await asyncio.sleep(_PAUSE)
