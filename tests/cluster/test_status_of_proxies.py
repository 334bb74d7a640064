"""The condition Active follows what proxies say, also those of other replicas; the whole program on a real API server."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator

import pytest

from meshloom import addresses, app, senses, ways_in
from meshloom import settings as settings_model
from meshloom.cluster import leader, reports, residence, statuses
from meshloom.identity import claim
from tests.cluster import servers, telling, test_status, waiting
from tests.meshloom import ads, running
from watchers import api_server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, namespace: str) -> None:
    """Proxies get no time to return, and replicas are at home in the test's namespace."""
    monkeypatch.setattr(statuses, "RETURN", 0.0)
    monkeypatch.setattr(reports, "EVERY", 0.2)
    monkeypatch.setenv("POD_NAMESPACE", namespace)


@contextlib.asynccontextmanager
async def replica(
    api: api_server.ApiServer, namespace: str, socket: pathlib.Path
) -> AsyncIterator[residence.Residence]:
    """Run the program until the block ends; it serves ADS in clear."""
    chosen = running.SETTINGS.model_copy(
        update={
            "operating": settings_model.Operating(health="off", socket="off"),
            "kubernetes": settings_model.Kubernetes(namespaces=(namespace,), webhook="off", operator="off"),
        }
    )
    resident = residence.Residence(api, chosen.kubernetes)
    doors = ways_in.Ads(resident.home, in_clear=addresses.Pipe(str(socket)))
    program = app.Program(senses.cluster(api, chosen, resident.aside), resident.ads(doors), chosen, resident)
    stop = asyncio.Event()
    task = asyncio.create_task(program.run(stop))
    try:
        await waiting.until(lambda: socket.exists() or task.done())
        yield resident
    finally:
        stop.set()
        await asyncio.wait_for(task, waiting.PATIENCE)


def unbound(namespace: str) -> list[dict[str, object]]:
    """Return the shop without its binding, so that proxies which ask for no endpoints lack nothing."""
    return [one for one in test_status.the_shop(namespace) if one["kind"] != "VirtualDeploymentBinding"]


def proxy(namespace: str, number: int = 1) -> ads.Client:
    sidecar = claim.sidecar(f"{namespace}/pets-v1", f"127.0.9.{number}", "127.0.0.1", {})
    return ads.Client(sidecar, ("inbound/9080", "outbound"), delta=True)


async def until_said(api: api_server.ApiServer, namespace: str, status: str, words: str) -> None:
    said = ""

    async def told() -> bool:
        nonlocal said
        found = (await telling.listed(api, namespace, "VirtualDeployment"))["pets-v1"]
        if "Active" not in telling.conditions(found):
            return False
        said = f"{telling.conditions(found)['Active']}: {telling.message(found, 'Active')}"
        return said.startswith(f"{status}: ") and words in said

    try:
        await waiting.until_told(told)
    except TimeoutError:
        raise AssertionError(said) from None


def changed(cluster: servers.Cluster, namespace: str, milliseconds: int) -> None:
    """Change what proxies are given of a VirtualDeployment."""
    listener = f'[{{"protocol":"HTTP","port":9080,"requestTimeoutInMs":{milliseconds}}}]'
    patch = f'{{"spec":{{"listener":{listener}}}}}'
    cluster.kubectl("patch", "virtualdeployment/pets-v1", "-n", namespace, "--type=merge", "-p", patch)


async def test_active_counts_who_has_accepted_and_quotes_who_rejects(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    test_status.applied(cluster, namespace, *unbound(namespace))
    socket = tmp_path / "ads.sock"
    async with replica(api, namespace, socket):
        await until_said(api, namespace, "True", "no proxy that it concerns was connected")
        slow, quick = proxy(namespace, 1), proxy(namespace, 2)
        async with slow.connected(f"unix:{socket}"), quick.connected(f"unix:{socket}"):
            await slow.complete()
            await quick.complete()
            await until_said(api, namespace, "True", "2 of 2 proxies have accepted it")
            slow.ignored = frozenset({ads.ROUTES, ads.CLUSTER, ads.LISTENER})
            changed(cluster, namespace, 1000)
            await until_said(api, namespace, "Unknown", "1 of 2 proxies have accepted it")
        refusing = proxy(namespace, 3)
        refusing.refused = {ads.LISTENER: "Error adding listener: no such filter\nand more"}
        async with refusing.connected(f"unix:{socket}"):
            words = f"1 of 1 proxies reject what they were sent; {claim.node_id(refusing.proxy)}: Error adding listener"
            await until_said(api, namespace, "False", words)
        await until_said(api, namespace, "True", "no proxy that it concerns was connected")


async def test_proxies_of_all_replicas_count(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    test_status.applied(cluster, namespace, *unbound(namespace))
    sockets = [tmp_path / f"{number}.sock" for number in (1, 2)]
    async with replica(api, namespace, sockets[0]), replica(api, namespace, sockets[1]):
        ones, others = proxy(namespace, 1), proxy(namespace, 2)
        async with ones.connected(f"unix:{sockets[0]}"), others.connected(f"unix:{sockets[1]}"):
            await ones.complete()
            await others.complete()
            changed(cluster, namespace, 1000)
            await until_said(api, namespace, "True", "2 of 2 proxies have accepted it")
            others.ignored = frozenset({ads.ROUTES, ads.CLUSTER, ads.LISTENER})
            changed(cluster, namespace, 2000)
            await until_said(api, namespace, "Unknown", "1 of 2 proxies have accepted it")


async def test_a_report_goes_with_the_replica_that_made_it(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    path = api_server.path("v1", "configmaps", namespace)

    async def count() -> int:
        return len((await api.request("GET", path, {"labelSelector": "meshloom.dev/report"}))["items"])

    async def one() -> bool:
        return await count() == 1

    async with replica(api, namespace, tmp_path / "ads.sock"):
        await waiting.until_told(one)
    assert await count() == 0
    lease = await api.request("GET", api_server.path("coordination.k8s.io/v1", "leases", namespace, leader.LEASE))
    assert not lease["spec"].get("holderIdentity"), "it was not released"
