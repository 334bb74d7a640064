"""The one request of gRPC that probes make, `grpc.health.v1.Health/Check`, over a connection that somebody else opens.

Law: one request, one answer, and the connection ends; so nothing of HTTP/2 is needed but its frames, and of those that
come only the data counts. The library of gRPC would be larger than the rest of the process, and cannot choose the
address that it calls from.
"""

import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

SERVING: Final = 1
LARGEST: Final = 16384
"""Bytes of a frame, which nobody may exceed that we have not asked to."""
MOST: Final = 100
"""Frames that are looked at."""

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _AWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _PADDED, _ACK = 0x1, 0x4, 0x8, 0x1
_HEADER = struct.Struct(">BHBBL")
_PREFIX = struct.Struct(">BL")


class NoAnswerError(Exception):
    """What came is no answer to a health check; the text says what it was."""


class Frame(NamedTuple):
    """A frame as it came."""

    kind: int
    flags: int
    stream: int
    body: bytes


def status(connection: socket.socket, authority: str, service: str) -> int:
    """Return the status that a service has (`grpc.health.v1.HealthCheckResponse`). Raises NoAnswerError, OSError."""
    connection.sendall(b"".join(_request(authority, service)))
    data = b""
    for frame in _frames(connection):
        if frame.kind == _DATA and frame.stream == 1:
            data += _content(frame)
        if frame.kind in (_RESET, _AWAY):
            raise NoAnswerError("the server has closed the request")
        if frame.stream == 1 and frame.kind in (_DATA, _HEADERS) and frame.flags & _END_STREAM:
            return _serving(data)
    raise NoAnswerError("the server does not end its answer")


def _request(authority: str, service: str) -> Iterator[bytes]:
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe/meshloom"),
    )
    name = service.encode()
    message = b"\x0a" + _integer(len(name), 7) + name if name else b""
    yield _PREFACE + _frame(_SETTINGS, 0, 0, b"")
    yield _frame(_HEADERS, _END_HEADERS, 1, b"".join(b"\x00" + _text(key) + _text(value) for key, value in fields))
    yield _frame(_DATA, _END_STREAM, 1, _PREFIX.pack(0, len(message)) + message)


def _text(text: str) -> bytes:
    """Return a string literal of HPACK (RFC 7541, 5.2), without Huffman's code."""
    encoded = text.encode()
    return _integer(len(encoded), 7, hpack=True) + encoded


def _integer(number: int, bits: int, *, hpack: bool = False) -> bytes:
    """Return an integer of HPACK (5.1) with so many bits in its first byte, or one of protobuf."""
    most = (1 << bits) - 1
    if hpack and number < most:
        return bytes([number])
    first, number = (bytes([most]), number - most) if hpack else (b"", number)
    while number >= 128:
        first, number = first + bytes([number % 128 + 128]), number // 128
    return first + bytes([number])


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return _HEADER.pack(len(body) >> 16, len(body) & 0xFFFF, kind, flags, stream) + body


def _frames(connection: socket.socket) -> Iterator[Frame]:
    """Yield the frames that come, and answer those that want it. Raises NoAnswerError, OSError."""
    for _ in range(MOST):
        high, low, kind, flags, stream = _HEADER.unpack(_exactly(connection, _HEADER.size))
        length = (high << 16) + low
        if length > LARGEST:
            raise NoAnswerError("this is not HTTP/2")
        frame = Frame(kind, flags, stream & 0x7FFFFFFF, _exactly(connection, length))
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            connection.sendall(_frame(kind, _ACK, 0, b"" if kind == _SETTINGS else frame.body))
        yield frame


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise NoAnswerError("the server has closed the connection")
        found += more
    return found


def _content(frame: Frame) -> bytes:
    if not frame.flags & _PADDED:
        return frame.body
    return frame.body[1 : len(frame.body) - frame.body[0]] if frame.body else b""


def _serving(data: bytes) -> int:
    """Return the status in a message: its first field, which is left out where it is 0."""
    if len(data) < _PREFIX.size:
        raise NoAnswerError("the server knows no health of this service")
    is_compressed, length = _PREFIX.unpack(data[: _PREFIX.size])
    message = data[_PREFIX.size : _PREFIX.size + length]
    if is_compressed or len(message) < length:
        raise NoAnswerError("the answer cannot be read")
    return message[1] if message[:1] == b"\x08" and len(message) > 1 else 0
