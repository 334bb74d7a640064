"""Waiting for what comes in its own time, but not for ever."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds after which what has not come will not come, on a busy machine too."""

_PAUSE = 0.02


async def until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return as soon as something is so."""

    async def asked() -> bool:
        return condition()

    await until_told(asked, patience)


async def until_told(condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Return as soon as whoever is asked says that it is so."""
    async with asyncio.timeout(patience):
        while True:
            if await condition():
                return
            await asyncio.sleep(_PAUSE)
