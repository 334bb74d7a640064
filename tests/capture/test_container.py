"""Containers of proxies beside applications, in network namespaces as pods have them: capture, probes, and the end.

What kubelet would do is done from the hub: it knows the address of the pod, and has no certificate.
"""

import concurrent.futures
import contextlib
import functools
import os
import pathlib
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest
import yaml

from meshloom import addresses
from meshloom.demo import edits, programs, traffic
from meshloom.demo.processes import Process, Processes, Program
from meshloom.demo.waiting import wait_until
from meshloom.identity import claim
from meshloom.injector import targets
from meshloom.injector.targets import Target
from tests import written
from tests.capture import conftest, namespaces, worlds
from tests.capture.namespaces import Namespace

PODS = ("web", "pets-v1")
MESH = """
Mesh: shop/main
mtls: {minimum: STRICT}
---
VirtualService: shop/web
mesh: {ref: {name: main}}
---
VirtualDeployment: shop/web
virtualService: {ref: {name: web}}
---
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
defaultRoutingPolicy: {type: UNIFORM}
---
VirtualDeployment: shop/pets-v1
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: POD}
listener: [{protocol: HTTP, port: 8080}]
---
AccessPolicy: shop/all
mesh: {ref: {name: main}}
rules:
  - action: ALLOW
    source: {virtualService: {ref: {name: web}}}
    destination: {virtualService: {ref: {name: pets}}}
"""
SLOW, GRPC, DEAD = 8081, 9090, 7999
PROBES = [
    (Target("http", "localhost", 8080, "/"), 5.0),
    (Target("tcp", "localhost", 8080), 5.0),
    (Target("grpc", "localhost", GRPC, "pets"), 5.0),
    (Target("tcp", "localhost", DEAD), 1.0),
]


@dataclass(slots=True)
class World:
    """Two pods, and what runs in them."""

    spaces: dict[str, Namespace]
    containers: dict[str, Process]
    application: Process
    health: contextlib.ExitStack

    def probe(self, target: Target, of: str = "pets-v1", family: int = 0) -> traffic.Reply:
        """Ask as kubelet does."""
        host = (self.spaces[of].four, self.spaces[of].six)[family]
        asked = dict(targets.headers(target))
        return self.spaces["hub"].do(lambda: traffic.reply(host, 15010, "/healthproxy", asked))

    def call(self, caller: str = "web", path: str = "/") -> traffic.Reply:
        """Call pets by its name, as an application does that knows of no mesh."""
        host = self.spaces["pets-v1"].four
        return self.spaces[caller].do(lambda: traffic.reply(host, 8080, path, {"host": "pets"}))


@pytest.fixture
def world(tmp_path: pathlib.Path) -> Iterator[World]:
    if reason := conftest.missing():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        spaces = stack.enter_context(namespaces.around_a_hub(*PODS))
        site = programs.Site(tmp_path, addresses.Socket(namespaces.HUB, 15012), programs.envoy_path())
        site.mesh.mkdir()
        text = MESH.replace("POD", spaces["pets-v1"].four)
        documents = [written.document(one) for one in yaml.safe_load_all(text)]
        edits.replace_file(site.mesh / "mesh.yaml", yaml.safe_dump_all(documents))
        processes = stack.enter_context(Processes())
        plane = processes.start(worlds._within(spaces["hub"], programs.control_plane(site)))
        wait_until(lambda: (site.state / "root.pem").exists(), "the root of the control plane", 60, [plane])
        health = stack.enter_context(contextlib.ExitStack())
        health.enter_context(_healthy(spaces["pets-v1"]))
        made = World(spaces, {}, processes.start(_application(site, spaces["pets-v1"])), health)
        for name in PODS:
            spaces[name].run(sys.executable, "-m", "meshloom", "capture", "apply", "--in-pod")
            made.containers[name] = processes.start(_container(site, name, spaces[name]))
        for name, process in made.containers.items():
            wait_until(functools.partial(_is_ready, made, name), f"the proxy of {name}", 60, [plane, process])
        yield made


def _is_ready(world: World, name: str) -> bool:
    return world.spaces["hub"].do(lambda: traffic.reply(world.spaces[name].four, 15010, "/health")).status == 200


def _container(site: programs.Site, name: str, space: Namespace) -> Program:
    """Return the container of a proxy, which runs as the proxy's user and may read our files."""
    identity, run = site.folder / f"identity-{name}", site.folder / f"run-{name}"
    identity.mkdir()
    run.mkdir()
    (identity / "root.pem").write_bytes((site.state / "root.pem").read_bytes())
    programs.token_file(site, claim.captured(f"shop/{name}", (), is_ipv4_only=False), identity / "token")
    user = ("--reuid", str(worlds.PROXY), "--regid", str(worlds.PROXY), "--clear-groups")
    reading = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    env = {
        "MESHLOOM_PROXY": f"shop/{name}",
        "MESHLOOM_ADS": str(site.control_plane),
        "MESHLOOM_CONCURRENCY": "1",
        "MESHLOOM_DRAIN_SECONDS": "60",
        "MESHLOOM_PROBES": targets.written(PROBES),
        "MESHLOOM_IDENTITY_FOLDER": str(identity),
        "MESHLOOM_RUN_FOLDER": str(run),
        "POD_IP": space.four,
        "POD_IPS": f"{space.four},{space.six}",
        "POD_NAME": f"{name}-abcde",
        "PATH": f"{pathlib.Path(site.envoy).parent}:{os.environ['PATH']}",
        **programs.IMPORTABLE,
    }
    argv = ("setpriv", *user, *reading, sys.executable, "-m", "meshloom", "proxy")
    return worlds._within(space, Program(f"proxy of {name}", argv, site.log(f"proxy-{name}"), env))


# ---------------------------------------------------------------------------- applications


class Health(grpc.GenericRpcHandler):
    """Is well."""

    def service(self, details: grpc.HandlerCallDetails) -> object:
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\x08\x01")


def _application(site: programs.Site, space: Namespace) -> Program:
    """Return the application of pets, which answers at the address of its pod alone."""
    who = ("--service", "pets", "--version", "pets-v1", "--listen", f"{space.four}:8080")
    argv = (sys.executable, "-m", "meshloom.demo.application", *who)
    return worlds._within(space, Program("pets", argv, site.log("pets"), programs.IMPORTABLE))


@contextlib.contextmanager
def _healthy(space: Namespace) -> Iterator[None]:
    """Answer health checks of gRPC."""
    health = grpc.server(concurrent.futures.ThreadPoolExecutor(2), [Health()])
    assert space.do(lambda: health.add_insecure_port(f"{space.four}:{GRPC}"))
    space.do(health.start)
    try:
        yield
    finally:
        health.stop(None).wait()


# ---------------------------------------------------------------------------- tests


def test_pods_call_each_other_kubelet_is_answered_and_the_end_waits_for_the_application(world):
    wait_until(lambda: world.call().status == 200, "a call from pod to pod", 30)
    assert world.call("hub").status == 0, "nobody without a certificate gets in"

    for target, _ in PROBES[:3]:
        assert world.probe(target).status == 200, target
    assert world.probe(PROBES[0][0], family=1).status == 200
    assert world.probe(PROBES[3][0]).status == 503
    assert world.probe(Target("tcp", "localhost", 22)).status == 404
    assert world.probe(PROBES[0][0], "web").status == 503, "nobody listens there"

    container = world.containers["pets-v1"].popen
    with world.spaces["hub"].do(lambda: socket.create_connection((world.spaces["pets-v1"].four, 15010), 10)):
        container.send_signal(signal.SIGTERM)
        wait_until(lambda: not _is_ready(world, "pets-v1"), "the proxy to be unready", 30)
    assert world.call().status == 200, "it goes on as long as the application does"
    assert container.poll() is None
    world.application.kill()
    world.health.close()
    assert container.wait(30) == 0
    assert world.probe(PROBES[0][0]).status == 0
