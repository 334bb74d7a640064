"""A way to the API server that can be cut, stalled and slowed down."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from tests.cluster import servers
from watchers import api_server

TRICKLE = 512
"""Bytes at a time on a slow way."""


@dataclass
class Relay:
    """Hands bytes on. Stalled: it takes what comes and hands nothing on, as a firewall that forgot the connection."""

    port: int
    server: asyncio.Server | None = None
    address: int = 0
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    pause: float = 0.0
    streams: set[asyncio.StreamWriter] = field(default_factory=set)
    serving: set["asyncio.Task[None]"] = field(default_factory=set)
    is_refusing: bool = False

    async def start(self) -> None:
        self.flowing.set()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()[1]

    def stall(self) -> None:
        """Hand nothing on from now, on any connection; `held` is set when there is something that is not."""
        self.held.clear()
        self.flowing.clear()

    def flow(self) -> None:
        """Hand everything on again."""
        self.is_refusing = False
        self.flowing.set()

    def cut(self) -> None:
        """Break off every connection, and each new one at once."""
        self.is_refusing = True
        for stream in self.streams:
            stream.transport.abort()

    async def close(self) -> None:
        assert self.server is not None
        self.server.close()
        self.flow()
        self.cut()
        await asyncio.gather(*self.serving, return_exceptions=True)
        await asyncio.sleep(0)  # transports that are aborted close their sockets in the next turn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            await self._serving(reader, writer)
        finally:
            self.serving.discard(task)

    async def _serving(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._closed(writer):
            if self.is_refusing:
                return
            onward, back = await asyncio.open_connection("127.0.0.1", self.port)
            with self._closed(back):
                await asyncio.gather(self._handed(reader, back), self._handed(onward, writer))

    @contextlib.contextmanager
    def _closed(self, stream: asyncio.StreamWriter) -> Iterator[None]:
        """Have a stream cut with the others, and closed with the block, also if nobody is there to hand bytes to."""
        self.streams.add(stream)
        try:
            yield
        finally:
            self.streams.discard(stream)
            stream.transport.abort()

    async def _handed(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(TRICKLE if self.pause else 1 << 16):
                await asyncio.sleep(self.pause)
                if not self.flowing.is_set():
                    self.held.set()
                await self.flowing.wait()
                target.write(data)
                await target.drain()
        target.close()


@contextlib.asynccontextmanager
async def relayed(cluster: servers.Cluster, folder: pathlib.Path) -> AsyncIterator[tuple[Relay, api_server.Access]]:
    """Yield a relay, and the administrator's way in through it."""
    relay = Relay(cluster.port)
    await relay.start()
    kubeconfig = folder / "relayed.kubeconfig"
    through = f"https://127.0.0.1:{relay.address}"
    kubeconfig.write_text(cluster.kubeconfig.read_text().replace(cluster.url, through))
    try:
        yield relay, api_server.Access(str(kubeconfig))
    finally:
        await relay.close()
