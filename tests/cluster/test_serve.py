"""`meshloom serve --kubernetes`: what proxies get of a cluster, from whichever replica, before and after a restart."""

import asyncio
import pathlib
import signal
from collections.abc import AsyncIterator

import pytest

from meshloom.identity import claim
from tests.cluster import servers, serving, watched
from tests.meshloom import ads, shop
from watchers import api_server

ROUTES = ("inbound/9080", "outbound")


@pytest.fixture
async def mesh(cluster: servers.Cluster, api: api_server.ApiServer, namespace: str) -> AsyncIterator[str]:
    """Yield a namespace that holds the small mesh."""
    text = shop.MESH + "---" + shop.PETS + "---" + shop.weights(90, 10)
    await watched.written(api, text, namespace)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def front(namespace: str, routes: tuple[str, ...] = ROUTES) -> ads.Client:
    return ads.Client(claim.sidecar(f"{namespace}/front-v1", "127.0.9.1", "127.0.0.1", {}), routes, delta=True)


async def test_a_rolling_restart_sends_nothing_again(
    cluster: servers.Cluster, api: api_server.ApiServer, mesh: str, tmp_path: pathlib.Path
) -> None:
    client = front(mesh, ("outbound",))
    with serving.served(cluster, tmp_path, "--namespace", mesh, seed=1) as program:
        async with client.connected(program.address):
            await client.complete()
            program.process.send_signal(signal.SIGKILL)
            program.process.wait()
    client.received.clear()
    with serving.served(cluster, tmp_path, "--namespace", mesh, seed=2) as program:
        async with client.connected(program.address):
            await client.ask("inbound/9080")
            assert [received.names for received in client.received] == [("inbound/9080",)], "what is asked for alone"
            await watched.written(api, shop.weights(20, 80), mesh)
            await client.until(lambda client: len(client.received) > 1)
    assert [received.names for received in client.received[1:]] == [("outbound",)], "what is new alone"


async def test_two_replicas_serve_the_same(cluster: servers.Cluster, mesh: str, tmp_path: pathlib.Path) -> None:
    found = []
    with (
        serving.served(cluster, tmp_path / "one", "--namespace", mesh, seed=1) as one,
        serving.served(cluster, tmp_path / "two", seed=2) as two,
    ):
        for program in (one, two):
            client = front(mesh)
            async with client.connected(program.address):
                await client.complete()
            found.append(client.held)
    assert found[0] == found[1]
    assert found[0][ads.ROUTES].keys() == set(ROUTES)


async def test_readiness_tells_of_every_kind_and_metrics_count_it(
    cluster: servers.Cluster, mesh: str, tmp_path: pathlib.Path
) -> None:
    with serving.served(cluster, tmp_path, "--namespace", mesh) as program:
        client = front(mesh)
        async with client.connected(program.address):
            await client.complete()
        status, _ = await program.asked("/readyz")
        told = await program.reasons()
        _, metrics = await program.asked("/metrics")
        program.process.terminate()
        program.process.wait(20)
    assert status == 200
    assert told["sources"] == f"namespaces {mesh} of the Kubernetes API is read"
    assert told[f"meshes.servicemesh.oci.oracle.com in {mesh}"] == "is followed"
    assert told[f"pods in {mesh}"] == "is followed"
    assert 'meshloom_watch_objects{kind="VirtualDeployment"} 3.0' in metrics
    assert "Traceback" not in program.log()


async def test_a_server_that_is_away_is_said_once_and_what_was_seen_is_served(
    cluster: servers.Cluster, api: api_server.ApiServer, mesh: str, tmp_path: pathlib.Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("kubernetes: {patience_seconds: 0.1}\n")
    client, late = front(mesh), front(mesh)
    with serving.served(cluster, tmp_path, "--namespace", mesh, "--settings", str(settings)) as program:
        async with client.connected(program.address):
            await client.complete()
            await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
            try:
                await program.until(lambda reasons: "no answer" in reasons["pods in " + mesh])
                await program.until_logged("Server Kubernetes API", "does not answer")
                status, _ = await program.asked("/readyz")
                assert status == 200, "the last good configuration is served"
                assert 'meshloom_watch_failing{kind="Pod"} 1.0' in (await program.asked("/metrics"))[1]
                async with late.connected(program.address):
                    await late.complete()
                assert late.held == client.held
            finally:
                await asyncio.to_thread(cluster.start)
            await program.until(lambda reasons: reasons["pods in " + mesh] == "is followed")
            await watched.written(api, shop.weights(50, 50), mesh)
            before = dict(client.held[ads.ROUTES])
            await client.until(lambda client: client.held[ads.ROUTES] != before)
        lines = program.log().splitlines()
        said = [line for line in lines if "does not answer" in line and "resolved" not in line]
        assert len(said) < 5, "not once for each kind: only words of the system may differ"
        assert [line for line in lines if "resolved" in line and "does not answer" in line]


async def test_who_may_not_follow_everything_is_not_ready_and_opens_no_ads(
    cluster: servers.Cluster, mesh: str, tmp_path: pathlib.Path
) -> None:
    user = f"user-{mesh}"
    with serving.served(cluster, tmp_path, "--namespace", mesh, user=user) as program:
        await program.until_logged("waiting for the first complete list", f"{mesh}/meshes", "the verbs get, list and")
        status, _ = await program.asked("/readyz")
        reasons = await program.reasons()
        assert status == 503
        assert "(403 Forbidden); it is not listed yet" in reasons[f"meshes.servicemesh.oci.oracle.com in {mesh}"]
        assert not (tmp_path / "ads.sock").exists()
        cluster.kubectl("-n", mesh, "create", "rolebinding", "all", "--clusterrole=cluster-admin", f"--user={user}")
        await program.until_logged("serving ADS on")
        assert (await program.asked("/readyz"))[0] == 200
        client = front(mesh)
        async with client.connected(program.address):
            await client.complete()
