"""Probes of the application, as kubelet would make them: from here, for kubelet has no certificate.

Law: one target, which is in this pod, in the time that its probe has. Nobody is asked anything else, wherever the
application would send us.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from meshloom.container import grpc_health
from meshloom.injector import targets
from meshloom.injector.targets import Target

FROM: Final[Mapping[int, str]] = {4: "127.0.0.6", 6: "::1"}
"""By version of IP, where the application is called from: connections from there are not captured."""

LONGEST_BODY: Final = 10 * 1024
"""Bytes of an answer that kubelet shows."""
MOST_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_DROPPED: Final = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_DROPPED_PREFIXES: Final = ("x-envoy-", "x-request-id", "x-forwarded-proto")

Headers = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    """What a probe is answered with; below 400 it has succeeded."""

    status: int
    body: bytes


def answer(target: Target, seconds: float, headers: Headers, address: str) -> Answer:
    """Return what the application answers at an address of the pod."""
    host = address if target.host == targets.LOCALHOST else target.host
    try:
        match target.scheme:
            case targets.TCP:
                return _of_tcp(host, target.port, seconds)
            case targets.GRPC:
                return _of_grpc(host, target, seconds)
            case _:
                return _of_http(host, target, seconds, list(headers))
    except TimeoutError:
        return _failed(504, f"no answer within {seconds:g} s")
    except (OSError, http.client.HTTPException, grpc_health.NoAnswerError, ValueError) as fault:
        return _failed(503, str(fault) or type(fault).__name__)


def _failed(status: int, words: str) -> Answer:
    return Answer(status, f"{words}\n".encode())


def _of_tcp(host: str, port: int, seconds: float) -> Answer:
    with _connected(host, port, seconds):
        return Answer(200, b"connected\n")


def _of_grpc(host: str, target: Target, seconds: float) -> Answer:
    with _connected(host, target.port, seconds) as connection, _ended_after(connection, seconds):
        found = grpc_health.status(connection, _authority(host, target.port), target.path)
    return Answer(200, b"SERVING\n") if found == grpc_health.SERVING else _failed(503, f"the status is {found}")


def _connected(host: str, port: int, seconds: float) -> socket.socket:
    return socket.create_connection((host, port), timeout=seconds, source_address=(source(host), 0))


def source(host: str) -> str:
    """Return the address that an address of the pod is called from."""
    return FROM[ipaddress.ip_address(host).version]


@contextlib.contextmanager
def _ended_after(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Close a connection that lasts longer than that, whatever comes by it meanwhile."""
    timer = threading.Timer(seconds, _shut, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


# ---------------------------------------------------------------------------- HTTP


def _of_http(host: str, target: Target, seconds: float, headers: list[tuple[str, str]]) -> Answer:
    path = target.path
    for _ in range(MOST_REDIRECTS):
        found, location = _asked(host, target, path, seconds, headers)
        if location is None:
            return found
        path = location
    return _failed(508, "it redirects for ever")


def _asked(
    host: str, target: Target, path: str, seconds: float, headers: list[tuple[str, str]]
) -> tuple[Answer, str | None]:
    """Return an answer, and the path that it redirects to if that is one of the same server."""
    with contextlib.closing(_connection(host, target, seconds)) as connection:
        connection.connect()
        with _ended_after(connection.sock, seconds):
            connection.putrequest("GET", urllib.parse.quote(path, safe="/%?&=+,:;@!$'()*~#[]"), True, True)
            for name, value in _sent(headers, _authority(host, target.port)):
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            location = _inside(response.headers.get("location", ""), path, host, target)
            if response.status in _REDIRECTS:
                return Answer(200, f"redirected with {response.status}\n".encode()), location
            return Answer(response.status, response.read1(LONGEST_BODY) if response.status >= 400 else b"ok\n"), None


def _connection(host: str, target: Target, seconds: float) -> http.client.HTTPConnection:
    at = (source(host), 0)
    if target.scheme == targets.HTTP:
        return http.client.HTTPConnection(host, target.port, timeout=seconds, source_address=at)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = (
        False,
        ssl.CERT_NONE,
    )  # as kubelet does: it looks for life, not for faith
    return http.client.HTTPSConnection(host, target.port, timeout=seconds, source_address=at, context=context)


def _sent(headers: list[tuple[str, str]], authority: str) -> Iterator[tuple[str, str]]:
    """Yield the headers of a probe: its own, and those that are missing."""
    kept = [(name, value) for name, value in headers if not _is_dropped(name)]
    if not any(name.lower() == "host" for name, _ in kept):
        yield "host", authority
    yield from kept
    yield "connection", "close"


def _is_dropped(name: str) -> bool:
    lower = name.lower()
    return lower in _DROPPED or lower.startswith(_DROPPED_PREFIXES) or targets.is_of_proxy(name)


def _inside(location: str, path: str, host: str, target: Target) -> str | None:
    """Return the path that a redirect leads to, None if it leads elsewhere, where nobody is asked."""
    if not location:
        return None
    base = f"{target.scheme}://{_authority(host, target.port)}"
    led = urllib.parse.urlsplit(urllib.parse.urljoin(base + path, location))
    if f"{led.scheme}://{led.netloc}" != base:
        return None
    return f"{led.path or '/'}?{led.query}" if led.query else led.path or "/"


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
