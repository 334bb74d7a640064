"""Every protocol on every way: what a client gets that policies allow, and one that they do not.

Law: a cell is what a real client met, in a few words; the table is made of nothing else.
"""

import concurrent.futures
import contextlib
import json
import pathlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import NamedTuple

import grpc

from meshloom import addresses
from meshloom.demo import application, cast, loopback, programs, stage, traffic
from meshloom.demo.processes import Processes, Program
from tests.envoy import fixed, names, talkers, worlds
from tests.envoy.test_grpc import Echo

MESH = pathlib.Path(__file__).parent / "protocols" / "mesh.yaml"
HTTP, SOCKETS, HTTP2, GRPC, TCP, HIDDEN_TCP, TLS = 9080, 9081, 8082, 50051, 5432, 5433, 8443
GATE, CALLER, STRANGER, OUTSIDE, NAME_SERVER = 1, 2, 3, 150, 153
NAME, NAME_PORT = "outside.example", 5353
BANNER = "welcome"
NOTHING = "nothing: the connection ends"


class Way(NamedTuple):
    """How clients get somewhere: through which proxy, and by which host; `is_gate` where that is a gateway."""

    name: str
    last: int
    host: str
    is_gate: bool = False


class Pair(NamedTuple):
    """A way that policies allow, and the same one that none does."""

    allowed: Way
    denied: Way


WAYS = {
    "sidecar to sidecar": Pair(Way("sidecar", CALLER, "target"), Way("sidecar", STRANGER, "target")),
    "gateway to sidecar": Pair(
        Way("gateway", GATE, "target.example.com", True), Way("gateway", GATE, "hidden.example.com", True)
    ),
    "egress": Pair(Way("sidecar", CALLER, NAME), Way("sidecar", STRANGER, NAME)),
}


class World(worlds.World):
    """The mesh of `protocols/mesh.yaml`, its target at work."""

    def at(self, way: Way, port: int) -> tuple[str, int]:
        """Return where a client dials for a port: at the gateway that port, at a sidecar always the same."""
        return self.block.address(way.last), port if way.is_gate else 15000

    def serve(self) -> None:
        """Start the control plane; to it one loopback address is outside of the mesh."""
        settings = self.site.folder / "settings.yaml"
        settings.write_text(f"egress: {{exempt_networks: [{self.block.address(148)}/30]}}\n")
        program = programs.control_plane(self.site)
        argv = (*program.argv, "--settings", str(settings))
        self.control_plane = self.processes.start(Program(program.name, argv, program.log, program.env))
        stage.wait_until(lambda: stage.is_open(self.site.control_plane), "the control plane", 60, [self.control_plane])

    def start(self, players: cast.Cast) -> None:
        """Start all proxies, side by side."""
        gates = [(gate.address, gate.ports, programs.gateway(self.site, gate)) for gate in players.gates]
        pairs = [
            (pair.workload, (15000,), self._resolving(programs.sidecar(self.site, pair))) for pair in players.pairs
        ]
        started = [(host, ports, self.processes.start(program)) for host, ports, program in (*gates, *pairs)]
        for host, ports, process in started:
            stage.wait_for_proxy(host, ports, process)

    def _resolving(self, program: Program) -> Program:
        """Return a sidecar that asks the name server of this mesh."""
        path = pathlib.Path(program.argv[program.argv.index("-c") + 1])
        server = {"socket_address": {"address": self.block.address(NAME_SERVER), "port_value": NAME_PORT}}
        message = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
        resolver = {"@type": message, "resolvers": [server]}
        named = {"name": "envoy.network.dns_resolver.cares", "typed_config": resolver}
        path.write_text(json.dumps({**json.loads(path.read_text()), "typed_dns_resolver_config": named}))
        return program


# ---------------------------------------------------------------------------- cells

Cell = Callable[[World, Way, talkers.OwnTls], str]


def by_http(world: World, way: Way, own: talkers.OwnTls) -> str:
    """Ask once."""
    head = {"host": way.host} if way.is_gate else {}
    url = "/" if way.is_gate else f"http://{way.host}:{HTTP}/"
    reply = traffic.reply(*world.at(way, HTTP), url, head)
    return "200" if reply.status == 200 and reply.json() else _refused(reply.status, reply.text, reply.headers)


def _refused(status: int, text: str, headers: dict[str, str]) -> str:
    told = "`no access policy lets …`" if text.startswith("no access policy lets ") else "a request id"
    return f"{status} and {told}" if "x-meshloom-denied-by" in headers or "request " in text else f"{status} {text}"


def by_websocket(world: World, way: Way, own: talkers.OwnTls) -> str:
    """Ask for a WebSocket, and talk."""
    target = "/" if way.is_gate else f"http://{way.host}:{SOCKETS}/"
    connection = socket.create_connection(world.at(way, SOCKETS), timeout=20)
    answer = talkers.upgraded(connection, target, f"{way.host}:{SOCKETS}")
    if answer.status != 101:
        return _refused(answer.status, answer.body(), answer.headers)
    with answer.connection:
        answer.connection.sendall(b"hello\n")
        return f"101, {_echoed(talkers.line(answer.connection), 'hello')}"


def _echoed(heard: str, said: str) -> str:
    return "both ways" if heard == said else f"heard {heard!r}"


def _by_grpc(port: int) -> Cell:
    def cell(world: World, way: Way, own: talkers.OwnTls) -> str:
        host, at = world.at(way, port)
        authority = f"{way.host}:{port}"
        options = [("grpc.default_authority", authority), ("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(f"{host}:{at}", options) as channel:
            try:
                one = channel.unary_unary("/any.Thing/Do")(b"hello", timeout=20)
                many = [*channel.unary_stream("/any.Thing/Count")(b"n", timeout=20)]
            except grpc.RpcError as failed:
                told = (
                    "`no access policy lets …`"
                    if failed.details().startswith("no access policy lets ")
                    else "a request id"
                )
                return f"{failed.code().name} and {told}"
            return "answer and stream" if (one, len(many)) == (b"hello", 3) else f"{one} {many}"

    return cell


def _opened(world: World, way: Way, port: int) -> talkers.Answer:
    """Return a connection that leads to a port: at a gateway itself, else a tunnel through the sidecar; what is outside
    is called by its address, but for TLS.
    """
    if way.is_gate:
        connection = socket.create_connection((world.block.address(way.last), port), timeout=20)
        return talkers.Answer(200, {}, connection)
    host = world.block.address(OUTSIDE) if way.host == NAME and port == TCP else way.host
    return talkers.tunnel(world.block.address(way.last), f"{host}:{port}")


def by_tcp(world: World, way: Way, own: talkers.OwnTls) -> str:
    """Say something first."""
    answer = _opened(world, way, _tcp_port(way))
    if answer.status != 200:
        return _refused(answer.status, answer.body(), answer.headers)
    with answer.connection, contextlib.suppress(ConnectionError):
        answer.connection.sendall(b"hello\n")
        heard = [talkers.line(answer.connection), talkers.line(answer.connection)]
        return "both ways" if heard == [BANNER, "HELLO"] else NOTHING
    return NOTHING


def by_tcp_server_first(world: World, way: Way, own: talkers.OwnTls) -> str:
    """Wait to be spoken to."""
    answer = _opened(world, way, _tcp_port(way))
    if answer.status != 200:
        return _refused(answer.status, answer.body(), answer.headers)
    with answer.connection:
        return "heard" if talkers.line(answer.connection) == BANNER else NOTHING


def _tcp_port(way: Way) -> int:
    return HIDDEN_TCP if way.host.startswith("hidden") else TCP


def by_tls(world: World, way: Way, own: talkers.OwnTls) -> str:
    """Shake hands with the application itself, by the name that is meant."""
    answer = _opened(world, way, TLS)
    if answer.status != 200:
        return _refused(answer.status, answer.body(), answer.headers)
    try:
        return "both ways" if own.said(answer.connection, way.host) == BANNER else NOTHING
    except (ssl.SSLError, ConnectionError, AssertionError):
        return NOTHING


CELLS: dict[str, Cell] = {
    "HTTP": by_http,
    "HTTP2": _by_grpc(HTTP2),
    "GRPC": _by_grpc(GRPC),
    "WebSocket on HTTP": by_websocket,
    "TCP": by_tcp,
    "TCP, the server speaks first": by_tcp_server_first,
    "TLS_PASSTHROUGH": by_tls,
}


def rows(world: World, own: talkers.OwnTls) -> Iterator[tuple[str, str, str, str]]:
    """Yield protocol, way, and what was met there by who may and by who may not."""
    for protocol, cell in CELLS.items():
        for name, pair in WAYS.items():
            yield protocol, name, cell(world, pair.allowed, own), cell(world, pair.denied, own)


# ---------------------------------------------------------------------------- the mesh


@contextlib.contextmanager
def running(folder: pathlib.Path, envoy: str, variant: worlds.Variant, own: talkers.OwnTls) -> Iterator[World]:
    """Run the mesh with all of its proxies, and the target's applications there and outside."""
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        last, port = worlds.CONTROL_PLANE
        site = programs.Site(folder, addresses.Socket(block.address(last), port), envoy, variant.asks)
        world = World(site, block, stack.enter_context(Processes()))
        world.write("mesh.yaml", MESH.read_text())
        players = world.cast()
        for pair in players.pairs:
            if pair.ports:
                stack.enter_context(_applications(pair.application, own))
        stack.enter_context(_applications(block.address(OUTSIDE), own))
        world.serve()
        known = {NAME: [block.address(OUTSIDE)]}
        stack.enter_context(names.serving(block.address(NAME_SERVER), NAME_PORT, known))
        world.start(players)
        yield world


@contextlib.contextmanager
def _applications(at: str, own: talkers.OwnTls) -> Iterator[None]:
    """Serve every protocol at an address."""
    with contextlib.ExitStack() as stack:
        role = application.Role("target", "target")
        stack.enter_context(worlds.serving([application.Server((at, HTTP), role)]))
        stack.enter_context(talkers.serving(at, SOCKETS, talkers.websockets))
        stack.enter_context(fixed.speaking_first(at, TCP, f"{BANNER}\n".encode()))
        stack.enter_context(talkers.serving(at, TLS, own.talk(BANNER)))
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Echo()])
        for port in (HTTP2, GRPC):
            server.add_insecure_port(f"{at}:{port}")
        server.start()
        stack.callback(lambda: server.stop(0).wait())
        yield
