"""The program: sources, pipeline, cache and ADS server, wired together.

Law: the only place where the senses, the compiler and the protocol meet. ADS opens when every source is synced and the
first configuration is made; plaintext ADS only where the machine itself limits who can reach it.
"""

import asyncio
import contextlib
import pathlib

import structlog

from meshloom import addresses, errors, logs, memory, pipeline
from meshloom import settings as settings_model
from meshloom.identity import unproven
from watchers import feed, files
from xds import cache, server

_log = structlog.get_logger()


class Program:
    """The control plane on one folder of files and one ADS address in clear."""

    def __init__(self, folder: pathlib.Path, ads: addresses.Address, settings: settings_model.Settings) -> None:
        if not addresses.is_private(ads):
            raise errors.UserError(f"ADS in clear is for a unix socket or a loopback address, not for {ads}")
        self._ads, self._settings = ads, settings
        self._source = files.FileSource(folder, poll=settings.files.poll_seconds, largest=settings.files.largest_bytes)
        self._pipeline = pipeline.Pipeline(_Told(), settings.resolving.settings())
        interest = cache.Interest(self._pipeline.wanted, self._pipeline.unwanted)
        self._cache = cache.Cache(interest)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises errors.UserError where the address is taken or the source fails."""
        memory.prepare()
        observing = self._settings.observing
        observations = feed.observations([self._source], observing.settle_seconds, observing.at_most_seconds)
        async with contextlib.aclosing(observations):
            following = asyncio.create_task(self._pipeline.run(observations, self._cache))
            stopping = asyncio.create_task(stop.wait())
            try:
                await self._serve(following, stopping)
            except feed.SourceFailedError as fault:
                raise errors.UserError(str(fault)) from fault
            finally:
                stopping.cancel()
                following.cancel()
                await asyncio.gather(following, stopping, return_exceptions=True)

    async def _serve(self, following: "asyncio.Task[None]", stopping: "asyncio.Task[bool]") -> None:
        first = asyncio.create_task(self._pipeline.settled())
        await _first_of(first, following, stopping)
        first.cancel()
        if stopping.done():
            return
        ads = server.Server(self._cache, unproven.identify, limits=_limits(self._settings.limits))
        await _open(ads, self._ads)
        try:
            _log.info(_started(self._ads, self._pipeline.status))
            await _first_of(following, stopping)
        finally:
            _log.info("stopping")
            await ads.stop(self._settings.stop_seconds)


class _Told:
    """Says in the log what the pipeline tells."""

    def settled(self, before: pipeline.Status, after: pipeline.Status) -> None:
        """Log the problems that are new and those that are resolved."""
        logs.report(before.problems, after.problems)
        if before.fault and not after.fault:
            _log.info("the newest configuration is served again")

    def failed(self, error: Exception) -> None:
        """Log a fault of ours, with its traceback: it is meant for whoever mends meshloom."""
        _log.error(
            "the newest configuration could not be compiled; the last one is served. "
            "This is a fault of meshloom, please report it",
            exc_info=error,
        )


async def _first_of(*tasks: "asyncio.Task[None] | asyncio.Task[bool]") -> None:
    """Wait until one of the tasks is done; raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _open(ads: server.Server, address: addresses.Address) -> None:
    if await _is_served(address):
        raise errors.UserError(f"--ads-plaintext: something serves on {address} already; stop it, or choose another")
    try:
        await ads.start(server.Listen(str(address)))
    except RuntimeError:
        raise errors.UserError(
            f"--ads-plaintext: {address} cannot be opened; choose a free one where this user may create it"
        ) from None


async def _is_served(address: addresses.Address) -> bool:
    """Return whether somebody answers there; the socket file that a killed program leaves does not count."""
    match address:
        case addresses.Pipe(path):
            connecting = asyncio.open_unix_connection(path)
        case addresses.Socket(host, port):
            connecting = asyncio.open_connection(host, port)
    try:
        _, writer = await connecting
    except OSError:
        return False
    writer.close()
    return True


def _limits(chosen: settings_model.Limits) -> server.Limits:
    return server.Limits(
        request_bytes=chosen.request_bytes, names=chosen.names, streams_per_peer=chosen.streams_per_peer
    )


def _started(address: addresses.Address, status: pipeline.Status) -> str:
    return f"serving ADS on {address}, {status.services} services, {len(status.problems)} problems"
