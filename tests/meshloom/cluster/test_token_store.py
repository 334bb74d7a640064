"""The Secret of join tokens, watched."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from meshloom.cluster import from_threads, token_store

ENDS: tuple[tuple[bytes, ...], ...] = (
    (),
    (b"",),
    (b"", b'{"type": "ERROR", "object": {}}'),
    (b"{",),
    (b"[]",),
    (b'{"type": "ADDED", "object": [1]}',),
)


class Api:
    """An API server whose watches end as soon as they have begun."""

    def __init__(self, *said: bytes) -> None:
        self.said, self.lists, self.ended = said, 0, asyncio.Event()

    async def request(self, *_: Any, **__: Any) -> Any:
        self.lists += 1
        return {"items": [], "metadata": {"resourceVersion": "1"}}

    async def lines(self, *_: Any) -> AsyncGenerator[bytes, None]:
        try:
            for line in self.said:
                yield line
        finally:
            self.ended.set()


@pytest.mark.parametrize("said", ENDS)
async def test_watches_that_end_at_once_are_begun_after_a_rest(said: tuple[bytes, ...]) -> None:
    api: Any = Api(*said)
    asking = from_threads.Asking(api, asyncio.get_running_loop())
    following = asyncio.create_task(token_store.TokenSecret(asking, "meshloom-system").follow(api))
    async with asyncio.timeout(20):
        await api.ended.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert api.lists == 1
