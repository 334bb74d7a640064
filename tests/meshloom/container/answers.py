"""An application that is probed, and what it was asked."""

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Application(http.server.ThreadingHTTPServer):
    """Answers by its paths; `asked` are the paths and headers of what came."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Answer)
        self.asked: list[tuple[str, dict[str, str], str]] = []


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Application

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers, self.client_address[0]))
        status, location = {
            "/live": (200, ""),
            "/ill": (500, ""),
            "/moved": (302, "/live"),
            "/moved-to-ill": (302, "/ill"),
            "/round": (302, "/round"),
            "/elsewhere": (302, "http://example.com/"),
            "/metadata": (302, "//169.254.169.254/latest"),
        }.get(self.path.partition("?")[0], (404, ""))
        self.send_response(status)
        if location:
            self.send_header("location", location)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"words")

    def log_message(self, format: str, *_arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running(host: str = "127.0.0.1") -> Iterator[Application]:
    """Run an application."""
    server = Application(host)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
