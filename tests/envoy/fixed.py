"""Meshes whose configuration does not change: real Envoys that load what is compiled for them from a file.

What the compiler makes is shown here by itself; that it reaches proxies by ADS is shown in the other tests.
"""

import contextlib
import fnmatch
import json
import pathlib
import socket
import threading
from collections.abc import Callable, Iterator

import yaml

from mesh import documents, graph, inventory, resolve
from mesh.problems import Ref
from meshloom.demo import loopback, traffic
from meshloom.demo.processes import Processes, Program
from meshloom.demo.waiting import wait_until
from tests import certificates
from tests.translator import bootstraps, decoded
from translator import compile as compiler
from translator import proxies

ADMIN = 9901
WAYS = 6000
"""The first port of the ways out for bytes, one for each service that has ports of TCP or TLS_PASSTHROUGH, in order."""


class Mesh:
    """A mesh in files: who is in it, by its addresses; `authority` certifies its members."""

    def __init__(self, folder: pathlib.Path, block: loopback.Block, text: str) -> None:
        self.folder, self.block, self.authority = folder, block, certificates.Authority("mesh")
        found = [documents.parsed(each) for each in yaml.safe_load_all(block.moved(text))]
        resolution = resolve.resolve(inventory.inventory_of(each.resource for each in found if each.resource))
        faults = [str(item) for item in resolution.problems if item.severity.value == "error"]
        assert not faults, faults
        self.graph: graph.Graph = resolution.graph

    def sidecars(self) -> dict[str, proxies.Sidecar]:
        """Return the sidecars of deployments that are discovered, by name; applications are 100 addresses on."""
        found = self.graph.deployments.items()
        return {
            ref.name: self._sidecar(ref, one.discovery) for ref, one in found if isinstance(one.discovery, graph.Dns)
        }

    def _sidecar(self, ref: Ref, discovery: graph.Dns) -> proxies.Sidecar:
        workload = discovery.hostname
        application = self.block.address(int(workload.rpartition(".")[2]) + 100)
        ways = tuple(proxies.TcpWay(workload, port, service) for service, port in self.ways().items())
        return proxies.Sidecar(ref, proxies.Explicit(workload, application, (), ways))

    def ways(self) -> dict[Ref, int]:
        """Return the port by which applications reach each service that has ports of bytes."""
        found = (ref for ref, one in self.graph.services.items() if one.tcp or one.tls)
        return {ref: WAYS + place for place, ref in enumerate(found)}

    def uri(self, service: str) -> str:
        """Return the identity of a service of this name."""
        return next(one.identity.uri for ref, one in self.graph.services.items() if ref.name == service)

    def start(self, envoy: str, processes: Processes, *only: str) -> None:
        """Run these sidecars, all unless some are named, and wait until they serve."""
        sidecars = {name: proxy for name, proxy in self.sidecars().items() if name in only or not only}
        bundles = compiler.compiled(self.graph, sidecars.values()).bundles
        started = {}
        for name, proxy in sidecars.items():
            holder = self.authority.issued(
                self.uri(self.graph.deployments[proxy.deployment].service.name), self.folder / name
            )
            address = {"socket_address": {"address": proxy.capture.workload_address, "port_value": ADMIN}}
            boot = {
                "node": {"id": name, "cluster": proxy.deployment.key},
                "admin": {"address": address},
                **bootstraps.static_bootstrap(decoded.bundle(bundles[proxy]), holder),
            }
            path = self.folder / name / "bootstrap.json"
            path.write_text(json.dumps(boot))
            argv = (
                envoy,
                "-c",
                str(path),
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "--log-level",
                "warning",
                "--file-flush-interval-msec",
                "100",
            )
            started[name] = processes.start(Program(name, argv, self.folder / f"{name}.log"))
        for name, process in started.items():
            wait_until(lambda name=name: self.admin(name, "/ready").status == 200, f"{name} to serve", 30, [process])

    def workload(self, name: str) -> str:
        return self.sidecars()[name].capture.workload_address

    def application(self, name: str) -> str:
        return self.sidecars()[name].capture.application_address

    def admin(self, name: str, path: str) -> traffic.Reply:
        return traffic.reply(self.workload(name), ADMIN, path)

    def stats(self, name: str, pattern: str) -> int:
        """Return the sum of the counters and gauges of a proxy that match a shell pattern."""
        told = self.admin(name, "/stats?format=json").json()["stats"]
        return sum(stat.get("value", 0) for stat in told if fnmatch.fnmatchcase(stat.get("name", ""), pattern))


@contextlib.contextmanager
def speaking_first(address: str, port: int, banner: bytes) -> Iterator[list[str]]:
    """Serve TCP until the `with` ends: say a banner at once, then give back what comes, in capitals.

    Yields the list of what came.
    """
    heard: list[str] = []
    listener = socket.create_server((address, port), backlog=256)

    def talk(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(banner)
            while said := connection.recv(4096):
                heard.append(said.decode(errors="replace"))
                connection.sendall(said.upper())

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()


def read_until_closed(connection: socket.socket, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """Return what comes until the other side is done, however it ends it, or until it is enough."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while not enough(got) and (more := connection.recv(4096)):
            got += more
    return got
