"""A mesh in network namespaces: real Envoys as a user of their own, applications that know nothing of proxies.

Law: whoever is in the mesh has its own namespace; the control plane is at the hub, the outsider has no sidecar.
"""

import concurrent.futures
import contextlib
import functools
import pathlib
import shutil
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from meshloom import addresses, bootstrap
from meshloom.demo import application, edits, programs, traffic
from meshloom.demo.processes import Process, Processes, Program
from meshloom.demo.waiting import wait_until
from meshloom.identity import claim
from tests import certificates, written
from tests.capture import namespaces
from tests.capture.namespaces import Namespace

HERE = pathlib.Path(__file__).parent
MEMBERS = ("web", "pets-v1", "pets-v2", "db", "cache")
OUTSIDER = "outsider"
BEHIND_OUTSIDER = "10.78.0.9"
"""A second address of the outsider."""

PROXY = 1337
SERVICES: Mapping[str, tuple[str, ...]] = {
    "web": ("10.96.0.1", "fd96::1"),
    "pets": ("10.96.0.2", "fd96::2"),
    "db": ("10.96.0.3", "fd96::3"),
    "cache": ("None",),
}
"""The addresses of Services. Nothing listens there and nothing routes them: only proxies know what they mean."""

OUTSIDE = ("api.example.test", "other.example.test", "api.example.org")
"""Names of the outsider."""

OPEN, EXCLUDED, PASSED, CLOSED = 7001, 7002, 7003, 7004
"""Ports of web: one that is not captured, that of the outsider that is not, one that passes the proxy, one that is shut."""

WISHES = (
    *("--exclude-inbound-port", str(OPEN)),
    *("--exclude-outbound-port", str(EXCLUDED)),
    *("--exclude-outbound-cidr", "10.78.0.0/16"),
    *("--exempt", f"{namespaces.HUB}:9999"),
)


class World:
    """The mesh: its namespaces by name, and how to talk in them."""

    def __init__(self, folder: pathlib.Path, spaces: dict[str, Namespace], envoy: str) -> None:
        self.site = programs.Site(folder, addresses.Socket(namespaces.HUB, 15012), envoy)
        self.spaces, self.processes = spaces, {}

    def write(self, name: str, items: list[dict[str, Any]]) -> None:
        """Put objects into the folder that the control plane follows."""
        self.site.mesh.mkdir(exist_ok=True)
        edits.replace_file(self.site.mesh / name, yaml.safe_dump_all(items))

    def get(self, caller: str, host: str, port: int, name: str = "", path: str = "/", uid: int = 0) -> traffic.Reply:
        """Send a request to an address as an application does; `name` is the host it asks for, if not the address."""
        headers = {"host": name} if name else None
        return self.spaces[caller].do(lambda: traffic.reply(host, port, path, headers), uid)

    def dial(self, caller: str, host: str, port: int, uid: int = 0) -> socket.socket:
        """Open a connection as an application does."""
        return self.spaces[caller].do(lambda: socket.create_connection((host, port), timeout=10), uid)

    def stats(self, of: str, name: str) -> int:
        """Return a counter or gauge of a proxy."""
        told = self.spaces[of].do(lambda: traffic.reply("127.0.0.1", 9901, f"/stats?format=json&filter=^{name}$"))
        return sum(stat["value"] for stat in told.json()["stats"] if "value" in stat)

    def capture(self, of: str, verb: str, *options: str, check: bool = True) -> Any:
        """Run `meshloom capture` in a namespace."""
        return self.spaces[of].run(sys.executable, "-m", "meshloom", "capture", verb, *options, check=check)


def objects(spaces: Mapping[str, Namespace]) -> list[dict[str, Any]]:
    """Return the mesh with the addresses of its members, and the Services of Kubernetes that its hosts name."""
    text = (HERE / "mesh.yaml").read_text()
    for name, space in spaces.items():
        text = text.replace(f"{name}.four", space.four).replace(f"{name}.six", space.six)
    return [written.document(short) for short in yaml.safe_load_all(text)]


def weights(v1: int, v2: int) -> dict[str, Any]:
    """Return the route table of pets."""
    shares = ((name, weight) for name, weight in (("pets-v1", v1), ("pets-v2", v2)))
    to = [{"virtualDeployment": {"ref": {"name": name}}, "weight": weight} for name, weight in shares]
    short = {
        "VirtualServiceRouteTable": "shop/pets",
        "virtualService": {"ref": {"name": "pets"}},
        "routeRules": [{"httpRoute": {"destinations": to}}],
    }
    return written.document(short)


def kubernetes(spaces: Mapping[str, Namespace]) -> list[dict[str, Any]]:
    """Return the Services of the mesh, and the endpoints of the one that has no address."""
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"clusterIP": given[0], "clusterIPs": list(given)},
        }
        for name, given in SERVICES.items()
    ]
    return [*services, *(_slice(family, address) for family, address in _endpoints(spaces["cache"]))]


def _endpoints(space: Namespace) -> tuple[tuple[str, str], ...]:
    return ("IPv4", space.four), ("IPv6", space.six)


def _slice(family: str, address: str) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": "cache"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": "shop", "name": f"cache-{family.lower()}", "labels": labels},
        "addressType": family,
        "endpoints": [{"addresses": [address]}],
    }


@contextlib.contextmanager
def running(folder: pathlib.Path, envoy: str) -> Iterator[World]:
    """Run the mesh: capture in place before the proxies start, as in a pod."""
    with contextlib.ExitStack() as stack:
        spaces = stack.enter_context(namespaces.around_a_hub(*MEMBERS, OUTSIDER))
        spaces[OUTSIDER].run("ip", "address", "add", f"{BEHIND_OUTSIDER}/32", "dev", "lo")
        stack.enter_context(_names(spaces["web"], dict.fromkeys(OUTSIDE, spaces[OUTSIDER].four)))
        spaces["hub"].run("ip", "route", "add", BEHIND_OUTSIDER, "via", spaces[OUTSIDER].four)
        world, processes = World(folder, spaces, envoy), stack.enter_context(Processes())
        world.write("mesh.yaml", objects(spaces))
        world.write("routes.yaml", [weights(100, 0)])
        world.write("kubernetes.yaml", kubernetes(spaces))
        _applications(world, stack)
        _control_plane(world, processes)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for _ in pool.map(lambda name: world.capture(name, "apply", *WISHES), MEMBERS):
                pass
        for name in MEMBERS:
            world.processes[name] = processes.start(_sidecar(world, name))
        for name, process in world.processes.items():
            wait_until(functools.partial(_is_ready, world, name), f"the sidecar of {name}", 60, [process])
        yield world


@contextlib.contextmanager
def _names(space: Namespace, hosts: Mapping[str, str]) -> Iterator[None]:
    """Let programs in a namespace know these names."""
    folder = pathlib.Path("/etc/netns", space.name)
    folder.mkdir(parents=True)
    (folder / "hosts").write_text("".join(f"{address} {name}\n" for name, address in hosts.items()))
    try:
        yield
    finally:
        shutil.rmtree(folder)


def _is_ready(world: World, name: str) -> bool:
    return world.spaces[name].do(lambda: traffic.reply("127.0.0.1", 9901, "/ready")).status == 200


def _control_plane(world: World, processes: Processes) -> Process:
    program = programs.control_plane(world.site)
    hub = world.spaces["hub"]
    process = processes.start(_within(hub, program))
    at = (namespaces.HUB, 15012)

    def is_open() -> bool:
        with contextlib.suppress(OSError), hub.do(lambda: socket.create_connection(at, timeout=5)):
            return True
        return False

    wait_until(is_open, "the control plane", 60, [process])
    return process


def _sidecar(world: World, name: str) -> Program:
    """Return the Envoy of a member, which runs as the user that is not captured and may read our files."""
    of = claim.captured(f"shop/{name}", (PASSED,), is_ipv4_only=False)
    program = programs.captured(world.site, of)
    user = ("--reuid", str(PROXY), "--regid", str(PROXY), "--clear-groups")
    reading = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    drained = {bootstrap.COMMAND_LINE[1]: "1"}  # what is replaced ends within a test
    argv = ("setpriv", *user, *reading, *(drained.get(word, word) for word in program.argv))
    return _within(world.spaces[name], Program(program.name, argv, program.log, program.env))


def _within(space: Namespace, program: Program) -> Program:
    argv = ("/usr/bin/env", "ip", "netns", "exec", space.name, *program.argv)
    return Program(program.name, argv, program.log, program.env)


# ---------------------------------------------------------------------------- applications


class Server(application.Server):
    """An application at all addresses, of IPv4 and IPv6, or at one of IPv6."""

    address_family = socket.AF_INET6


def _applications(world: World, stack: contextlib.ExitStack) -> None:
    """Let applications answer: that of pets-v1 at its pod's addresses alone, the others everywhere."""
    pets = world.spaces["pets-v1"]
    for host, kind in ((pets.four, application.Server), (pets.six, Server)):
        _serve(stack, pets, functools.partial(kind, (host, 8080), application.Role("pets", "pets-v1")))
    for name, ports in {
        "web": (8080, OPEN, PASSED, CLOSED),
        "pets-v2": (8080,),
        "cache": (9090,),
        OUTSIDER: (OPEN, EXCLUDED, CLOSED, 8000),
    }.items():
        for port in ports:
            role = application.Role(name.partition("-")[0], name)
            _serve(stack, world.spaces[name], functools.partial(Server, ("::", port), role))
    stack.enter_context(_ending_tls(world.spaces[OUTSIDER], world.site.folder / "outsider"))
    for name, ports in {"db": (5432,), "cache": (5432, 8080), OUTSIDER: (5433, 5434)}.items():
        for port in ports:
            stack.enter_context(_speaking(world.spaces[name], port, f"{name}:{port}\n".encode()))


def _serve(stack: contextlib.ExitStack, space: Namespace, made: functools.partial[application.Server]) -> None:
    server = space.do(made)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)


@contextlib.contextmanager
def _speaking(space: Namespace, port: int, banner: bytes) -> Iterator[None]:
    """Serve TCP: say a banner at once, then give back what comes."""
    listener = space.do(lambda: socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))

    def talk(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(banner)
            while said := connection.recv(4096):
                connection.sendall(said)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextlib.contextmanager
def _ending_tls(space: Namespace, folder: pathlib.Path) -> Iterator[None]:
    """Serve TLS on port 443: say which name was asked for."""
    holder = certificates.Authority("outside").issued("spiffe://outside/server", folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(holder.chain, holder.key)
    asked: list[str] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    listener = space.do(lambda: socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as inside:
                inside.sendall(f"{asked[-1]}\n".encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
