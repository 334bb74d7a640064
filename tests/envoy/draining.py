"""Meshes of real processes in which what a change closes is closed within seconds: Envoys that drain quickly."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator

from mesh.problems import Ref
from meshloom import addresses
from meshloom.demo import cast, loopback, programs, stage
from meshloom.demo.processes import Process, Processes
from tests.envoy import worlds
from translator.proxies import TcpWay

DRAIN_SECONDS = "3"
DIALLED = 6000
"""Where applications dial the service that is theirs to dial."""

Applications = Callable[[cast.Pair], contextlib.AbstractContextManager[object]]


class World(worlds.World):
    """A mesh, served by a control plane, with a sidecar beside each deployment that drains quickly."""

    def start(self, text: str, dialled: Ref | None = None, settings: pathlib.Path | None = None) -> None:
        """Serve a mesh; its applications may dial a service."""
        self.write("mesh.yaml", text)
        self.serve(settings)
        started = {pair.workload: self._sidecar(pair, dialled) for pair in self.cast().pairs}
        for workload, process in started.items():
            stage.wait_for_proxy(workload, (DIALLED,) if dialled else (), process)

    def _sidecar(self, pair: cast.Pair, dialled: Ref | None) -> Process:
        ways = [TcpWay(pair.workload, DIALLED, dialled)] if dialled else []
        program = programs.sidecar(self.site, pair, ways)
        place = program.argv.index("--drain-time-s") + 1
        argv = (*program.argv[:place], DRAIN_SECONDS, *program.argv[place + 1 :])
        return self.processes.start(dataclasses.replace(program, argv=argv))

    def edit(self, old: str, new: str) -> None:
        """Replace a text of the mesh."""
        text = self.read("mesh.yaml")
        assert old in text
        self.write("mesh.yaml", text.replace(old, new))


@contextlib.contextmanager
def running(
    folder: pathlib.Path,
    envoy: str,
    variant: worlds.Variant,
    text: str,
    applications: Applications,
    dialled: Ref | None = None,
    settings: pathlib.Path | None = None,
) -> Iterator[World]:
    """Run a mesh, with these applications behind its sidecars, by the settings in a file."""
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        last, port = worlds.CONTROL_PLANE
        site = programs.Site(folder, addresses.Socket(block.address(last), port), envoy, variant.asks)
        world = World(site, block, stack.enter_context(Processes()))
        world.write("mesh.yaml", text)
        for pair in world.cast().pairs:
            stack.enter_context(applications(pair))
        world.start(text, dialled, settings)
        yield world
