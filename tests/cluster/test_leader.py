"""One leader at a time, by a Lease on a real API server."""

import asyncio
import contextlib
import dataclasses
import pathlib
import signal
from collections.abc import AsyncIterator

import pytest

from meshloom.cluster import election, leader
from tests.cluster import relay, servers, waiting
from watchers import api_server

TERMS = election.Terms(duration=4, lead=3, retry=0.2)


@dataclasses.dataclass
class Watcher:
    """Notes what candidates do, and that no two ever lead at once."""

    leading: set[str] = dataclasses.field(default_factory=set)
    terms: list[str] = dataclasses.field(default_factory=list)
    at_once: int = 0

    def duty(self, name: str) -> leader.Duty:
        async def lead() -> None:
            self.leading.add(name)
            self.terms.append(name)
            self.at_once = max(self.at_once, len(self.leading))
            try:
                await asyncio.Event().wait()
            finally:
                self.leading.discard(name)

        return lead


class Quiet:
    def leads(self, is_leading: bool) -> None:
        """Nobody asks."""


def candidate(api: api_server.ApiServer, namespace: str, name: str, watcher: Watcher) -> leader.Leader:
    return leader.Leader(api, leader.Place(namespace, name), {"watching": watcher.duty(name)}, Quiet(), TERMS)


@contextlib.asynccontextmanager
async def standing(*candidates: leader.Leader) -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks = [asyncio.create_task(one.run()) for one in candidates]
    try:
        yield tasks
    finally:
        await ended(*tasks)


async def ended(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def record(api: api_server.ApiServer, namespace: str) -> dict[str, object]:
    path = api_server.path("coordination.k8s.io/v1", "leases", namespace, leader.LEASE)
    spec: dict[str, object] = (await api.request("GET", path))["spec"]
    return spec


async def test_of_two_candidates_one_leads_and_the_other_takes_over_at_once_when_it_stops(
    api: api_server.ApiServer, namespace: str
) -> None:
    watcher = Watcher()
    one, other = (candidate(api, namespace, name, watcher) for name in "ab")
    async with standing(one) as (first,):
        await waiting.until(lambda: one.is_leading)
        async with standing(other):
            await waiting.until(lambda: other.holder == "a")
            assert watcher.leading == {"a"}
            loop = asyncio.get_running_loop()
            stopped = loop.time()
            await ended(first)
            await waiting.until(lambda: other.is_leading)
            assert loop.time() - stopped < TERMS.duration, "it waited for the end of a lease that was released"
    assert (watcher.terms, watcher.at_once, watcher.leading) == (["a", "b"], 1, set())
    left = await record(api, namespace)
    assert left["leaseTransitions"] == 1
    assert not left.get("holderIdentity")


async def test_a_leader_that_is_cut_off_stops_before_the_next_begins(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    watcher = Watcher()
    async with relay.relayed(cluster, tmp_path) as (way, access), api_server.connected(access) as through:
        one, other = candidate(through, namespace, "cut", watcher), candidate(api, namespace, "other", watcher)
        async with standing(one):
            await waiting.until(lambda: one.is_leading)
            async with standing(other):
                await waiting.until(lambda: other.holder == "cut")
                way.stall()
                await waiting.until(lambda: other.is_leading)
                assert not one.is_leading
                way.flow()
                await waiting.until(lambda: one.holder == "other")
    assert (watcher.terms, watcher.at_once) == (["cut", "other"], 1)


@pytest.mark.parametrize("renewed", ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"])
async def test_the_lease_of_a_dead_leader_ends_whatever_its_clock_said(
    api: api_server.ApiServer, namespace: str, renewed: str
) -> None:
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 4, "renewTime": renewed, "acquireTime": renewed}
    path = api_server.path("coordination.k8s.io/v1", "leases", namespace)
    await api.request("POST", path, body={"metadata": {"name": leader.LEASE}, "spec": spec})
    watcher = Watcher()
    one = candidate(api, namespace, "a", watcher)
    async with standing(one):
        await waiting.until(lambda: one.holder == "dead")
        begun = asyncio.get_running_loop().time()
        await waiting.until(lambda: one.is_leading)
        assert asyncio.get_running_loop().time() - begun > TERMS.duration - 1
    assert watcher.terms == ["a"]


async def test_a_lease_that_somebody_deletes_or_edits_is_taken_again(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    watcher = Watcher()
    one = candidate(api, namespace, "a", watcher)
    async with standing(one):
        await waiting.until(lambda: one.is_leading)
        cluster.kubectl("-n", namespace, "annotate", "lease", leader.LEASE, "by=hand")
        cluster.kubectl("-n", namespace, "delete", "lease", leader.LEASE)
        path = api_server.path("coordination.k8s.io/v1", "leases", namespace)

        async def there() -> bool:
            return bool((await api.request("GET", path))["items"])

        await waiting.until_told(there)
        assert one.is_leading
    assert watcher.at_once == 1


async def test_while_the_api_server_is_down_nobody_leads_and_then_somebody_does(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    watcher = Watcher()
    both = [candidate(api, namespace, name, watcher) for name in "ab"]
    async with standing(*both):
        await waiting.until(lambda: any(one.is_leading for one in both))
        cluster.stop("kube-apiserver", signal.SIGKILL)
        try:
            await waiting.until(lambda: not watcher.leading)
        finally:
            await asyncio.to_thread(cluster.start)
        await waiting.until(lambda: any(one.is_leading for one in both))
    assert watcher.at_once == 1
