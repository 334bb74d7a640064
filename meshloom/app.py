"""The program: sources, pipeline, cache, ADS server, health port and operator API, wired together.

Law: the only place where the senses, the compiler and the protocol meet. ADS opens when every source is synced and the
first configuration is made. Health and operator API open before all that, and close last.
"""

import asyncio
import contextlib
import importlib.metadata
from collections.abc import AsyncIterator

import structlog

from meshloom import addresses, company, errors, listening, logs, memory, metrics, pipeline, senses, ways_in, worker
from meshloom import settings as settings_model
from meshloom.health import conditions, port
from meshloom.identity import acknowledged, authorities
from meshloom.identity.authority import keeper, stores, succession
from meshloom.operator import api, sockets
from watchers import feed
from xds import cache, limits, server

_log = structlog.get_logger()


class Program:
    """The control plane on what its senses follow, with the ways in to its ADS."""

    def __init__(
        self,
        followed: senses.Senses,
        ads: ways_in.Ads,
        settings: settings_model.Settings,
        beside: company.Company = company.ALONE,
    ) -> None:
        self._ads, self._settings, self._senses, self._company = ads, settings, followed, beside
        self._ways_in = ways_in.WaysIn(ads)
        self._metrics = metrics.Metrics(importlib.metadata.version("meshloom"), followed.standings)
        authority = self._ways_in.overheard(
            _authorities(ads.state.authorities, settings.certificates, self._metrics.certificates)
        )
        self._pipeline = pipeline.Pipeline(
            _Told(self._metrics.passes, beside),
            settings.model(in_cluster=followed.is_cluster),
            authority,
            self._held,
            settings.traffic.kept(),
            beside.onlookers(self._metrics),
        )
        interest = cache.Interest(self._pipeline.wanted, self._pipeline.unwanted)
        self._cache = cache.Cache(interest)
        self._server = server.Server(
            self._cache, self._ways_in.gatekeeper, limits=_limits(settings.limits), observer=self._metrics.streams
        )
        self._stands = conditions.Ads.CLOSED

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises errors.UserError where an address is taken or the source fails."""
        memory.prepare()
        observing = self._settings.observing
        observations = feed.observations([self._senses.source], observing.settle_seconds, observing.at_most_seconds)
        premises = company.Premises(self._server.peers, self._cache, self._server.review)
        async with (
            self._watched_over(),
            self._ways_in.kept(self._server),
            self._company.kept(premises),
            contextlib.aclosing(observations),
        ):
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

    @contextlib.asynccontextmanager
    async def _watched_over(self) -> AsyncIterator[None]:
        """Serve health and the operator API, as far as they are wanted, until the block ends."""
        operating = self._settings.operating
        async with contextlib.AsyncExitStack() as doors:
            if operating.health != settings_model.OFF:
                told = port.application(self._conditions, self._metrics)
                await doors.enter_async_context(listening.served(told, addresses.parsed(operating.health), "--health"))
            if (pipe := sockets.prepared(operating.socket)) is not None:
                answering = api.application(self._server.peers, self._cache)
                await doors.enter_async_context(listening.served(answering, pipe, sockets.OPTION))
            _log.info(f"health on {operating.health}, operator API on {pipe.path if pipe else settings_model.OFF}")
            yield

    def _held(self) -> acknowledged.Held:
        return acknowledged.held(self._server.peers)

    def _conditions(self) -> conditions.Conditions:
        said, standings = self._senses.said, self._senses.standings()
        stands = conditions.conditions(said, self._pipeline.observing, self._pipeline.status, self._stands)
        return (*stands, *conditions.followed(standings))

    async def _serve(self, following: "asyncio.Task[None]", stopping: "asyncio.Task[bool]") -> None:
        first = asyncio.create_task(self._pipeline.settled())
        await _first_of(first, following, stopping)
        first.cancel()
        if stopping.done():
            return
        await self._ways_in.open(self._server)
        self._stands = conditions.Ads.OPEN
        try:
            _log.info(_started(self._ads, self._pipeline.status))
            await _first_of(following, stopping)
        finally:
            self._stands = conditions.Ads.STOPPING
            _log.info("stopping")
            await self._server.stop(self._settings.stop_seconds)


class _Told:
    """Says in the log what the pipeline tells, and counts it."""

    def __init__(self, counted: pipeline.Observer, beside: company.Company) -> None:
        self._counted, self._beside = counted, beside

    def settled(self, before: worker.Status, after: worker.Status) -> None:
        """Log the problems that are new and those that are resolved."""
        self._counted.settled(before, after)
        self._beside.settled()
        logs.report(before.problems, after.problems)
        if before.fault and not after.fault:
            _log.info("the newest configuration is served again")

    def failed(self, error: Exception) -> None:
        """Log a fault of ours, with its traceback: it is meant for whoever mends meshloom."""
        self._counted.failed(error)
        _log.error(
            "the newest configuration could not be compiled; the last one is served. "
            "This is a fault of meshloom, please report it",
            exc_info=error,
        )


def _authorities(
    kept: stores.Store, chosen: settings_model.Certificates, counted: authorities.Observer
) -> authorities.Authorities:
    ground = succession.Ground(kept, chosen.policy())
    return authorities.Authorities(keeper.Keeper(ground, chosen.authorities), counted)


async def _first_of(*tasks: "asyncio.Task[None] | asyncio.Task[bool]") -> None:
    """Wait until one of the tasks is done; raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _limits(chosen: settings_model.Limits) -> limits.Limits:
    return limits.Limits(
        request_bytes=chosen.request_bytes, names=chosen.names, streams_per_peer=chosen.streams_per_peer
    )


def _started(ads: ways_in.Ads, status: worker.Status) -> str:
    return f"serving ADS on {ads}, {status.services} services, {len(status.problems)} problems"
