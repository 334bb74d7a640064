"""The webhook's door: HTTPS, on which the API server asks for reviews.

Law: whoever can reach the port can ask, for an API server need not show who it is; so an answer says nothing but what
is wrong with what was sent. What one caller may take is bounded: bytes, time, connections, reviews at once.
"""

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Final, Protocol

import aiohttp
from aiohttp import web, web_protocol

from meshloom import addresses, listening
from meshloom.admission import asked, configuration, judge

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a review: the API server takes requests of 3 MiB, and sends the object before and after."""

SECONDS: Final = configuration.SECONDS - 0.5
"""How long an answer may take: the API server gives up a little later."""

AT_ONCE: Final = 8
"""Reviews at one path whose bodies are in memory; others wait."""
WAITING: Final = 64
"""Reviews that wait; others are turned away."""
WAITING_PODS: Final = 1024
"""Reviews of pods that wait: they come in bursts, and one that is turned away is a pod without its proxy."""

CONNECTIONS: Final = 2048
UNHEARD_SECONDS: Final = 10.0
"""How long a connection may last on which nothing was asked."""
IDLE_SECONDS: Final = 150.0
"""How long one may last after an answer; API servers close theirs after 90 seconds."""
_LOOK_SECONDS: Final = 5.0


_UNHEARD: Final = logging.Logger("webhook", logging.CRITICAL)
"""What strangers send that is no HTTP fills no log; faults of ours are logged where they happen."""


class Answering(Protocol):
    """Who answers (`judge.Judge`)."""

    async def answer(self, body: bytes, since: float) -> bytes:
        """Return the answer to an AdmissionReview that came at this moment (`time.monotonic`).

        Raises asked.UnreadableError, judge.FaultError."""


class Shown:
    """What the webhook shows of itself; connections that are made later see what is newer."""

    def __init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def show(self, chain: bytes, key: bytes) -> None:
        """Show this certificate from now on, both in PEM."""
        with _in_memory(chain) as chain_file, _in_memory(key) as key_file:
            self.context.load_cert_chain(chain_file, key_file)


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Yield the path of a file that is in no folder, for a library that reads nothing else."""
    descriptor = os.memfd_create("meshloom", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as opened:
            opened.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def served(desks: Sequence["Desk"], shown: Shown, address: addresses.Address) -> AsyncIterator[int]:
    """Serve until the block ends; yield the port. Raises errors.UserError if the address cannot be opened."""
    made = web.Application(client_max_size=LARGEST)
    hall = _Hall()
    for desk in desks:
        made.router.add_post(desk.path, hall.taken_to(desk))
    runner = web.AppRunner(
        made, access_log=None, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=SECONDS, logger=_UNHEARD
    )
    listening_socket = await asyncio.to_thread(listening.opened, address, "the webhook")
    with contextlib.closing(listening_socket):
        await runner.setup()
        server = await asyncio.get_running_loop().create_server(
            hall.connections(runner),
            sock=listening_socket,
            ssl=shown.context,
            ssl_handshake_timeout=UNHEARD_SECONDS,
        )
        looking = asyncio.create_task(hall.close_idle_ones())
        try:
            yield listening_socket.getsockname()[1]
        finally:
            looking.cancel()
            server.close()
            await runner.cleanup()


class Desk:
    """Takes reviews in that are sent to one path, as many as there is room for."""

    def __init__(self, path: str, answering: Answering, waiting: int = WAITING) -> None:
        self.path, self._answering = path, answering
        self._room, self._most = asyncio.Semaphore(AT_ONCE), AT_ONCE + waiting
        self._inside = 0

    async def review(self, request: web.Request) -> web.Response:
        """Answer an AdmissionReview."""
        if self._inside >= self._most:
            return _words(web.HTTPServiceUnavailable.status_code, "too many reviews at once; try again in a moment")
        self._inside += 1
        begun = time.monotonic()
        try:
            async with asyncio.timeout(SECONDS), self._room:
                return web.Response(body=await self._answered(request, begun), content_type="application/json")
        except TimeoutError:
            return _words(web.HTTPGatewayTimeout.status_code, "this took too long; try again in a moment")
        except asked.UnreadableError as fault:
            return _words(web.HTTPBadRequest.status_code, str(fault))
        except judge.FaultError:
            return _words(web.HTTPInternalServerError.status_code, "a fault of meshloom's; its log says which")
        finally:
            self._inside -= 1

    async def _answered(self, request: web.Request, begun: float) -> bytes:
        return await self._answering.answer(await _body(request), begun)


async def _body(request: web.Request) -> bytes:
    """Raises asked.UnreadableError where whoever asked has gone away in the middle, which is no fault of ours."""
    try:
        return await request.read()
    except (OSError, aiohttp.ClientError, web.RequestPayloadError):
        raise asked.UnreadableError("the connection was lost") from None


class _Hall:
    """Sees to it that nobody holds connections for nothing."""

    def __init__(self) -> None:
        self._until: dict[web_protocol.RequestHandler, float] = {}
        """When each connection is closed if nothing happens on it."""

    def taken_to(self, desk: Desk) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return what takes a request to a desk."""

        async def taken(request: web.Request) -> web.Response:
            self._until[request.protocol] = time.monotonic() + SECONDS + UNHEARD_SECONDS
            try:
                return await desk.review(request)
            finally:
                self._until[request.protocol] = time.monotonic() + IDLE_SECONDS

        return taken

    def connections(self, runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
        """Return what makes the protocol of each connection."""
        server = runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")

        def connection() -> asyncio.Protocol:
            if len(server.connections) >= CONNECTIONS:
                return listening.TooMany()
            protocol = server()
            self._until[protocol] = time.monotonic() + UNHEARD_SECONDS
            return protocol

        return connection

    async def close_idle_ones(self) -> None:
        """Close what nobody uses, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for protocol in [each for each, until in self._until.items() if now >= until or each.transport is None]:
                del self._until[protocol]
                protocol.force_close()


def _words(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")
