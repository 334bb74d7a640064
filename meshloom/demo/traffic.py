"""Requests from outside: sent, counted, each with what it was answered.

Law: nothing is retried and nothing is dropped; what a request met is part of the result.
"""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 30.0
VISITORS = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `status` is 0 when the connection broke; `at` is when, on the monotonic clock."""

    status: int
    text: str
    at: float
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the body as JSON, or None if it is not."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class Visitor:
    """A client that keeps its connection to one address. Not for several threads."""

    __slots__ = ("_connection",)

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def get(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
        """Send one request. `target` is a path, or a whole URL where the address is that of a proxy."""
        try:
            self._connection.request(method, target, headers=dict(headers or {}))
            answer = self._connection.getresponse()
            body = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as broken:
            self.close()
            return Reply(0, f"{type(broken).__name__}: {broken}", time.monotonic())
        given = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, body, time.monotonic(), given)

    def close(self) -> None:
        """Close its connection; the next request opens another."""
        self._connection.close()


def reply(host: str, port: int, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
    """Send one request over a connection of its own."""
    visitor = Visitor(host, port)
    with contextlib.closing(visitor):
        return visitor.get(target, headers, method)


def replies(
    host: str, port: int, target: str, count: int, headers: Mapping[str, str] | None = None, visitors: int = VISITORS
) -> tuple[Reply, ...]:
    """Send so many requests, by a few visitors at once; return the answers in the order in which they came."""
    shares = [count // visitors + (number < count % visitors) for number in range(visitors)]
    with concurrent.futures.ThreadPoolExecutor(visitors) as pool:
        visits = [pool.submit(_visit, host, port, target, share, headers) for share in shares]
        found = [answer for visit in visits for answer in visit.result()]
    return tuple(sorted(found, key=lambda answer: answer.at))


def _visit(host: str, port: int, target: str, count: int, headers: Mapping[str, str] | None) -> list[Reply]:
    with contextlib.closing(Visitor(host, port)) as visitor:
        return [visitor.get(target, headers) for _ in range(count)]


class Stream:
    """Requests that go on in the background until the `with` block ends, `pause` seconds apart.

    `seen` has what came back so far, or the last `memory` of it.
    """

    __slots__ = ("_end", "_headers", "_pause", "_seen", "_target", "_thread", "_visitor")

    def __init__(
        self,
        host: str,
        port: int,
        target: str,
        headers: Mapping[str, str] | None = None,
        pause: float = 0.0,
        memory: int | None = None,
    ) -> None:
        self._seen: collections.deque[Reply] = collections.deque(maxlen=memory)
        self._visitor, self._target, self._headers, self._pause = Visitor(host, port), target, headers, pause
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def seen(self) -> tuple[Reply, ...]:
        """What came back, in order."""
        return tuple(self._seen)

    def _run(self) -> None:
        while not self._end.wait(self._pause):
            self._seen.append(self._visitor.get(self._target, self._headers))

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(TIMEOUT_S)
        self._visitor.close()


def versions(answer: Any, service: str) -> Iterator[str]:
    """Yield the versions of a service that took part in an answer of the sample application."""
    if not isinstance(answer, Mapping):
        return
    if answer.get("service") == service:
        yield str(answer.get("version"))
    for call in answer.get("calls", ()):
        yield from versions(call.get("answer"), service)


def faults(answer: Any) -> Iterator[str]:
    """Yield the calls that went wrong on the way to an answer of the sample application, in words."""
    if not isinstance(answer, Mapping):
        yield "an answer that is not the sample application's"
        return
    for call in answer.get("calls", ()):
        if call.get("status") == 200:
            yield from faults(call.get("answer"))
        else:
            yield f"{answer['version']} called {call['url']}: {call['status']} {call['answer']}"
