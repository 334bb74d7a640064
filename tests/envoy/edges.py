"""A gateway and strangers before it: what they open, what they are shown, and what they get."""

import concurrent.futures
import contextlib
import pathlib
import re
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import grpc
import yaml

from meshloom import addresses
from meshloom.demo import application, cast, loopback, programs, stage, traffic
from meshloom.demo.processes import Processes
from tests import secrets
from tests.envoy import fixed, stand_ins, worlds
from tests.envoy.test_grpc import Echo

MESH = pathlib.Path(__file__).parent / "edge" / "mesh.yaml"
HTTPS, MIXED, LOST = 8443, 8444, 8445
TCP_CLEAR, TCP_EITHER, TCP_TLS, TCP_MUTUAL, TCP_DENIED = 5432, 5433, 5434, 5435, 5436
OPEN = (HTTPS, MIXED, TCP_CLEAR, TCP_EITHER, TCP_TLS, TCP_MUTUAL, TCP_DENIED)
WEB, GREETER, ONE, TWO, VAULT = 20, 21, 22, 23, 24

CLIENTS, STRANGERS = secrets.Authority("clients"), secrets.Authority("strangers")
SERVERS = secrets.Authority("servers")
EDGE = SERVERS.pair(*map(secrets.dns, ("either.example.com", "shop.example.com", "*.shop.example.com")))
OFFICE = SERVERS.pair(secrets.dns("office.example.com"))
INSIDE = SERVERS.pair(secrets.dns("vault.example.com"), secrets.dns("*.vault.example.com"))
SECRETS = {"edge": EDGE.values, "office": OFFICE.values, "clients": {"ca.crt": CLIENTS.root}}


class Seen(NamedTuple):
    """What a stranger got: the certificate that it was shown, the protocol chosen, and what came."""

    certificate: bytes = b""
    protocol: str | None = None
    said: bytes = b""

    @property
    def status(self) -> int:
        """The status of an answer; 0 where none came."""
        return int(self.said.split(b" ", 2)[1]) if self.said.startswith(b"HTTP/") else 0


class World(worlds.World):
    """The mesh of `edge/mesh.yaml`."""

    def start(self, text: str, sidecars: Sequence[str]) -> None:
        self.write("mesh.yaml", text)
        for name, values in SECRETS.items():
            self.put(name, values)
        self.serve()
        players = self.cast()
        (gate,) = players.gates
        process = self.processes.start(programs.gateway(self.site, gate))
        behind = [pair for pair in players.pairs if pair.deployment.name in sidecars]
        stage.started_proxies(self.site, self.processes, (), behind)
        stage.wait_for_proxy(gate.address, OPEN, process)

    def put(self, name: str, values: secrets.Values) -> None:
        """Write a Secret, or write it anew."""
        self.write(f"secret-{name}.yaml", yaml.safe_dump(secrets.document(f"t/{name}", values)))

    def dial(self, port: int) -> socket.socket:
        return socket.create_connection((self.block.address(worlds.GATEWAY), port), timeout=10)

    @contextlib.contextmanager
    def opened(
        self, port: int, name: str | None, client: secrets.Pair | None = None, version: ssl.TLSVersion | None = None
    ) -> Iterator[ssl.SSLSocket]:
        """Yield a TLS connection that asks for a name."""
        context = dialling(client, version)
        with self.dial(port) as bare, context.wrap_socket(bare, server_hostname=name) as tls:
            yield tls

    def get(
        self,
        name: str | None,
        host: str = "",
        port: int = HTTPS,
        client: secrets.Pair | None = None,
        version: ssl.TLSVersion | None = None,
        path: str = "/all",
        more: str = "",
    ) -> Seen:
        """Ask for a host over TLS; who is refused sees nothing."""
        request = f"GET {path}?show=headers HTTP/1.1\r\nhost: {host or name}\r\n{more}connection: close\r\n\r\n"
        with contextlib.suppress(ssl.SSLError, OSError), self.opened(port, name, client, version) as tls:
            tls.sendall(request.encode())
            shown = tls.getpeercert(binary_form=True) or b""
            return Seen(shown, tls.selected_alpn_protocol(), fixed.read_until_closed(tls, is_whole))
        return Seen()

    def in_clear(self, host: str, port: int = HTTPS) -> int:
        return traffic.reply(self.block.address(worlds.GATEWAY), port, "/all", {"host": host}).status

    def banner(self, connection: socket.socket) -> str:
        return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n")).decode().strip()


def is_whole(said: bytes) -> bool:
    """Return whether an answer with a length has come to its end."""
    head, end, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length[1]))


def dialling(client: secrets.Pair | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return how strangers dial: they look at what they are shown, and believe everything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if client is not None:
        load(context, client)
    return context


def load(context: ssl.SSLContext, of: secrets.Pair) -> None:
    """Load a certificate and its key, which Python reads from files alone."""
    with tempfile.NamedTemporaryFile() as chain, tempfile.NamedTemporaryFile() as key:
        for file, pem in ((chain, of.chain), (key, of.key)):
            file.write(pem)
            file.flush()
        context.load_cert_chain(chain.name, key.name)


@contextlib.contextmanager
def running(
    folder: pathlib.Path, envoy: str, variant: worlds.Variant, mode: str = "DISABLED", sidecars: Sequence[str] = ()
) -> Iterator[World]:
    """Run the gateway, its control plane, and those behind it, in this mode, these deployments beside sidecars."""
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        last, port = worlds.CONTROL_PLANE
        site = programs.Site(folder, addresses.Socket(block.address(last), port), envoy, variant.asks)
        world = World(site, block, stack.enter_context(Processes()))
        inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load(inside, INSIDE)
        beside = cast.APPLICATION_OFFSET if sidecars else 0
        web = application.Server((block.address(WEB + beside), 9080), application.Role("web", "web-v1"))
        vault = stand_ins.Server((block.address(VAULT + beside), 8443), application.Role("vault", "vault-v1"), inside)
        stack.enter_context(worlds.serving([web, vault]))
        for name, at in (("one", ONE), ("two", TWO)):
            stack.enter_context(fixed.speaking_first(block.address(at + beside), 5432, f"{name}\n".encode()))
        greeter = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Echo()])
        greeter.add_insecure_port(f"{block.address(GREETER + beside)}:50051")
        greeter.start()
        stack.callback(lambda: greeter.stop(0).wait())
        world.start(MESH.read_text().replace("minimum: DISABLED", f"minimum: {mode}"), sidecars)
        yield world


class Steady:
    """Requests over TLS that go on in the background until the `with` ends: over one connection, and over new ones."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name
        self._end = threading.Event()
        self.kept: list[int] = []
        self.fresh: list[Seen] = []
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._keep, self._renew)]

    @property
    def last(self) -> Seen:
        """What was seen over the newest connection."""
        return self.fresh[-1] if self.fresh else Seen()

    def _keep(self) -> None:
        request = f"GET /all HTTP/1.1\r\nhost: {self._name}\r\n\r\n".encode()
        with self._world.opened(HTTPS, self._name) as tls:
            while not self._end.wait(0.005):
                tls.sendall(request)
                got = fixed.read_until_closed(tls, is_whole)
                self.kept.append(int(got.split(b" ", 2)[1]) if got else 0)

    def _renew(self) -> None:
        while not self._end.wait(0.005):
            self.fresh.append(self._world.get(self._name))

    def __enter__(self) -> "Steady":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(20)
