"""A replica that follows one namespace of a real API server and says what there is to say of it; it has no proxies."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh import resolve, resources
from meshloom import pipeline, worker
from meshloom.cluster import election, leader, reports, status_duties
from tests.meshloom import issued
from watchers import api_server, feed, kube
from xds import cache, peers

TERMS = election.Terms(retry=0.2)


@dataclass
class Counted:
    """What was written."""

    of: Counter[tuple[str, str]] = field(default_factory=Counter)
    leading: bool = False
    rounds: int = 0

    def round(self) -> None:
        """Count a round, in which it is asked what is known of gateways: nothing."""
        self.rounds += 1

    def wrote(self, what: str, outcome: str) -> None:
        """Count."""
        self.of[what, outcome] += 1

    def leads(self, is_leading: bool) -> None:
        """Note."""
        self.leading = is_leading


@dataclass
class Published:
    """Tells the passes when what was passed is published."""

    duties: status_duties.StatusDuties
    failures: list[Exception] = field(default_factory=list)

    def settled(self, before: worker.Status, after: worker.Status) -> None:
        """Pass it on."""
        self.duties.passes.settled()

    def failed(self, error: Exception) -> None:
        """Keep it."""
        self.failures.append(error)


@dataclass
class Telling:
    """A replica that runs."""

    counted: Counted
    duties: status_duties.StatusDuties
    candidate: leader.Leader


@contextlib.asynccontextmanager
async def telling(api: api_server.ApiServer, namespace: str, name: str = "one") -> AsyncIterator[Telling]:
    """Run a replica until the block ends."""
    counted = Counted()
    duties = status_duties.StatusDuties(api, reports.Replica(namespace, name), counted.round)
    source = kube.KubeSource(api, kube.Wanted((namespace,)), duties.observed.note)
    published = Published(duties)
    settings = resolve.Settings(in_cluster=True)
    line = pipeline.Pipeline(published, settings, issued.Authority(), dict, onlookers=(duties.passes,))
    snapshots = cache.Cache()
    begun = duties.begun(peers.Peers(), snapshots, counted)
    candidate = leader.Leader(api, leader.Place(namespace, name), begun.duties, counted, TERMS)
    async with contextlib.aclosing(feed.observations([source], 0.02, 0.2)) as observations:
        running = [
            asyncio.create_task(one) for one in (line.run(observations, snapshots), candidate.run(), begun.run())
        ]
        try:
            yield Telling(counted, duties, candidate)
        finally:
            for task in running:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
    assert not published.failures
    assert not [one for one in ended if isinstance(one, Exception)]


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have something done until the block ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def listed(api: api_server.ApiServer, namespace: str, kind: str) -> Mapping[str, Any]:
    """Return the objects of a kind by name."""
    path = api_server.path(resources.API_VERSION, resources.KINDS[kind].plural, namespace)
    return {one["metadata"]["name"]: one for one in (await api.request("GET", path))["items"]}


async def everything(api: api_server.ApiServer, namespace: str) -> list[Mapping[str, Any]]:
    """Return all objects of the nine kinds."""
    return [one for kind in resources.KINDS for one in (await listed(api, namespace, kind)).values()]


def conditions(of: Mapping[str, Any]) -> dict[str, str]:
    """Return the status of each condition of an object by the last word of its type, in order."""
    told = of.get("status", {}).get("conditions", [])
    return {one["type"].removeprefix("ServiceMesh"): one["status"] for one in told}


def message(of: Mapping[str, Any], condition: str) -> str:
    """Return the message of a condition."""
    (found,) = (one for one in of["status"]["conditions"] if one["type"] == f"ServiceMesh{condition}")
    return str(found["message"])
