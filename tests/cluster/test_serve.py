"""`meshloom serve --kubernetes`: what proxies get of a cluster, from whichever replica, before and after a restart."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import yaml

from meshloom.identity import claim
from tests import written
from tests.cluster import servers, watched
from tests.meshloom import ads, shop
from watchers import api_server

ROUTES = ("inbound/9080", "outbound")


class Served:
    """A control plane in a process of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: pathlib.Path) -> None:
        self.process, self.folder = process, folder

    @property
    def address(self) -> str:
        return f"unix:{self.folder}/ads.sock"

    async def asked(self, path: str) -> tuple[int, str]:
        """Return what its health port answers."""
        way = aiohttp.UnixConnector(str(self.folder / "health.sock"))
        async with aiohttp.ClientSession(connector=way) as session, session.get(f"http://meshloom{path}") as answer:
            return answer.status, await answer.text()

    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def served(cluster: servers.Cluster, folder: pathlib.Path, *options: str, seed: int = 0) -> Iterator[Served]:
    """Run `meshloom serve --kubernetes` until the block ends, with a hash seed of its own."""
    folder.mkdir(exist_ok=True)
    doors = ["--ads-plaintext", f"unix:{folder}/ads.sock", "--health", f"unix:{folder}/health.sock"]
    places = ["--operator-socket", "off", "--state", str(folder / "state"), "--kubeconfig", str(cluster.kubeconfig)]
    command = [sys.executable, "-m", "meshloom", "serve", "--kubernetes", *doors, *places, *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": str(seed)}, stderr=log)
    try:
        yield Served(process, folder)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def mesh(cluster: servers.Cluster, api: api_server.ApiServer, namespace: str) -> AsyncIterator[str]:
    """Yield a namespace that holds the small mesh."""
    text = shop.MESH + "---" + shop.PETS + "---" + shop.weights(90, 10)
    await apply(api, text, namespace)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


async def apply(api: api_server.ApiServer, text: str, namespace: str) -> None:
    """Apply short documents of the namespace `shop` in another one."""
    for short in yaml.safe_load_all(text.replace("shop/", f"{namespace}/")):
        await watched.applied(api, written.document(short))


def front(namespace: str, delta: bool = True, routes: tuple[str, ...] = ROUTES) -> ads.Client:
    return ads.Client(claim.sidecar(f"{namespace}/front-v1", "127.0.9.1", "127.0.0.1", {}), routes, delta)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_a_rolling_restart_sends_nothing_again(
    cluster: servers.Cluster, api: api_server.ApiServer, mesh: str, tmp_path: pathlib.Path, delta: bool
) -> None:
    client = front(mesh, delta, ("outbound",))
    with served(cluster, tmp_path, "--namespace", mesh, seed=1) as program:
        async with client.connected(program.address):
            await client.complete()
            program.process.send_signal(signal.SIGKILL)
            program.process.wait()
    client.received.clear()
    with served(cluster, tmp_path, "--namespace", mesh, seed=2) as program:
        async with client.connected(program.address):
            await client.ask("inbound/9080")
            assert [received.names for received in client.received] == [("inbound/9080",)], "what is asked for alone"
            await apply(api, shop.weights(20, 80), mesh)
            await client.until(lambda client: len(client.received) > 1)
    assert [received.names for received in client.received[1:]] == [("outbound",)], "what is new alone"


async def test_two_replicas_serve_the_same(cluster: servers.Cluster, mesh: str, tmp_path: pathlib.Path) -> None:
    found = []
    with (
        served(cluster, tmp_path / "one", "--namespace", mesh, seed=1) as one,
        served(cluster, tmp_path / "two", seed=2) as two,
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
    with served(cluster, tmp_path, "--namespace", mesh) as program:
        client = front(mesh)
        async with client.connected(program.address):
            await client.complete()
        status, text = await program.asked("/readyz")
        told = {each["name"]: each["reason"] for each in json.loads(text)["conditions"]}
        _, metrics = await program.asked("/metrics")
        program.process.terminate()
        program.process.wait(20)
    assert status == 200
    assert told["sources"] == f"namespaces {mesh} of the Kubernetes API is read"
    assert told[f"meshes.servicemesh.oci.oracle.com in {mesh}"] == "is followed"
    assert told[f"pods in {mesh}"] == "is followed"
    assert 'meshloom_watch_objects{kind="VirtualDeployment"} 3.0' in metrics
    assert "Traceback" not in program.log()
