"""A name server for tests: it answers questions for addresses from a table that may change."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence

A, AAAA = 1, 28
_POINTER_TO_NAME, _INTERNET, _SECONDS = 0xC00C, 1, 1
_ANSWER, _NO_SUCH_NAME = 0x8580, 0x8583


@contextlib.contextmanager
def serving(address: str, port: int, table: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Serve the addresses of names until the `with` ends; what is not in the table has no address.

    Yields the list of the names that were asked for.
    """
    heard: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        thread = threading.Thread(target=_serve, args=(server, table, heard), daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (address, port))
            thread.join()


def _serve(server: socket.socket, table: Mapping[str, Sequence[str]], heard: list[str]) -> None:
    while True:
        asked, caller = server.recvfrom(512)
        if not asked:
            return
        name, at = _question(asked)
        server.sendto(_reply(asked, at, table.get(name)), caller)
        heard.append(name)


def _question(asked: bytes) -> tuple[str, int]:
    """Return the name that is asked for, and where it ends."""
    labels, at = [], 12
    while asked[at]:
        labels.append(asked[at + 1 : at + 1 + asked[at]].decode())
        at += asked[at] + 1
    return ".".join(labels).lower(), at


def _reply(asked: bytes, at: int, known: Sequence[str] | None) -> bytes:
    (kind,) = struct.unpack("!H", asked[at + 1 : at + 3])
    records = [_record(kind, each) for each in known or () if kind == (AAAA if ":" in each else A)]
    status = _NO_SUCH_NAME if known is None else _ANSWER
    header = asked[:2] + struct.pack("!HHHHH", status, 1, len(records), 0, 0)
    return header + asked[12 : at + 5] + b"".join(records)


def _record(kind: int, address: str) -> bytes:
    data = socket.inet_pton(socket.AF_INET6 if kind == AAAA else socket.AF_INET, address)
    return struct.pack("!HHHIH", _POINTER_TO_NAME, kind, _INTERNET, _SECONDS, len(data)) + data
