"""HTTP for operators and for machines that watch: a socket opened safely, and an application served on it.

Law: a unix socket has mode 0600 from the moment it exists; what somebody else serves on is never taken over. A
connection carries one request without a body, ends in time, and there are few at once: nobody here can starve ADS.
"""

import asyncio
import contextlib
import fcntl
import os
import pathlib
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator

from aiohttp import typedefs, web

from meshloom import addresses, errors

CONNECTIONS = 64
"""Open at once; further ones are closed unheard."""

REQUEST_SECONDS = 10.0
"""How long an answer may take."""

CONNECTION_SECONDS = 20.0
"""How long a connection may last, from the first byte of its one request to the last of the answer."""

_ANSWERS_SECONDS = 1.0
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


@contextlib.asynccontextmanager
async def served(application: web.Application, address: addresses.Address, option: str) -> AsyncIterator[None]:
    """Serve an application until the block ends. Raises errors.UserError that names `option` if it cannot."""
    listening = await asyncio.to_thread(opened, address, option)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    with contextlib.closing(listening):
        mark = _identity(address)
        await runner.setup()
        server = await asyncio.get_running_loop().create_server(_bounded(runner), sock=listening)
        try:
            yield
        finally:
            server.close()
            await runner.cleanup()
            _forget(address, mark)


def opened(address: addresses.Address, option: str) -> socket.socket:
    """Return a socket that listens there; waits up to a second for one who may serve there already.

    Raises errors.UserError.
    """
    try:
        return _pipe(address.path, option) if isinstance(address, addresses.Pipe) else _port(address)
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno else str(fault)
        raise errors.UserError(f"{option}: {address} cannot be opened: {reason}; choose another, or off") from None


@web.middleware
async def bounded(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Refuse a request with a body, end one that takes too long, and its connection after it (aiohttp middleware)."""
    try:
        response = await _timely(request, handler)
    except web.HTTPException as refused:
        refused.force_close()
        raise
    response.force_close()
    return response


async def _timely(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    if request.body_exists:
        raise web.HTTPRequestEntityTooLarge(max_size=0, actual_size=1, text="a request has no body here\n")
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await handler(request)
    except TimeoutError:
        raise web.HTTPServiceUnavailable(text="this took too long\n") from None


# ---------------------------------------------------------------------------- sockets


def _port(address: addresses.Socket) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family)


def _pipe(path: str, option: str) -> socket.socket:
    folder = pathlib.Path(path).parent
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    with _locked(folder):
        _make_way(path, option)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listening.fileno(), _PRIVATE_FILE)  # Linux gives the file the mode of the socket that is bound
            listening.bind(path)
            listening.listen()
        except OSError:
            listening.close()
            raise
    return listening


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    """Keep two programs from making way for themselves at once."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _make_way(path: str, option: str) -> None:
    """Remove the socket file that a killed program left; refuse to remove anything else."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(there.st_mode):
        raise errors.UserError(f"{option}: {path} exists and is not a socket; choose another path")
    if _answers(path):
        raise errors.UserError(f"{option}: something serves on {path} already; stop it, or choose another, or off")
    os.unlink(path)


def _answers(path: str) -> bool:
    """Return whether somebody listens; only a refused connection means nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ANSWERS_SECONDS)
        try:
            asking.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (TimeoutError, BlockingIOError):
            return True
    return True


def _identity(address: addresses.Address) -> tuple[int, int] | None:
    if not isinstance(address, addresses.Pipe):
        return None
    there = os.lstat(address.path)
    return there.st_dev, there.st_ino


def _forget(address: addresses.Address, mark: tuple[int, int] | None) -> None:
    """Remove our socket file, unless it is somebody else's by now."""
    with contextlib.suppress(FileNotFoundError):
        if isinstance(address, addresses.Pipe) and _identity(address) == mark:
            os.unlink(address.path)


# ---------------------------------------------------------------------------- connections


def _bounded(runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
    server = runner.server
    if server is None:
        raise RuntimeError("the runner is not set up")

    def connection() -> asyncio.Protocol:
        if len(server.connections) >= CONNECTIONS:
            return TooMany()
        protocol = server()
        asyncio.get_running_loop().call_later(CONNECTION_SECONDS, protocol.force_close)
        return protocol

    return connection


class TooMany(asyncio.Protocol):
    """Closes what it is given."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()
