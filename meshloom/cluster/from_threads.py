"""The API server asked from other threads than that of the event loop, which wait for the answer.

Law: never on the event loop, and in few of the loop's own threads, for requests need one now and then. Where nobody
has answered, requests fail at once for a while: a thread that has other work waits once, and not again and again.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any, Final

from watchers import api_server
from watchers.api_server import JSON, NOTHING, ApiError

WITHIN: Final = 8.0
"""Seconds that a thread waits."""
REST: Final = 10.0
"""Seconds in which nothing more is asked of who has not answered."""


class Asking:
    """`api` belongs to `loop`, which runs in another thread."""

    def __init__(
        self,
        api: api_server.ApiServer,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._loop, self._now = api, loop, now
        self._until = 0.0

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] = NOTHING,
        content_type: str = JSON,
    ) -> Any:
        """Return the JSON that answers a request. Raises ApiError."""
        if self._now() < self._until:
            raise ApiError(0, api_server.UNREACHABLE, "nobody answered a moment ago")
        try:
            return self._answer(method, path, body, query, content_type)
        except ApiError as fault:
            if fault.status == 0:
                self._until = self._now() + REST
            raise

    def _answer(self, method: str, path: str, body: Any, query: Mapping[str, str], content_type: str) -> Any:
        asking = self._api.request(method, path, query, body, content_type=content_type, within=WITHIN)
        try:
            answering = asyncio.run_coroutine_threadsafe(asking, self._loop)
        except RuntimeError:
            asking.close()
            raise ApiError(0, api_server.UNREACHABLE, "the program is stopping") from None
        try:
            return answering.result(WITHIN + 1.0)
        except (TimeoutError, futures.CancelledError):
            answering.cancel()
            raise ApiError(0, api_server.UNREACHABLE, f"{method} {path}: no answer in time") from None
