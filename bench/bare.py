"""What is compared with: the least that a gRPC server in Python does to write the same bytes to the same streams.

Law: knows nothing: it writes recorded responses and counts what comes back. All that the control plane costs beyond
this is its own.
"""

import asyncio
import pathlib
from typing import Any

import grpc.aio

from bench import lines, messages, usage
from meshloom.identity import authorities, home
from meshloom.identity.authority import serving, succession


class Bare:
    """A server that broadcasts what others recorded."""

    def __init__(self) -> None:
        self._server = grpc.aio.server(options=(("grpc.max_send_message_length", -1),))
        self._first: dict[int, list[bytes]] = {}
        self._streams: dict[int, asyncio.Queue[bytes]] = {}
        self._requests = usage.Count()

    async def serve(self, address: str, state: str, tls: bool) -> dict[str, Any]:
        """Open the address, over TLS with a certificate of the control plane's own kind or in clear."""
        method = grpc.stream_stream_rpc_method_handler(self._stream)
        for path in messages.METHODS.values():
            _, service, name = path.split("/")
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
        if tls:
            self._server.add_secure_port(address, _credentials(pathlib.Path(state)))
        else:
            self._server.add_insecure_port(address)
        await self._server.start()
        return usage.usage()

    async def first(self, path: str) -> dict[str, Any]:
        """Take what each stream is to get at its start."""
        self._first = {}
        for number, data in messages.kept(path):
            self._first.setdefault(number, []).append(data)
        return usage.usage()

    async def broadcast(self, path: str) -> dict[str, Any]:
        """Write each response to its stream, and answer how long it took until all were accepted, and what it cost."""
        recording = messages.kept(path)
        span = usage.Span()
        self._requests.number = 0
        for number, data in recording:
            self._streams[number].put_nowait(data)
        await self._requests.until(len(recording))
        return {**await span.answered()}

    async def stop(self) -> None:
        """Close the address and cut the streams."""
        await self._server.stop(0)

    async def _stream(self, _requests: object, context: Any) -> None:
        number = int(dict(context.invocation_metadata())["proxy"])
        queue = self._streams[number] = asyncio.Queue[bytes]()
        await context.read()
        for data in self._first.pop(number, ()):
            queue.put_nowait(data)
        reading = asyncio.create_task(self._read(context))
        try:
            while True:
                await context.write(await queue.get())
        finally:
            reading.cancel()

    async def _read(self, context: Any) -> None:
        while await context.read() is not grpc.aio.EOF:
            self._requests.add()


def _credentials(state: pathlib.Path) -> grpc.ServerCredentials:
    ground = succession.Ground(authorities.store(state), serving.POLICY)
    leaf = serving.ServerKeeper(ground, home.folder(state).published).credentials(()).leaf
    return grpc.ssl_server_credentials([(leaf.key.pem, leaf.chain)])


async def main() -> None:
    """Answer what the benchmark asks."""
    bare = Bare()
    await lines.answer({"serve": bare.serve, "first": bare.first, "broadcast": bare.broadcast, "usage": usage.answered})
    await bare.stop()


if __name__ == "__main__":
    asyncio.run(main())
