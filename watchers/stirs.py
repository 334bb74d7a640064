"""When to look at a path again: inotify tells at once, and a slow clock tells in any case.

Law: the watch stands before the first look, so nothing falls between; whatever inotify cannot do, the clock does.
"""

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import watchfiles

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Target:
    """The folder to watch, whether with all below it, and which folder that is (device, inode)."""

    path: str
    recursive: bool
    identity: tuple[int, int]


async def stirs(path: str, poll: float) -> AsyncGenerator[None, None]:
    """Yield at first, then when something at or below `path` may have changed, and at least every `poll` seconds.

    The path may be a folder, a file, or nothing yet; it may become another of these, or be replaced. Never raises.
    """
    said = ""
    while True:
        target = await asyncio.to_thread(_target, path)
        try:
            async with contextlib.aclosing(_while_it_stands(path, target, poll)) as stirred:
                async for _ in stirred:
                    yield
        except (OSError, RuntimeError) as error:
            if said != (said := str(error)):
                _log.warning("%s cannot be watched (%s); looking every %g s", path, error, poll)
            yield
            await asyncio.sleep(poll)


async def _while_it_stands(path: str, target: _Target | None, poll: float) -> AsyncGenerator[None, None]:
    """Yield the stirs of one target, until the path leads to another."""
    if target is None:
        yield
        await asyncio.sleep(poll)
        return
    async with contextlib.aclosing(_changes(target, poll)) as changes:
        async for _ in changes:
            if await asyncio.to_thread(_target, path) != target:
                return
            yield


async def _changes(target: _Target, poll: float) -> AsyncGenerator[None, None]:
    """Yield once when the watch stands, then at every change and every `poll` seconds."""
    changes = watchfiles.awatch(
        target.path,
        recursive=target.recursive,
        watch_filter=None,
        rust_timeout=max(1, round(poll * 1000)),
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    first = asyncio.create_task(anext(changes))
    try:
        await asyncio.sleep(0)  # the task has run to its first wait: the watch stands
        yield
        await first
        yield
        async for _ in changes:
            yield
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await changes.aclose()


def _target(path: str) -> _Target | None:
    """Return what to watch for a path: a folder itself, else the folder it is in; None if there is neither."""
    own = _status(path)
    if own and stat.S_ISDIR(own.st_mode):
        return _Target(path, True, (own.st_dev, own.st_ino))
    parent = os.path.dirname(os.path.abspath(path))
    above = _status(parent)
    return _Target(parent, False, (above.st_dev, above.st_ino)) if above else None


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
