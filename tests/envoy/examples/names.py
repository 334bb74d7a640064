"""A name server for a test: the names of a mesh lead to addresses of this machine, all others nowhere.

Law: it speaks of IPv4 addresses alone, over UDP; what it is told anew it answers from then on.
"""

import contextlib
import ipaddress
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping

HEAD = struct.Struct(">6H")
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583
"""Flags: an answer, with authority, to a question that asked for recursion."""
A, INTERNET = 1, 1
LIFETIME_S = 1
POINTER_TO_QUESTION = 0xC000 | HEAD.size


class Names(socketserver.ThreadingUDPServer):
    """Addresses by name; `known` may be replaced at any time."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Question)
        self.known: Mapping[str, tuple[str, ...]] = {}


class _Question(socketserver.BaseRequestHandler):
    server: Names

    def handle(self) -> None:
        packet, socket = self.request
        socket.sendto(answer(packet, self.server.known), self.client_address)


def answer(packet: bytes, known: Mapping[str, tuple[str, ...]]) -> bytes:
    """Return the answer to a packet with one question."""
    name, end = _name(packet)
    asked, _ = struct.unpack_from(">2H", packet, end)
    found = known.get(name.lower(), ()) if asked == A else ()
    flags = ANSWER if name.lower() in known else NO_SUCH_NAME
    (number, *_) = HEAD.unpack_from(packet)
    records = (_record(address) for address in found)
    return HEAD.pack(number, flags, 1, len(found), 0, 0) + packet[HEAD.size : end + 4] + b"".join(records)


def _name(packet: bytes) -> tuple[str, int]:
    """Return the name that is asked for, and where it ends."""
    labels, place = [], HEAD.size
    while length := packet[place]:
        labels.append(packet[place + 1 : place + 1 + length].decode())
        place += 1 + length
    return ".".join(labels), place + 1


def _record(address: str) -> bytes:
    packed = ipaddress.IPv4Address(address).packed
    return struct.pack(">3HIH", POINTER_TO_QUESTION, A, INTERNET, LIFETIME_S, len(packed)) + packed


@contextlib.contextmanager
def serving(address: tuple[str, int]) -> Iterator[Names]:
    """Answer questions at this address until the `with` ends."""
    with Names(address) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
