"""Statuses of all objects: what a pass and the proxies say of them, on its way to the API server.

Law: every replica knows what its passes say, and tells of its proxies; the leader alone writes. What takes long is
worked out in threads, from immutable values; a round costs what there is news of.
"""

import asyncio
import contextlib
import datetime
from dataclasses import dataclass, field
from typing import Final

import structlog

from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from meshloom.cluster import finalizers, reports, status_writer
from meshloom.cluster.observed import Observed
from meshloom.cluster.streams import Streams
from meshloom.status import deployed, known, progress, replicas, rounds
from meshloom.status.known import Known
from meshloom.status.progress import Proxies

EVERY: Final = 1.0
"""Seconds between two rounds in which nothing is new but what proxies say."""
PAUSE: Final = 0.2
"""Seconds between two rounds at least, and after a pass, so that what comes together is said together."""
RETURN: Final = 3.0
"""Seconds that proxies get to return to a program that has started, before anything is said of their absence."""

_log = structlog.get_logger()


class Passes:
    """What the newest passes say (`meshloom.worker.Onlooker`): told in the worker thread, read on the event loop.

    `news` is set when another is published, `returned` when proxies have had time to return after the first.
    """

    def __init__(self) -> None:
        self._made = self.published = Known()
        self.news, self.returned = asyncio.Event(), asyncio.Event()

    def passed(self, resolution: Resolution, problems: tuple[Problem, ...]) -> None:
        """Take in a pass, in the worker thread; a fault of ours in here must not keep configuration from proxies."""
        try:
            self._made = known.known(self._made, resolution, problems)
        except Exception as error:  # whatever it is, proxies are served
            _log.error("statuses cannot be worked out. This is a fault of meshloom, please report it", exc_info=error)

    def settled(self) -> None:
        """Note, on the event loop, that what was passed is published."""
        if self.published is self._made:
            return
        if not self.published.number:
            asyncio.get_running_loop().call_later(RETURN, self.returned.set)
        self.published = self._made
        self.news.set()


@dataclass(slots=True)
class _Last:
    """What the last round left."""

    known: Known = field(default_factory=Known)
    groups: rounds.Groups = field(default_factory=dict)
    open: frozenset[Ref] = frozenset()
    gateways: deployed.States = field(default_factory=dict)


class Statuses:
    """Rounds of statuses. On one event loop."""

    def __init__(
        self,
        passes: Passes,
        streams: Streams,
        observed: Observed,
        writer: status_writer.StatusWriter,
        guard: finalizers.Finalizers,
        gateways: deployed.Deployed,
    ) -> None:
        """`gateways` says how those are that this replica has deployed."""
        self._passes, self._streams, self._observed = passes, streams, observed
        self._writer, self._guard, self._gateways = writer, guard, gateways
        self._looking = asyncio.Lock()

    async def lead(self, told: reports.Reports) -> None:
        """Say of all objects what there is to say, until cancelled."""
        last = _Last()
        await self._passes.returned.wait()
        while True:
            last = await self._round(last, await told.others())
            await self._rest()

    async def look(self) -> str:
        """Return what this replica has to tell the others."""
        of, seen = await self._seen()
        return await asyncio.to_thread(lambda: replicas.report(of, progress.owners(seen)))

    async def _seen(self) -> tuple[Known, tuple[tuple[Ref, Proxies], ...]]:
        async with self._looking:
            of = self._passes.published
            await self._streams.look(of.number)
            return of, self._streams.seen()

    async def _round(self, last: _Last, others: tuple[str, ...]) -> _Last:
        of, seen = await self._seen()
        groups = await asyncio.to_thread(_groups, of, seen, others)
        refs = await asyncio.to_thread(rounds.touched, last.known, of, last.groups, groups)
        gateways = self._gateways()
        others_news = last.open | self._observed.stirred() | deployed.changed(last.gateways, gateways or {})
        written = self._observed.statuses(refs | others_news)
        judged = await asyncio.to_thread(rounds.judged, of, groups, written, _now(), gateways)
        for change in judged.changes:
            self._writer.put(change)
        self._settle(refs, of)
        return _Last(of, groups, judged.open, gateways or {})

    def _settle(self, refs: frozenset[Ref], of: Known) -> None:
        for ref in finalizers.unsettled(refs, of.drafts):
            self._guard.put(ref, is_free=ref in of.drafts.free)
        for ref in refs:
            if of.drafts.get(ref) is None:
                self._writer.forget(ref)

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY):  # wait_for may swallow a cancellation before Python 3.12
                await self._passes.news.wait()
        self._passes.news.clear()
        await asyncio.sleep(PAUSE)


def _groups(of: Known, seen: tuple[tuple[Ref, Proxies], ...], others: tuple[str, ...]) -> rounds.Groups:
    told = (pair for text in others for pair in replicas.read(text, of).items())
    return progress.by_group(progress.owners((*seen, *told)), of.drafts.members)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
