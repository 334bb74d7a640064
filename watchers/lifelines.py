"""Connections to an API server whose end is noticed though nobody says so: the system asks whether the other lives.

Law: what is noticed here is a dead machine or network; one that lives and says nothing is noticed by its silence. A
client that is closed leaves no connection open, also none that waits for the server's goodbye.
"""

import asyncio
import contextlib
import socket
import weakref
from typing import Any, Final

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client import rest

_OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),  # seconds without a word, after which it is asked
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),  # seconds between two questions
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),  # questions without an answer, after which it is dead
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),  # milliseconds for what was sent to be acknowledged
)
"""As tcp(7) has them."""

_TURNS: Final = 20
"""Of the event loop, in which a connection notices that it has ended and is closed; it takes about four."""


class _Lifelines(rest.RESTClientObject):
    def __init__(self, configuration: client.Configuration) -> None:
        super().__init__(configuration)
        self._sockets = weakref.WeakSet[socket.socket]()

    async def close(self) -> None:
        """Close all connections, those of requests that were given up, too."""
        await super().close()
        await _ended(self._sockets)

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, socket_factory=self._made)

    def _made(self, address: Any) -> socket.socket:
        self._sockets.add(made := _kept_alive(address))
        return made


def api_client(configuration: client.Configuration) -> client.ApiClient:
    """Return a client all of whose connections are such."""
    made = client.ApiClient(configuration)
    made.rest_client = _Lifelines(configuration)  # the one it had has not made a connection yet
    return made


def session(of: client.ApiClient) -> aiohttp.ClientSession:
    """Return what a client makes its requests with; it makes that itself with its first request."""
    rest_client = of.rest_client
    if rest_client.pool_manager is None:
        rest_client.pool_manager = rest_client._create_pool_manager()
    return rest_client.pool_manager


def _kept_alive(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        for level, option, value in _OPTIONS:
            made.setsockopt(level, option, value)
    except OSError:
        made.close()
        raise
    return made


async def _ended(sockets: weakref.WeakSet[socket.socket]) -> None:
    """Return when these are closed.

    The connection of a request that is given up before its answer, or just as the connection stands, says goodbye
    and waits half a minute for the server to say so too; the session, which has given it away, does not close it.
    """
    for each in tuple(sockets):
        with contextlib.suppress(OSError):  # closed already, or never connected
            each.shutdown(socket.SHUT_RDWR)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if all(each.fileno() < 0 for each in tuple(sockets)):
            return
