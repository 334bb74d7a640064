"""Meshes of real processes: one control plane, a few Envoys, and applications that say who they are.

Only the proxies under test are real: a deployment named in `SIDECARS` has its own; of the others the application itself
listens where its sidecar would.
"""

import concurrent.futures
import contextlib
import dataclasses
import fnmatch
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from meshloom import addresses, bootstrap
from meshloom.demo import application, cast, edits, loopback, programs, stage, traffic
from meshloom.demo.processes import Process, Processes
from meshloom.demo.waiting import wait_until
from tests.envoy import stand_ins

SIDECARS = ("caller", "stranger", "slow-v1", "greeter-v1", "two-v1", "strict-v1")
WITHOUT_APPLICATION = ("greeter-v1", "two-v1")
"""What they serve is not HTTP/1; the test brings the application."""

CALLER, STRANGER, GATEWAY = 2, 3, 1
"""The last numbers of the addresses at which these proxies listen."""

CONTROL_PLANE = (200, 15012)

SLOW = "http://slow/default?wait=15.6"
BEGUN: Mapping[str, dict[str, str]] = {"default": {}, "grpc": {"content-type": "application/grpc"}}
"""Requests that take longer than the default timeout of 15 seconds; they go on beside all other tests."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """How the proxies ask, and whether they are the oldest Envoy that is supported or the newest."""

    asks: bootstrap.Variant
    is_oldest: bool = False

    def __str__(self) -> str:
        asks = "delta" if self.asks is bootstrap.Variant.DELTA else "sotw"
        return f"{asks}-oldest" if self.is_oldest else asks


OLDEST = "MESHLOOM_ENVOY_OLDEST"
"""This variable of the environment names the oldest Envoy; without it a single test is skipped and says so."""

NEWEST_VARIANT, OLDEST_VARIANT = Variant(bootstrap.Variant.DELTA), Variant(bootstrap.Variant.DELTA, is_oldest=True)
VARIANTS = (
    NEWEST_VARIANT,
    Variant(bootstrap.Variant.STATE_OF_THE_WORLD),
    *((OLDEST_VARIANT,) if os.environ.get(OLDEST) else ()),
)


class World:
    """A mesh that runs, and how to send requests into it. Addresses are said by their last number."""

    def __init__(self, site: programs.Site, block: loopback.Block, processes: Processes) -> None:
        self.site, self.block, self.processes = site, block, processes
        self.control_plane: Process
        self.begun: dict[str, concurrent.futures.Future[tuple[int, float]]] = {}

    def write(self, name: str, text: str) -> None:
        """Put a file of YAML, written for the sample's addresses, into the mesh."""
        self.site.mesh.mkdir(exist_ok=True)
        edits.replace_file(self.site.mesh / name, self.block.moved(text))

    def read(self, name: str) -> str:
        return (self.site.mesh / name).read_text()

    def remove(self, name: str) -> None:
        (self.site.mesh / name).unlink()

    def cast(self) -> cast.Cast:
        return cast.cast(cast.read_resources(*(path.read_text() for path in sorted(self.site.mesh.glob("*.yaml")))))

    def contexts(self) -> stand_ins.Contexts:
        """Return how services end mutual TLS where no sidecar does it for them."""
        texts = [path.read_text() for path in sorted(self.site.mesh.glob("*.yaml"))]
        return stand_ins.contexts(self.site.state, cast.read_resources(*texts))

    def serve(self, settings: pathlib.Path | None = None) -> None:
        """Start the control plane, or start it again, by the settings in a file."""
        program = programs.control_plane(self.site)
        more = ("--settings", str(settings)) if settings else ()
        self.control_plane = self.processes.start(dataclasses.replace(program, argv=(*program.argv, *more)))
        wait_until(lambda: stage.is_open(self.site.control_plane), "the control plane", 60, [self.control_plane])

    def call(self, url: str, headers: dict[str, str] | None = None, by: int = CALLER) -> traffic.Reply:
        """Call a URL as an application does, through the sidecar at this address."""
        return traffic.reply(self.block.address(by), 15000, url, headers)

    def timed(self, url: str, headers: dict[str, str] | None = None) -> tuple[int, float]:
        """Call a URL; return the status of the answer and the seconds it took."""
        start = time.monotonic()
        return self.call(url, headers).status, time.monotonic() - start

    def calls(self, url: str, count: int, by: int = CALLER) -> tuple[traffic.Reply, ...]:
        return traffic.replies(self.block.address(by), 15000, url, count)

    def visit(
        self, target: str, host: str, port: int = 8880, headers: dict[str, str] | None = None, at: int = GATEWAY
    ) -> traffic.Reply:
        """Send a request to the gateway from outside."""
        return traffic.reply(self.block.address(at), port, target, {"host": host, **(headers or {})})

    def stats(self, pattern: str, of: int = CALLER) -> int:
        """Return the sum of the counters and gauges of the proxy at this address that match a shell pattern."""
        told = self.admin("/stats?format=json", of).json()["stats"]
        return sum(stat.get("value", 0) for stat in told if fnmatch.fnmatchcase(stat.get("name", ""), pattern))

    def admin(self, path: str, of: int = CALLER) -> traffic.Reply:
        return traffic.reply(self.block.address(of), bootstrap.ADMIN_PORT, path)

    def log(self) -> str:
        """Return what the control plane has said."""
        return self.control_plane.program.log.read_text()


def has_sidecar(pair: cast.Pair) -> bool:
    return pair.deployment.name in SIDECARS


IN_CLEAR: stand_ins.Contexts = {}


@contextlib.contextmanager
def applications(
    pairs: tuple[cast.Pair, ...],
    is_behind: Callable[[cast.Pair], bool] = has_sidecar,
    contexts: stand_ins.Contexts = IN_CLEAR,
) -> Iterator[None]:
    """Serve the applications of these pairs in threads: behind their sidecars, or in place of them."""
    servers = [
        stand_ins.server(
            (pair.application if is_behind(pair) else pair.workload, port),
            application.Role(pair.service.name, pair.deployment.name),
            None if is_behind(pair) else contexts.get(pair.service),
        )
        for pair in pairs
        for port in pair.ports
        if pair.deployment.name not in WITHOUT_APPLICATION
    ]
    with serving(servers):
        yield


@contextlib.contextmanager
def serving(servers: Sequence[application.Server]) -> Iterator[None]:
    """Let servers answer, each in a thread, until the `with` ends."""
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@contextlib.contextmanager
def running(folder: pathlib.Path, envoy: str, variant: Variant, files: Mapping[str, str]) -> Iterator[World]:
    """Run the mesh of these files: control plane, gateways, and the sidecars that `SIDECARS` names."""
    with loopback.claimed_block() as block, Processes() as processes:
        last, port = CONTROL_PLANE
        site = programs.Site(folder, addresses.Socket(block.address(last), port), envoy, variant.asks)
        world = World(site, block, processes)
        for name, text in files.items():
            world.write(name, text)
        players = world.cast()
        world.serve()
        with applications(players.pairs, contexts=world.contexts()):
            sidecars = [pair for pair in players.pairs if pair.deployment.name in SIDECARS]
            stage.started_proxies(site, processes, players.gates, sidecars)
            yield world


def written(folder: pathlib.Path, leaving_out: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the YAML files of a folder by name."""
    return {path.name: path.read_text() for path in sorted(folder.glob("*.yaml")) if path.name not in leaving_out}


def served_by(reply: traffic.Reply) -> str:
    """Return the version that answered, or the status and text where none did."""
    return str(reply.json()["version"]) if reply.status == 200 else f"{reply.status} {reply.text.strip()}"
