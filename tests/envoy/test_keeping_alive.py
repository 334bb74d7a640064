"""Defaults that keep traffic alive, on real Envoys: what is tried again, what never is, and who is left out for a while.

Each service here is called in clear and has the endpoints that a name of several addresses would give it.
"""

import contextlib
import http.server
import json
import socket

import pytest

from meshloom.demo import loopback, traffic
from meshloom.demo.processes import Processes, Program
from meshloom.demo.waiting import wait_until
from tests import certificates
from tests.envoy import fixed, worlds
from tests.translator import bootstraps, decoded, graphs
from translator import compile as compiler
from translator import proxies
from translator import traffic as keeping

PORT, TCP, EDGE, WAY = 9080, 5432, 8080, 6000
GOOD, BAD = 11, 12
OFF = keeping.Traffic(retries=False, outlier_detection=False, high_limits=False)
QUICKLY = {"outlier_detection": {"interval_ms": 100, "base_ejection_time_ms": 1000}}
"""What Envoy lets a runtime say in place of the seconds of the configuration."""

MESH = """
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: Mesh
metadata: {namespace: t, name: main}
spec: {compartmentId: any, certificateAuthorities: [{id: any}], mtls: {minimum: DISABLED}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualService
metadata: {namespace: t, name: web}
spec: {compartmentId: any, mesh: {ref: {name: main}}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualDeployment
metadata: {namespace: t, name: web}
spec: {compartmentId: any, virtualService: {ref: {name: web}}}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualService
metadata: {namespace: t, name: pets}
spec:
  compartmentId: any
  mesh: {ref: {name: main}}
  hosts: [pets]
  mtls: {mode: DISABLED}
  defaultRoutingPolicy: {type: UNIFORM}
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: VirtualDeployment
metadata: {namespace: t, name: pets}
spec:
  compartmentId: any
  virtualService: {ref: {name: pets}}
  serviceDiscovery: {type: DNS, hostname: 127.77.0.11}
  listener: [{protocol: HTTP, port: 9080}, {protocol: TCP, port: 5432}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGateway
metadata: {namespace: t, name: edge}
spec:
  compartmentId: any
  mesh: {ref: {name: main}}
  hosts: [{name: all, hostnames: ["*"], listeners: [{protocol: HTTP, port: 8080}]}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: IngressGatewayRouteTable
metadata: {namespace: t, name: edge}
spec:
  compartmentId: any
  ingressGateway: {ref: {name: edge}}
  routeRules: [{httpRoute: {destinations: [{virtualService: {ref: {name: pets}}, port: 9080}]}}]
---
apiVersion: servicemesh.oci.oracle.com/v1beta1
kind: AccessPolicy
metadata: {namespace: t, name: access}
spec:
  compartmentId: any
  mesh: {ref: {name: main}}
  rules:
    - {action: ALLOW, source: {virtualService: {ref: {name: web}}}, destination: {virtualService: {ref: {name: pets}}}}
    - {action: ALLOW, source: {ingressGateway: {ref: {name: edge}}}, destination: {virtualService: {ref: {name: pets}}}}
"""


class Answering(http.server.ThreadingHTTPServer):
    """An endpoint that answers a status, or hangs up where the status is 0, and counts the requests it has read."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address, status):
        super().__init__((address, PORT), _Exchange)
        self.status, self.read = status, 0


class _Exchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.read += 1
        if not self.server.status:
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.send_header("connection", "close")  # so that none outlives its test
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - http.server wants these names

    def log_message(self, *_):
        """Stay silent."""


class World:
    """A caller and a gateway with what keeps traffic alive, and both once more without; endpoints as a test wants."""

    def __init__(self, folder, block, envoy, processes, count):
        self.block = block
        mesh = fixed.Mesh(folder, block, MESH)
        for last, kept in ((1, keeping.DEFAULT), (2, OFF)):
            address = block.address(last)
            way = proxies.TcpWay(address, WAY, graphs.vs("t/pets"), TCP)
            web = proxies.Sidecar(graphs.vd("t/web"), proxies.Explicit(address, address, (), (way,)))
            edge = proxies.Gateway(graphs.ig("t/edge"), address)
            bundles = compiler.compiled(mesh.graph, [web, edge], kept=kept).bundles
            for proxy, admin in ((web, 9901), (edge, 9902)):
                found = decoded.bundle(bundles[proxy])
                for cluster in (one for one in found["clusters"] if one["name"].startswith("outbound/t/")):
                    self._given(cluster, count)
                name = f"{type(proxy).__name__}-{last}"
                holder = certificates.Authority().issued("spiffe://main.t.mesh/ns/t/vs/web", folder / name)
                socket_address = {"address": address, "port_value": admin}
                boot = bootstraps.static_bootstrap(found, holder)
                boot["layered_runtime"]["layers"].insert(0, {"name": "quick", "static_layer": QUICKLY})
                boot["admin"] = {"address": {"socket_address": socket_address}}
                (folder / name / "boot.json").write_text(json.dumps(boot))
                argv = (envoy, "-c", str(folder / name / "boot.json"), "--disable-hot-restart", "--concurrency", "1")
                process = processes.start(Program(name, (*argv, "-l", "warning"), folder / f"{name}.log"))
                wait_until(lambda a=address, p=admin: traffic.reply(a, p, "/ready").status == 200, name, 30, [process])

    def _given(self, cluster, count):
        """Let a cluster have so many endpoints."""
        (group,) = cluster["load_assignment"]["endpoints"]
        port = group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"]
        addresses = [{"address": self.block.address(GOOD + number), "port_value": port} for number in range(count)]
        group["lb_endpoints"] = [{"endpoint": {"address": {"socket_address": one}}} for one in addresses]

    def send(self, by, kept=True, method="GET"):
        """Send a request by the caller's proxy, or by the gateway."""
        at = self.block.address(1 if kept else 2)
        port, target = {"web": (15000, "http://pets/"), "edge": (EDGE, "/")}[by]
        return traffic.reply(at, port, target, {"host": "pets"}, method).status

    def statuses(self, by, count, kept=True):
        return {self.send(by, kept) for _ in range(count)}

    def ejected(self, by):
        told = traffic.reply(self.block.address(1), 9901 if by == "web" else 9902, "/stats?format=json").json()["stats"]
        name = f"cluster.outbound/t/pets/{PORT}.outlier_detection.ejections_active"
        return next(each["value"] for each in told if each.get("name") == name)


@contextlib.contextmanager
def world_of(envoy, folder, count):
    with loopback.claimed_block() as block, Processes() as processes:
        yield World(folder, block, envoy, processes, count)


@pytest.fixture(scope="module")
def two(envoy, tmp_path_factory):
    """Return a world in which pets has two endpoints."""
    with world_of(envoy, tmp_path_factory.mktemp("two"), 2) as world:
        yield world


@pytest.fixture
def endpoint(two):
    """Return a function that starts an endpoint that answers so; afterwards nobody is left out."""
    with contextlib.ExitStack() as stack:

        def started(last, status):
            server = Answering(two.block.address(last), status)
            stack.enter_context(worlds.serving([server]))
            return server

        yield started
    wait_until(lambda: not (two.ejected("web") or two.ejected("edge")), "all endpoints to be back", 10, [])


BY = pytest.mark.parametrize("by", ["web", "edge"])


@BY
def test_an_endpoint_that_refuses_connections_loses_no_request_while_another_lives(two, endpoint, by):
    endpoint(GOOD, 200)
    assert two.statuses(by, 40) == {200}
    assert two.statuses(by, 40, kept=False) == {200, 503}


def test_an_endpoint_that_refuses_connections_loses_no_tcp_connection_while_another_lives(two):
    def greeted(last):
        with socket.create_connection((two.block.address(last), WAY), timeout=10) as connection:
            return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n"))

    with fixed.speaking_first(two.block.address(GOOD), TCP, b"welcome\n"):
        assert {greeted(1) for _ in range(20)} == {b"welcome\n"}
        assert {greeted(2) for _ in range(20)} == {b"welcome\n", b""}


@BY
def test_what_has_been_read_is_never_sent_again(two, endpoint, by):
    servers = [endpoint(GOOD, 0), endpoint(BAD, 0)]
    assert [two.send(by, method=method) for method in ("POST", "GET", "POST")] == [503, 503, 503]
    assert sum(server.read for server in servers) == 3


@BY
def test_an_answer_is_never_a_reason_to_send_again(two, endpoint, by):
    servers = [endpoint(GOOD, 503), endpoint(BAD, 503)]
    assert [two.send(by) for _ in range(4)] == [503] * 4
    assert sum(server.read for server in servers) == 4


@BY
def test_an_endpoint_that_fails_again_and_again_is_left_out_and_comes_back(two, endpoint, by):
    endpoint(GOOD, 200)
    ill = endpoint(BAD, 503)

    def is_left_out():
        before = ill.read
        return two.statuses(by, 6) == {200} and two.ejected(by) and ill.read == before

    wait_until(is_left_out, "the endpoint to be left out", 10, [])
    ill.status, before = 200, ill.read
    wait_until(lambda: two.send(by) and ill.read > before, "it to be back", 10, [])


@BY
def test_without_that_an_endpoint_that_fails_is_asked_on(two, endpoint, by):
    endpoint(GOOD, 200)
    ill = endpoint(BAD, 503)
    assert two.statuses(by, 40, kept=False) == {200, 503}
    assert ill.read >= 10


@BY
def test_an_application_may_say_500(two, endpoint, by):
    servers = [endpoint(GOOD, 500), endpoint(BAD, 500)]
    assert two.statuses(by, 30) == {500}
    assert min(server.read for server in servers) >= 10


@pytest.fixture(scope="module")
def one(envoy, tmp_path_factory):
    """Return a world in which pets has a single endpoint."""
    with world_of(envoy, tmp_path_factory.mktemp("one"), 1) as world:
        yield world


@BY
def test_an_only_endpoint_is_never_left_out(one, by):
    with worlds.serving([server := Answering(one.block.address(GOOD), 503)]):
        assert one.statuses(by, 20) == {503}
        assert one.ejected(by) == 0
        assert server.read == 20
