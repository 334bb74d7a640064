"""The container of a proxy without a cluster: `meshloom proxy`, with token and root in a folder, and a real Envoy.

It is that of a gateway here, for a gateway binds an address that is its own; sidecars are captured, which takes a network
namespace (`tests/capture/test_container.py`).
"""

import contextlib
import http.client
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass

import psutil
import pytest
import yaml

from meshloom import addresses
from meshloom.demo import loopback, programs, traffic
from meshloom.demo.processes import Process, Processes, Program
from meshloom.demo.waiting import wait_until
from meshloom.identity import claim
from meshloom.injector import targets
from meshloom.injector.targets import Target
from tests import written
from tests.envoy import conftest, worlds
from tests.meshloom.container import answers

pytestmark = [pytest.mark.envoy, pytest.mark.slow]

MESH = """
Mesh: shop/main
---
IngressGateway: shop/edge
mesh: {ref: {name: main}}
hosts: [{name: all, hostnames: ["*"], listeners: [{protocol: HTTP, port: 8880, tls: {mode: DISABLED}}]}]
"""

SMALL = 24 * 2**20
"""Bytes of memory of its own, at most, of the process that stays beside Envoy."""


@dataclass(frozen=True, slots=True)
class World:
    """A gateway in its container, and the application that it answers for."""

    address: str
    container: Process
    application: answers.Application

    def get(self, port: int, path: str, headers: dict[str, str] | None = None) -> traffic.Reply:
        return traffic.reply(self.address, port, path, headers)

    def probe(self, path: str, port: int = 0) -> traffic.Reply:
        """Ask as kubelet does."""
        at = port or self.application.server_address[1]
        return self.get(15010, "/healthproxy", dict(targets.headers(Target("http", "localhost", at, path))))


@pytest.fixture
def world(tmp_path: pathlib.Path) -> Iterator[World]:
    envoy = conftest.envoy_of(worlds.VARIANTS[0])
    with loopback.claimed_block() as block, Processes() as processes, answers.running() as application:
        site = programs.Site(tmp_path, addresses.Socket(block.address(1), 15012), envoy)
        site.mesh.mkdir()
        documents = [written.document(one) for one in yaml.safe_load_all(MESH)]
        (site.mesh / "mesh.yaml").write_text(yaml.safe_dump_all(documents))
        plane = processes.start(programs.control_plane(site))
        wait_until(lambda: (site.state / "root.pem").exists(), "the root of the control plane", 60, [plane])
        container = processes.start(program(site, block.address(2), application.server_address[1]))
        made = World(block.address(2), container, application)
        wait_until(lambda: made.get(15010, "/health").status == 200, "the proxy", 60, [plane, container])
        yield made


def program(site: programs.Site, address: str, port: int) -> Program:
    """Return the container of a gateway, as its pod would start it."""
    identity, run = site.folder / "identity", site.folder / "run"
    identity.mkdir()
    (identity / "root.pem").write_bytes((site.state / "root.pem").read_bytes())
    programs.token_file(site, claim.gateway("shop/edge", address), identity / "token")
    probes = [(Target("http", "localhost", port, path), 5.0) for path in ("/live", "/ill")]
    env = {
        "MESHLOOM_GATEWAY": "shop/edge",
        "MESHLOOM_GATEWAY_ADDRESS": address,
        "MESHLOOM_ADS": str(site.control_plane),
        "MESHLOOM_CONCURRENCY": "1",
        "MESHLOOM_DRAIN_SECONDS": "2",
        "MESHLOOM_PROBES": targets.written(probes),
        "MESHLOOM_IDENTITY_FOLDER": str(identity),
        "MESHLOOM_RUN_FOLDER": str(run),
        "PROXY_LOG_LEVEL": "error",
        "POD_IP": "127.0.0.1",
        "PATH": f"{pathlib.Path(site.envoy).parent}:{os.environ['PATH']}",
        **programs.IMPORTABLE,
    }
    return Program("container", (sys.executable, "-m", "meshloom", "proxy"), site.log("container"), env)


def test_a_proxy_starts_from_its_environment_answers_for_its_application_and_ends_when_told(world):
    assert world.get(15006, "/stats/prometheus").status == 200
    assert world.probe("/live").status == 200
    assert (world.probe("/ill").status, world.probe("/live", 22).status) == (500, 404)
    assert world.get(8880, "/").status == 404

    process = psutil.Process(world.container.popen.pid)
    [envoy] = process.children()
    assert "envoy" in envoy.name()
    assert process.memory_full_info().uss < SMALL, process.memory_full_info()

    with futures.ThreadPoolExecutor(1) as threads:
        asked = threads.submit(asked_until_told_to_leave, world.address, begun := threading.Event())
        assert begun.wait(30)
        world.container.popen.send_signal(signal.SIGTERM)
        assert set(asked.result(30)) == {404}, "a request on an open connection was lost"
    assert world.container.popen.wait(30) == 0
    assert not envoy.is_running()


def asked_until_told_to_leave(address: str, begun: threading.Event) -> list[int]:
    """Return the statuses of requests that follow each other on one connection, until an answer is the last."""
    found: list[int] = []
    connection = http.client.HTTPConnection(address, 8880, timeout=30)
    with contextlib.closing(connection):
        while True:
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
            found.append(response.status)
            if response.will_close:
                return found
            if len(found) == 10:
                begun.set()
            time.sleep(0.02)
