"""The sample application: answers in JSON who it is and what the services it calls answered.

Law: it knows nothing of the mesh; that `http_proxy` leads to its sidecar is set where it is started.
"""

import argparse
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CALL_TIMEOUT_S = 10.0
LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Role:
    """Who an application is, and the URLs it calls for every request."""

    service: str
    version: str
    calls: tuple[str, ...] = ()


class Server(ThreadingHTTPServer):
    """An application in its role, listening on one address."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, listen: tuple[str, int], role: Role) -> None:
        super().__init__(listen, _Exchange)
        self.role = role


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server: Server

    def do_GET(self) -> None:
        """Answer."""
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.close_connection |= "transfer-encoding" in self.headers  # a body whose end is not known here
        time.sleep(min(float(asked.get("wait", 0)), LONGEST_WAIT_S))  # lets people see a timeout
        self._send(int(asked.get("status", 200)), answer(self.server.role, self.path, dict(self.headers), asked))

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - http.server wants these names

    def _send(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the proxies have access logs."""


def answer(role: Role, path: str, headers: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer to a request. `?show=headers` adds the headers that arrived."""
    lowered = {name.lower(): value for name, value in headers.items()}
    said = {"service": role.service, "version": role.version, "path": path, "host": lowered.get("host", "")}
    shown = {"headers": lowered} if asked.get("show") == "headers" else {}
    called = {"calls": [called_answer(url, lowered) for url in role.calls]} if role.calls else {}
    return {**said, **shown, **called}


def called_answer(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Call a service as any program would and return its answer; the request id goes with it."""
    kept = {name: headers[name] for name in ("x-request-id",) if name in headers}
    request = urllib.request.Request(url, headers=kept)  # noqa: S310 - its own configuration names them
    try:
        with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as reply:  # noqa: S310 - as above
            return {"url": url, "status": reply.status, "answer": json.load(reply)}
    except urllib.error.HTTPError as refused:
        return {"url": url, "status": refused.code, "answer": refused.read().decode(errors="replace").strip()}
    except OSError as unreachable:
        return {"url": url, "status": 0, "answer": str(unreachable)}


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="A sample application.")
    parser.add_argument("--service", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT", action="append")
    parser.add_argument("--call", metavar="URL", action="append", default=[])
    given = parser.parse_args()
    role = Role(given.service, given.version, tuple(given.call))
    listening = [threading.Thread(target=Server(address(text), role).serve_forever) for text in given.listen]
    for thread in listening:
        thread.start()


def address(text: str) -> tuple[str, int]:
    """Return the host and port of `host:port`."""
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
