"""What becomes of open TCP connections when the mesh changes: weights leave them alone, a rule that is gone ends them."""

import collections
import contextlib
import dataclasses
import pathlib
import socket

import pytest

from mesh.problems import Ref
from meshloom import addresses
from meshloom.demo import loopback, programs, stage
from meshloom.demo.processes import Process, Processes
from meshloom.demo.waiting import wait_until
from tests.envoy import fixed, worlds
from translator.proxies import TcpWay

MESH = (pathlib.Path(__file__).parent / "mtls" / "weights.yaml").read_text()
DRAIN_SECONDS = "3"
PORT, DIALLED = 5432, 6000
WEB = 3


class World(worlds.World):
    """The mesh, served by a control plane, with a sidecar beside each deployment that drains quickly."""

    def start(self) -> None:
        self.write("mesh.yaml", MESH)
        self.serve()
        for pair in self.cast().pairs:
            way = TcpWay(pair.workload, DIALLED, Ref("VirtualService", "t", "db"))
            program = programs.sidecar(self.site, pair, [way])
            place = program.argv.index("--drain-time-s") + 1
            argv = (*program.argv[:place], DRAIN_SECONDS, *program.argv[place + 1 :])
            self.started(pair.workload, self.processes.start(dataclasses.replace(program, argv=argv)))

    def started(self, workload: str, process: Process) -> None:
        stage.wait_for_proxy(workload, (DIALLED,), process)

    def edit(self, old: str, new: str) -> None:
        text = self.read("mesh.yaml")
        assert old in text
        self.write("mesh.yaml", text.replace(old, new))

    def dial(self) -> socket.socket:
        return socket.create_connection((self.block.address(WEB), DIALLED), timeout=20)

    def answer(self) -> str:
        """Return who answers a new connection, empty where nobody does."""
        with self.dial() as connection:
            return line(connection)

    def answers(self, count: int) -> dict[str, int]:
        return collections.Counter(self.answer() for _ in range(count))


def line(connection: socket.socket) -> str:
    return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n")).decode().strip()


@pytest.fixture
def world(envoy, variant, tmp_path):
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        last, port = worlds.CONTROL_PLANE
        site = programs.Site(tmp_path, addresses.Socket(block.address(last), port), envoy, variant.asks)
        world = World(site, block, stack.enter_context(Processes()))
        world.write("mesh.yaml", MESH)
        for pair in world.cast().pairs:
            stack.enter_context(fixed.speaking_first(pair.application, PORT, f"{pair.deployment.name}\n".encode()))
        world.start()
        yield world


def test_a_change_of_weights_is_for_new_connections_and_closes_none(world):
    wait_until(lambda: world.answer() in ("one", "two"), "the service to answer", 20, [])
    before = world.stats("listener_manager.listener_modified", of=WEB)
    with world.dial() as kept:
        first = line(kept)
        other = {"one": "two", "two": "one"}[first]
        world.edit("name: one}}, weight: 80", f"name: one}}}}, weight: {100 * (other == 'one')}")
        world.edit("name: two}}, weight: 20", f"name: two}}}}, weight: {100 * (other == 'two')}")
        wait_until(lambda: world.answers(10) == {other: 10}, "new connections to follow the weights", 20, [])
        assert world.stats("listener_manager.listener_modified", of=WEB) == before
        kept.sendall(b"still there\n")
        assert line(kept) == "STILL THERE"


def test_a_rule_that_is_gone_refuses_new_connections_and_ends_open_ones_within_the_drain_time(world):
    wait_until(lambda: world.answer() in ("one", "two"), "the service to answer", 20, [])
    with world.dial() as kept:
        assert line(kept) in ("one", "two")
        world.edit("- {action: ALLOW, source: {virtualService: {ref: {name: web}}}, destination: "
                   "{virtualService: {ref: {name: db}}}}",
                   "- {action: ALLOW, source: {virtualService: {ref: {name: web}}}, destination: "
                   "{virtualService: {ref: {name: hidden}}}}")  # fmt: skip
        wait_until(lambda: world.answer() == "", "new connections to be refused", 20, [])
        assert fixed.read_until_closed(kept) == b""  # it ends, well before the timeout of this socket
