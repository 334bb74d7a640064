"""A relay before the API server that can be stalled: connections stay open, and nothing comes through."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.cluster import servers
from watchers import api_server

_CHUNK = 65536


@dataclass
class Relay:
    """Hands on what comes to its port, but while it is stalled."""

    access: api_server.Access
    flows: asyncio.Event = field(default_factory=asyncio.Event)

    def stall(self) -> None:
        """Let nothing through."""
        self.flows.clear()

    def resume(self) -> None:
        """Let through what has come and what comes."""
        self.flows.set()

    async def hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy what is read, as long as it flows."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self.flows.wait()
                writer.write(chunk)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def relay(cluster: servers.Cluster) -> AsyncIterator[Relay]:
    """Yield a relay before the API server, with the administrator's way in through it."""
    carried: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection("127.0.0.1", cluster.port)
        writers.extend((writer, back))
        for pair in ((reader, back), (onward, writer)):
            carried.add(asyncio.create_task(made.hand_on(*pair)))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = Relay(api_server.Access(str(_through(cluster, port))))
    made.resume()
    try:
        yield made
    finally:
        server.close()
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def _through(cluster: servers.Cluster, port: int) -> pathlib.Path:
    written = cluster.folder / f"through-{port}.kubeconfig"
    written.touch(0o600)
    written.write_text(cluster.kubeconfig.read_text().replace(f":{cluster.port}", f":{port}"))
    return written
