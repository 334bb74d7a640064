"""500 random edits around one service of HTTP, TCP and TLS_PASSTHROUGH, and nothing that it serves is lost: no request, by
sidecar or gateway, no new connection, and none of those that are open from the first edit to the last.

Proxies drain for three seconds here, so that whatever an edit drains breaks well before the end. Nothing is tried twice.
"""

import contextlib
import dataclasses
import functools
import http.client
import itertools
import json
import os
import random
import socket
import ssl
import threading

import pytest

from meshloom.demo import application, cast, programs, stage, traffic
from meshloom.demo.waiting import wait_until
from tests import secrets
from tests.envoy import draining, fixed, talkers, worlds
from tests.envoy.edits.shop import SETTINGS

EDITS = 500
SEED = int(os.environ.get("MESHLOOM_EDITS_SEED", "1"))
NAMES = ("a", "b", "c")
HTTP, TCP, TLS = 9080, 5432, 8443
EDGE, EDGE_HTTPS, EDGE_TCP, EDGE_TLS = 8080, 8444, 5440, 8445
SECURE, SECRET = "secure.example.com", "secret-edge.yaml"
CERTIFICATES = [secrets.authority().pair(secrets.dns(SECURE)) for _ in range(3)]
KINDS = {"httpRoute": HTTP, "tcpRoute": TCP, "tlsPassthroughRoute": TLS}
WEB, GATEWAY, CLOCK = 10, 1, 20
BURSTS = (1, 1, 2, 3, 5)
OPEN = 2
"""Connections of each kind that are open all the time."""


@dataclasses.dataclass(frozen=True)
class State:
    """The mesh at one moment."""

    weights: tuple[tuple[int, ...], ...] = ((50, 30, 20),) * 3
    logs: frozenset[str] = frozenset()
    others: frozenset[int] = frozenset()
    allowed: frozenset[str] = frozenset()
    mode: str = "STRICT"
    hosts: int = 1
    ports: frozenset[int] = frozenset()
    timeout: int = 15_000
    certificate: int = 0
    tick: int = 0

    def served_by(self, port: int) -> frozenset[str]:
        """Return who may answer at a port."""
        weights = self.weights[[*KINDS.values()].index(port)]
        return frozenset(name for name, weight in zip(NAMES, weights, strict=True) if weight)


def documents(state: State):
    mesh = {"mesh": {"ref": {"name": "main"}}}
    yield "Mesh", "main", {"certificateAuthorities": [{"id": "any"}], "mtls": {"minimum": "DISABLED"}}
    yield "VirtualService", "web", {**mesh, "mtls": {"mode": "STRICT"}}
    yield from _deployment(state, "web", "web", WEB, ())
    yield "VirtualService", "split", {**mesh, "hosts": ["split"], "mtls": {"mode": "STRICT"}}
    for place, name in enumerate(NAMES):
        listeners = [("HTTP", HTTP), ("TCP", TCP), ("TLS_PASSTHROUGH", TLS), *(("HTTP", port) for port in state.ports)]
        yield from _deployment(state, name, "split", 11 + place, listeners)
    for (kind, port), weights in zip(KINDS.items(), state.weights, strict=True):
        targets = [
            {"virtualDeployment": {"ref": {"name": name}}, "weight": weight, "port": port}
            for name, weight in zip(NAMES, weights, strict=True)
        ]
        rule = {"destinations": targets, **({"requestTimeoutInMs": state.timeout} if kind == "httpRoute" else {})}
        yield "VirtualServiceRouteTable", kind.lower(), {**_of("split"), "routeRules": [{kind: rule}]}
    yield "VirtualService", "clock", {**mesh, "hosts": ["clock"], "mtls": {"mode": "DISABLED"}}
    yield from _deployment(state, "clock", "clock", CLOCK, [("HTTP", HTTP)])
    tick = {"destinations": [{"virtualDeployment": {"ref": {"name": "clock"}}, "weight": 1}], "path": f"/{state.tick}"}
    yield "VirtualServiceRouteTable", "clock", {**_of("clock"), "routeRules": [{"httpRoute": tick}]}
    for number in state.others:
        name = f"other-{number}"
        uniform = {"defaultRoutingPolicy": {"type": "UNIFORM"}, "mtls": {"mode": state.mode}}
        yield "VirtualService", name, {**mesh, **uniform, "hosts": [f"h{n}.{name}" for n in range(state.hosts)]}
        yield from _deployment(state, name, name, 30 + number, [("HTTP", HTTP), ("TCP", TCP), ("TLS_PASSTHROUGH", TLS)])
    yield from _access(state, mesh)
    names = ["*.example.com", *(f"h{number}" for number in range(state.hosts))]
    certificate = {"kubeSecretTlsCertificate": {"secretName": "edge"}}
    https = {"protocol": "HTTP", "port": EDGE_HTTPS, "tls": {"mode": "TLS", "serverCertificate": certificate}}
    hosts = [
        {"name": "all", "hostnames": names, "listeners": [{"protocol": "HTTP", "port": EDGE}]},
        {"name": "secure", "hostnames": [SECURE], "listeners": [https]},
        {"name": "bytes", "listeners": [{"protocol": "TCP", "port": EDGE_TCP}]},
        {"name": "vault", "hostnames": ["split"], "listeners": [{"protocol": "TLS_PASSTHROUGH", "port": EDGE_TLS}]},
    ]
    logging = {"accessLogging": {"isEnabled": "edge" in state.logs}}
    yield "IngressGateway", "edge", {**mesh, **logging, "hosts": hosts}
    rules = [
        {"httpRoute": {"path": path, "destinations": [{"virtualService": {"ref": {"name": name}}, "port": HTTP}]}}
        for name, path in (("clock", "/clock"), ("split", "/"))
    ]
    rules[0]["httpRoute"]["isPathRewriteEnabled"] = True
    for kind, port in (("tcpRoute", TCP), ("tlsPassthroughRoute", TLS)):
        rules.append({kind: {"destinations": [{"virtualService": {"ref": {"name": "split"}}, "port": port}]}})
    yield "IngressGatewayRouteTable", "edge", {"ingressGateway": {"ref": {"name": "edge"}}, "routeRules": rules}


def _of(service):
    return {"virtualService": {"ref": {"name": service}}}


def _deployment(state, name, service, last, listeners):
    discovery = {"serviceDiscovery": {"type": "DNS", "hostname": f"127.77.0.{last}"}}
    logging = {"accessLogging": {"isEnabled": name in state.logs}}
    served = [{"protocol": protocol, "port": port} for protocol, port in listeners]
    yield "VirtualDeployment", name, {**_of(service), **discovery, **logging, "listener": served}


def _access(state, mesh):
    kept = [("virtualService", "web", "split"), ("virtualService", "web", "clock")]
    kept += [("ingressGateway", "edge", "split"), ("ingressGateway", "edge", "clock")]
    more = [("virtualService", "web", f"other-{number}") for number in state.others if "web" in state.allowed]
    more += [("virtualService", f"other-{number}", "clock") for number in state.others if "other" in state.allowed]
    rules = [
        {"action": "ALLOW", "source": {kind: {"ref": {"name": who}}}, "destination": _of(whom)}
        for kind, who, whom in (*kept, *more)
    ]
    yield "AccessPolicy", "access", {**mesh, "rules": rules}


def _metadata(kind, name):
    """Return the metadata of an object; a gateway's says where its proxy is."""
    annotations = {cast.ADDRESS: f"127.77.0.{GATEWAY}"} if kind == "IngressGateway" else {}
    return {"namespace": "t", "name": name, "annotations": annotations}


def text(state: State) -> str:
    version = "servicemesh.oci.oracle.com/v1beta1"
    return "\n---\n".join(
        json.dumps(
            {
                "apiVersion": version,
                "kind": kind,
                "metadata": _metadata(kind, name),
                "spec": {"compartmentId": "any", **spec},
            }
        )
        for kind, name, spec in documents(state)
    )


def edited(state: State, chance: random.Random) -> State:
    """Return the state after a random edit, none of which touches who may reach the service, or its ports in use."""
    kind = chance.choice(("http", "tcp", "tls", "http", "tcp", "tls", *(f.name for f in dataclasses.fields(State))))
    if kind in ("http", "tcp", "tls", "weights"):
        place = chance.randrange(3)
        fresh = (chance.randrange(101), chance.randrange(101), chance.choice((0, 0, 50)))
        found = fresh if any(fresh) else (1, 0, 0)
        weights = tuple(found if number == place else each for number, each in enumerate(state.weights))
        return dataclasses.replace(state, weights=weights)
    toggled = {
        "logs": lambda: state.logs ^ {chance.choice((*NAMES, "web", "edge"))},
        "others": lambda: state.others ^ {chance.randrange(4)},
        "allowed": lambda: state.allowed ^ {chance.choice(("web", "other"))},
        "mode": lambda: chance.choice(("STRICT", "PERMISSIVE", "DISABLED")),
        "hosts": lambda: chance.randint(1, 3),
        "ports": lambda: state.ports ^ {chance.choice((9081, 9082))},
        "timeout": lambda: chance.choice((0, 15_000, 20_000)),
        "certificate": lambda: chance.randrange(len(CERTIFICATES)),
    }
    return dataclasses.replace(state, **{kind: toggled[kind]()}) if kind in toggled else state


def secret(state: State) -> str:
    """Return the certificate of the gateway, which is no part of what people may read."""
    return json.dumps(secrets.document("t/edge", CERTIFICATES[state.certificate]))


class Service:
    """The mesh at work: what was written, and what the caller's proxy is known to have of it."""

    def __init__(self, world: draining.World) -> None:
        self.world, self.states, self.known = world, [State()], 0
        self.faults: list[str] = []
        self.served = self.asked = 0
        self.end = threading.Event()

    @property
    def web(self) -> str:
        return self.world.block.address(WEB)

    def write(self, state: State) -> None:
        self.states.append(dataclasses.replace(state, tick=len(self.states)))
        if self.states[-1].certificate != self.states[-2].certificate:
            self.world.write(SECRET, secret(state))
        self.world.write("mesh.yaml", text(self.states[-1]))

    def wait(self) -> None:
        """Wait until caller and gateway have what was written last."""
        newest = len(self.states) - 1

        def is_there() -> bool:
            inside = self.world.call(f"http://clock:{HTTP}/{newest}", by=WEB).status
            return inside == self.world.visit(f"/clock/{newest}", "x.example.com", EDGE).status == 200

        wait_until(is_there, f"state {newest}", 30, self.world.processes)
        self.known = newest

    def tunnelled(self, port: int):
        """Return the connection of a new tunnel to a port of the service."""
        answer = talkers.tunnel(self.web, f"split:{port}")
        if answer.status != 200:
            raise OSError(f"{answer.status} {answer.body()}")
        return answer.connection

    def at_gateway(self, port: int) -> socket.socket:
        return socket.create_connection((self.world.block.address(GATEWAY), port), timeout=talkers.TIMEOUT_S)

    def may_answer(self, port: int, known: int) -> frozenset[str]:
        return frozenset().union(*(state.served_by(port) for state in self.states[known:]))


def opening(service: Service, port: int, dial, said) -> None:
    """Open one connection after the other; each must be answered by somebody who may."""
    while not service.end.wait(0.01):
        known = service.known
        try:
            name = said(dial())
        except (OSError, AssertionError) as fault:
            name = repr(fault)
        service.served += 1
        if name not in service.may_answer(port, known):
            service.faults.append(f"a new connection to {port} in states {known} to {len(service.states) - 1}: {name}")


def heard(connection) -> str:
    with connection:
        name = talkers.line(connection)
        connection.sendall(b"x\n")
        assert talkers.line(connection) == "X"
        return name


def staying(service: Service, port: int, connection) -> None:
    """Speak over one connection until the end; it must never break."""
    with connection:
        talkers.line(connection)
        for number in itertools.count():
            if service.end.wait(0.05):
                return
            connection.sendall(f"x{number}\n".encode())
            if talkers.line(connection) != f"X{number}":
                states = len(service.states) - 1
                service.faults.append(f"an open connection to {port} broke after {number} words, in state {states}")
                return


def asking(service: Service) -> None:
    """Send requests over TLS to the gateway, over one connection for as long as it is not asked to end it."""
    context = ssl.create_default_context(cadata=CERTIFICATES[0].root.decode())
    while not service.end.is_set():
        client = http.client.HTTPConnection(SECURE)
        client.sock = context.wrap_socket(service.at_gateway(EDGE_HTTPS), server_hostname=SECURE)
        with contextlib.closing(client):
            will_close = False
            while not (will_close or service.end.wait(0.01)):
                try:
                    client.request("GET", "/")
                    answer = client.getresponse()
                    status, will_close = answer.status, answer.will_close
                    answer.read()
                except (OSError, http.client.HTTPException) as fault:
                    status, will_close = repr(fault), True
                service.asked += 1
                if status != 200:
                    service.faults.append(f"a request over TLS, in state {len(service.states) - 1}: {status}")


@contextlib.contextmanager
def clients(service: Service, own: talkers.OwnTls):
    """Let all clients speak until the `with` ends."""

    def tunnel(port):
        return functools.partial(service.tunnelled, port)

    def gate(port):
        return functools.partial(service.at_gateway, port)

    def said(connection):
        return own.said(connection, "split")

    def tls(connection):
        return own.client.wrap_socket(connection, server_hostname="split")

    work = [
        (asking, (service,)),
        (opening, (service, TCP, tunnel(TCP), heard)),
        (opening, (service, TLS, tunnel(TLS), said)),
        (opening, (service, TCP, gate(EDGE_TCP), heard)),
        (opening, (service, TLS, gate(EDGE_TLS), said)),
        *((staying, (service, TCP, dial())) for dial in (tunnel(TCP), gate(EDGE_TCP)) for _ in range(OPEN)),
        *((staying, (service, TLS, tls(dial()))) for dial in (tunnel(TLS), gate(EDGE_TLS)) for _ in range(OPEN)),
    ]
    threads = [threading.Thread(target=target, args=given, daemon=True) for target, given in work]
    gateway = service.world.block.address(GATEWAY)
    streams = (
        traffic.Stream(service.web, 15000, f"http://split:{HTTP}/", pause=0.01),
        traffic.Stream(gateway, EDGE, "/", {"host": "shop.example.com"}, pause=0.01),
    )
    with contextlib.ExitStack() as stack:
        for thread in threads:
            thread.start()
        for stream in streams:
            stack.enter_context(stream)
        yield streams
        assert all(thread.is_alive() for thread in threads) or service.faults
        service.end.set()
    for thread in threads:
        thread.join(30)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return talkers.OwnTls(tmp_path_factory.mktemp("own") / "files")


@pytest.fixture
def service(envoy, variant, own, tmp_path):
    @contextlib.contextmanager
    def applications(pair):
        name, at = pair.deployment.name, pair.application
        with contextlib.ExitStack() as stack:
            stack.enter_context(worlds.serving([application.Server((at, HTTP), application.Role(name, name))]))
            if name in NAMES:
                stack.enter_context(fixed.speaking_first(at, TCP, f"{name}\n".encode()))
                stack.enter_context(talkers.serving(at, TLS, own.talk(name)))
            yield

    settings = tmp_path / "settings.yaml"
    settings.write_text(SETTINGS)
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / SECRET).write_text(secret(State()))
    with draining.running(tmp_path, envoy, variant, text(State()), applications, settings=settings) as world:
        (gate,) = world.cast().gates
        process = world.processes.start(programs.gateway(world.site, gate))
        stage.wait_for_proxy(gate.address, (EDGE, EDGE_HTTPS, EDGE_TCP, EDGE_TLS), process)
        found = Service(world)
        found.wait()
        yield found


@pytest.mark.load
@pytest.mark.timeout(500)
def test_nothing_that_a_service_serves_is_lost_in_500_edits_around_it(service, own):
    chance, pacing = random.Random(SEED), threading.Event()
    before = service.world.stats("listener_manager.listener_modified", of=WEB)
    with clients(service, own) as streams:
        while len(service.states) <= EDITS:
            for _ in range(chance.choice(BURSTS)):
                service.write(edited(service.states[-1], chance))
                pacing.wait(chance.choice((0.0, 0.01, 0.03)))
            service.wait()
        pacing.wait(2 * float(draining.DRAIN_SECONDS))  # whatever the last edits drain ends by now
    failed = [reply for stream in streams for reply in stream.seen if reply.status != 200]
    assert not failed, f"seed {SEED}: {len(failed)} requests, as {failed[:3]}"
    assert not service.faults, f"seed {SEED}: {len(service.faults)} connections, as {service.faults[:5]}"
    assert service.served > EDITS < service.asked
    assert min(len(stream.seen) for stream in streams) > EDITS
    assert service.world.stats("listener_manager.listener_modified", of=WEB) == before
