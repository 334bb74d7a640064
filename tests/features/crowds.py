"""Crowds at the doors of ADS: connections that say nothing, streams that say nothing, and the server they come to.

The server runs in a process of its own. The crowds write frames of HTTP/2 by hand, which costs this side next to nothing.
"""

import asyncio
import contextlib
import pathlib
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psutil
import structlog

from bench import lines
from meshloom.identity.authority import issue
from tests.features import entrance
from xds import server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RESET, SETTINGS, PING = 1, 3, 4, 6
END_HEADERS, ACK = 4, 1


@dataclass
class Doors:
    """The server, seen from outside."""

    child: lines.Child
    by_token: str
    by_certificate: str
    root: str
    token: str = field(repr=False)

    def memory(self):
        """Return the bytes the process occupies."""
        return psutil.Process(self.child.process.pid).memory_info().rss

    def context(self):
        """Return the TLS of a client that knows the server."""
        context = ssl.create_default_context(cadata=self.root)
        context.set_alpn_protocols(["h2"])
        return context


@contextlib.asynccontextmanager
async def doors(folder, **limits) -> AsyncIterator[Doors]:
    """Run a server until the block ends."""
    async with lines.child("tests.features.crowds") as child:
        yield Doors(child, **await child.ask("serve", folder=str(folder), limits=limits))


# ---------------------------------------------------------------------------- silent connections


@contextlib.asynccontextmanager
async def connections(address, count) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open so many connections that say nothing; each is closed with the block at the latest."""
    host, _, port = address.rpartition(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()


# ---------------------------------------------------------------------------- silent streams


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def field(name, value):
    """Return a header as HPACK writes one that is neither known nor to be remembered."""
    return b"".join((b"\x00", _text(name), _text(value)))


def _text(text):
    data = text.encode()
    if len(data) < 127:
        return bytes((len(data),)) + data
    left, size = len(data) - 127, b"\x7f"
    while left >= 128:
        left, size = left >> 7, size + bytes((left & 127 | 128,))
    return size + bytes((left,)) + data


def opening(stream, token):
    """Return the frame that opens a stream of ADS and says nothing on it."""
    fields = {
        ":method": "POST",
        ":scheme": "https",
        ":path": f"/{server.SERVICE}/DeltaAggregatedResources",
        ":authority": issue.CONTROL_PLANE,
        "content-type": "application/grpc",
        "te": "trailers",
        **({"authorization": token} if token else {}),
    }
    return frame(HEADERS, END_HEADERS, stream, b"".join(field(*each) for each in fields.items()))


@dataclass
class Silent:
    """A connection on which nothing more is said; `reading` ends with an error when the server closes it."""

    writer: asyncio.StreamWriter
    reading: "asyncio.Task[None]"


@contextlib.asynccontextmanager
async def streams(doors, count, each, token="") -> AsyncIterator[asyncio.Semaphore]:
    """Open so many connections with so many silent streams each; yield what counts the streams that ended."""
    over, context = asyncio.Semaphore(0), doors.context()
    crowd = [await _silent(doors, context, each, token, over) for _ in range(count)]
    try:
        yield over
    finally:
        for silent in crowd:
            silent.reading.cancel()
            silent.writer.transport.abort()
        await asyncio.gather(*(silent.reading for silent in crowd), return_exceptions=True)


@contextlib.asynccontextmanager
async def connection(doors) -> AsyncIterator[Silent]:
    """Open a connection that begins HTTP/2 and opens no stream."""
    silent = await _silent(doors, doors.context(), 0, "", asyncio.Semaphore(0))
    try:
        yield silent
    finally:
        silent.reading.cancel()
        silent.writer.transport.abort()
        await asyncio.gather(silent.reading, return_exceptions=True)


async def _silent(doors, context, each, token, over):
    host, _, port = doors.by_token.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=issue.CONTROL_PLANE)
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    writer.write(b"".join(opening(2 * number + 1, token) for number in range(each)))
    return Silent(writer, asyncio.create_task(_answering(reader, writer, over)))


async def _answering(reader, writer, over):
    """Acknowledge settings and pings, and count streams that end: once each, though trailers and a reset may come."""
    ended = set[int]()
    while True:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3]))
        kind, flags = head[3], head[4]
        if kind in (SETTINGS, PING) and not flags & ACK:
            writer.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif (kind == RESET or (kind == HEADERS and flags & ACK)) and (stream := int.from_bytes(head[5:])) not in ended:
            ended.add(stream)
            over.release()


# ---------------------------------------------------------------------------- the server, seen from inside


class _Serving:
    def __init__(self, stack):
        self._stack = stack

    async def serve(self, folder, limits):
        plane = await self._stack.enter_async_context(entrance.guarded(pathlib.Path(folder), **limits))
        known = {"by_token": plane.by_token, "by_certificate": plane.by_certificate}
        return {**known, "root": entrance.root_pem(plane.own).decode(), "token": plane.token()}


def _silence(_logger, _method, _event):
    raise structlog.DropEvent


async def main():
    structlog.configure(processors=[_silence])
    async with contextlib.AsyncExitStack() as stack:
        await lines.answer({"serve": _Serving(stack).serve})


if __name__ == "__main__":
    asyncio.run(main())
