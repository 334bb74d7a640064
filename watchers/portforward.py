"""A port of a pod, by way of the API server: bytes go in, bytes come out, and no port of this machine is opened.

Law: the protocol is `v4.channel.k8s.io` (https://pkg.go.dev/k8s.io/kubelet/pkg/cri/streaming/portforward): a message
begins with the number of its channel, 0 for what is carried and 1 for what goes wrong; the first of each is the port.
"""

import asyncio
from typing import Final

import aiohttp

from watchers import api_server

PROTOCOL: Final = "v4.channel.k8s.io"
_CARRIED, _WRONG = 0, 1
_AT_MOST: Final = 500
"""Characters of what goes wrong."""


async def exchanged(
    api: api_server.ApiServer, namespace: str, pod: str, port: int, sent: bytes, *, most: int, within: float
) -> bytes:
    """Return what a port of a pod's loopback address answers until it is closed, at most so many bytes.

    Raises ApiError, also where the answer is longer or takes more than `within` seconds.
    """
    at = api_server.path("v1", "pods", namespace, pod, "portforward")
    try:
        async with (
            asyncio.timeout(within),
            api.socket(at, {"ports": str(port)}, PROTOCOL, within) as socket,
        ):
            await socket.send_bytes(bytes((_CARRIED,)) + sent)
            return await _received(socket, f"port {port} of Pod {namespace}/{pod}", most)
    except TimeoutError:
        raise api_server.ApiError(0, api_server.UNREACHABLE, f"{at}: no answer within {within:g} s") from None


async def _received(socket: aiohttp.ClientWebSocketResponse, what: str, most: int) -> bytes:
    """Raises ApiError."""
    begun, carried = set[int](), bytearray()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel not in begun:
            begun.add(channel)
        elif channel == _WRONG:
            words = " ".join(data.decode(errors="replace").split())[:_AT_MOST]
            raise api_server.ApiError(0, api_server.UNREACHABLE, f"{what} is not reached: {words}")
        else:
            carried += data
        if len(carried) > most:
            raise api_server.ApiError(0, api_server.UNREACHABLE, f"{what} answers with more than {most} bytes")
    return bytes(carried)
