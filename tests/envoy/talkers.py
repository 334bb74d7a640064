"""Applications and clients that speak something else than plain HTTP: TLS of their own, WebSockets, CONNECT."""

import base64
import contextlib
import hashlib
import pathlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests import certificates

TIMEOUT_S = 20.0
WEBSOCKET_KEY = base64.b64encode(bytes(16)).decode()
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(address: str, port: int, talk: Talk) -> Iterator[None]:
    """Accept connections until the `with` ends, each in a thread."""
    listener = socket.create_server((address, port), backlog=256)

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    server = threading.Thread(target=accept, daemon=True)
    server.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()


def loud(connection: socket.socket) -> None:
    """Give back what comes, in capitals."""
    while said := connection.recv(4096):
        connection.sendall(said.upper())


# ---------------------------------------------------------------------------- TLS


class OwnTls:
    """TLS that an application ends itself, with a certificate that is none of the mesh's."""

    def __init__(self, folder: pathlib.Path) -> None:
        authority = certificates.Authority("the application's own")
        files = authority.issued("app://vault", folder)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(files.chain, files.key)
        self.client = ssl.create_default_context(cafile=str(files.roots))
        self.client.check_hostname = False  # the certificate names no host; that it is this one is what counts

    def talk(self, name: str) -> Talk:
        """Return how an application of this name talks: it says its name first, then gives back what comes."""

        def talk(connection: socket.socket) -> None:
            connection.settimeout(TIMEOUT_S)
            with self.server.wrap_socket(connection, server_side=True) as inside:
                inside.settimeout(None)  # who is silent is left in peace
                inside.sendall(f"{name}\n".encode())
                loud(inside)

        return talk

    def said(self, connection: socket.socket, server_name: str = "vault.example") -> str:
        """Return the name of the application at the other end of a connection, having heard its echo; closes it."""
        with self.client.wrap_socket(connection, server_hostname=server_name) as inside:
            name = line(inside)
            inside.sendall(b"still there\n")
            assert line(inside) == "STILL THERE"
            return name


def line(connection: socket.socket) -> str:
    """Return the next line that comes, empty where the other side is done."""
    got = b""
    with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
        while not got.endswith(b"\n") and (more := connection.recv(1)):
            got += more
    return got.decode().strip()


# ---------------------------------------------------------------------------- upgrades


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request that asks for something else than an answer; the connection goes on."""

    status: int
    headers: dict[str, str]
    connection: socket.socket

    def body(self) -> str:
        """Return the rest of it; closes the connection."""
        with self.connection:
            return self.connection.recv(int(self.headers.get("content-length", 0))).decode().strip()


def asked(connection: socket.socket, *lines: str) -> Answer:
    """Send the head of a request; return the answer's."""
    connection.sendall("".join(f"{each}\r\n" for each in (*lines, "")).encode())
    version, _, status = line(connection).partition(" ")
    assert version.startswith("HTTP/1."), version
    headers = dict(header.lower().split(": ", 1) for header in iter(lambda: line(connection), ""))
    return Answer(int(status.split()[0]), headers, connection)


def tunnel(proxy: str, authority: str, version: str = "HTTP/1.1") -> Answer:
    """Ask the sidecar at an address for a tunnel by CONNECT."""
    connection = socket.create_connection((proxy, 15000), timeout=TIMEOUT_S)
    return asked(
        connection, f"CONNECT {authority} {version}", *([f"Host: {authority}"] if version != "HTTP/1.0" else [])
    )


def tunnel_status(proxy: str, authority: str) -> int:
    """Return what a sidecar says to a wish for a tunnel, which is closed at once."""
    answer = tunnel(proxy, authority)
    with answer.connection:
        return answer.status


def upgraded(connection: socket.socket, target: str, host: str) -> Answer:
    """Ask for a WebSocket."""
    key = f"Sec-WebSocket-Key: {WEBSOCKET_KEY}"
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
    return asked(connection, f"GET {target} HTTP/1.1", f"Host: {host}", *upgrade)


def websockets(connection: socket.socket) -> None:
    """Talk as an application that takes WebSockets: what comes through one is given back, as it is."""
    lines = [*iter(lambda: line(connection), "")]
    headers = dict(each.lower().split(": ", 1) for each in lines[1:])
    if headers.get("upgrade") != "websocket":
        connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n")
        return
    accepted = base64.b64encode(hashlib.sha1((WEBSOCKET_KEY + _MAGIC).encode()).digest()).decode()
    connection.sendall(
        f"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        f"sec-websocket-accept: {accepted}\r\n\r\n".encode()
    )
    while said := connection.recv(4096):
        connection.sendall(said)
