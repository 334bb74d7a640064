"""Who answers `/healthproxy`: a socket that the proxy beside it alone can reach, a thread for each question.

Law: only what was recorded at injection is asked, a few at once, in the time that each has.
"""

import contextlib
import http.server
import os
import pathlib
import socketserver
import threading
from collections.abc import Iterator
from typing import Final

from meshloom.container import probing
from meshloom.container.orders import Orders
from meshloom.injector import targets

PORT: Final = 15010
"""Where kubelet sends probes."""
AT_ONCE: Final = 16
"""Probes that are asked at once; kubelet tries the others again."""
_QUESTION_SECONDS = 5.0


@contextlib.contextmanager
def served(orders: Orders) -> Iterator[None]:
    """Answer until the block ends."""
    if not orders.probes:
        yield
        return
    pathlib.Path(orders.socket).unlink(missing_ok=True)
    mask = os.umask(0o177)
    try:
        server = _Server(orders)
    finally:
        os.umask(mask)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, orders: Orders) -> None:
        self.orders, self.room = orders, threading.BoundedSemaphore(AT_ONCE)
        super().__init__(orders.socket, _Question)

    def handle_error(self, _request: object, _address: object) -> None:
        """Let a connection that breaks be."""


class _Question(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _QUESTION_SECONDS

    def do_GET(self) -> None:
        """Answer a probe."""
        found = self._answer()
        self.send_response(found.status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(found.body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(found.body)
        self.close_connection = True

    def _answer(self) -> probing.Answer:
        orders, target = self.server.orders, targets.asked(dict(self.headers.items()))
        if target is None or target not in orders.probes:
            return probing.Answer(404, b"no probe of this pod asks that; it was not recorded at injection\n")
        if not self.server.room.acquire(blocking=False):
            return probing.Answer(503, b"too many probes at once\n")
        try:
            return probing.answer(target, orders.probes[target], self._headers(), orders.addresses[0])
        finally:
            self.server.room.release()

    def _headers(self) -> list[tuple[str, str]]:
        """Return the headers of the probe, without the host that kubelet names where it is told none: the pod's."""
        own = {f"{each}:{PORT}" for each in self._own()}
        return [(name, value) for name, value in self.headers.items() if name.lower() != "host" or value not in own]

    def _own(self) -> Iterator[str]:
        return (f"[{each}]" if ":" in each else each for each in self.server.orders.addresses)

    def log_message(self, format: str, *_arguments: object) -> None:
        """Say nothing: kubelet says what fails."""
