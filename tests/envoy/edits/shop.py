"""The demo mesh on real processes, ready to be edited state by state.

Law: an edit is one file replaced at once; whether a proxy has it is asked of the proxy, by a request.
"""

import contextlib
import dataclasses
from collections.abc import Iterator

from meshloom.demo import application, cast, stage
from meshloom.demo import programs as demo_programs
from meshloom.demo.waiting import NotReadyError, wait_until
from tests.envoy import worlds
from tests.envoy.edits import meshes, visits

PATIENCE_S = 30
SETTINGS = """
observing: {settle_seconds: 0.01, at_most_seconds: 0.05}
traffic: {retries: false, outlier_detection: false}
"""
"""Edits are taken up at once, so that several are on their way at a time. Nothing is tried twice: a push in the wrong
order shows as a request that failed.
"""

COUNTERS = "no_cluster|no_route|none_healthy|cx_connect_fail|reject|rq_rx_reset|warming"
"""What Envoy counts when it cannot serve a request."""


@contextlib.contextmanager
def applications(world: worlds.World) -> Iterator[None]:
    """Serve every deployment that edits may bring, in threads: behind its sidecar, or in place of it."""
    servers = [
        application.Server(
            (world.block.address(last + cast.APPLICATION_OFFSET * (name in meshes.WITH_SIDECAR)), meshes.PORT),
            application.Role(name.rpartition("-v")[0] or name, name),
        )
        for name, last in meshes.LASTS.items()
    ]
    with worlds.serving(servers):
        yield


class Shop:
    """The mesh at work, and the history of its edits."""

    def __init__(self, world: worlds.World) -> None:
        self.world = world
        self.history = visits.History(meshes.START)

    def open(self) -> None:
        """Start the control plane and the proxies of the mesh as it is shipped."""
        world = self.world
        world.write("mesh.yaml", meshes.text(meshes.START))
        settings = world.site.folder / "settings.yaml"
        settings.write_text(SETTINGS)
        program = demo_programs.control_plane(world.site)
        eager = dataclasses.replace(program, argv=(*program.argv, "--settings", str(settings)))
        world.control_plane = world.processes.start(eager)
        wait_until(lambda: stage.is_open(world.site.control_plane), "the control plane", PATIENCE_S, world.processes)
        players = world.cast()
        sidecars = [pair for pair in players.pairs if pair.deployment.name in meshes.WITH_SIDECAR]
        stage.started_proxies(world.site, world.processes, players.gates, sidecars)
        self.wait()

    def edit(self, state: meshes.State, words: str, ticks: bool) -> None:
        """Write a state. With a tick of its own it reaches every proxy, and those that have it can be told."""
        tick = self.history.newest + 1 if ticks else self.history.states[-1].tick
        ticking = dataclasses.replace(state, tick=tick)
        self.history.begin(ticking, words)
        self.world.write("mesh.yaml", meshes.text(ticking))

    def wait(self) -> None:
        """Wait until every caller's proxy has the state that was written last, which must have ticked."""
        newest, left = self.history.newest, [*meshes.CALLERS]

        def is_everywhere() -> bool:
            left[:] = [caller for caller in left if not self._has(caller, newest)]
            return not left

        try:
            wait_until(is_everywhere, f"state {newest}", PATIENCE_S, self.world.processes)
        except NotReadyError as fault:
            fault.add_note("\n".join(f"{caller}: {self.evidence(caller)}" for caller in left))
            raise

    def _has(self, caller: str, number: int) -> bool:
        if caller == meshes.GATEWAY:
            host = self.history.states[number].hostnames[0]
            reply = self.world.visit(f"/{meshes.CLOCK}/{number}", host, meshes.GATEWAY_PORT)
        else:
            reply = self.world.call(f"http://{meshes.CLOCK}/{number}", by=meshes.CALLERS[caller])
        if reply.status == 200:
            self.history.confirm(caller, number)
        return reply.status == 200

    def addresses(self) -> dict[str, tuple[str, int]]:
        """Return where each caller sends its requests."""
        ports = {caller: meshes.GATEWAY_PORT if caller == meshes.GATEWAY else 15000 for caller in meshes.CALLERS}
        return {caller: (self.world.block.address(last), ports[caller]) for caller, last in meshes.CALLERS.items()}

    def evidence(self, caller: str) -> str:
        """Return which resources a caller's proxy holds, since when, and what it has counted."""
        last = meshes.CALLERS[caller]
        configs = self.world.admin("/config_dump", last).json()["configs"]
        held = [
            f"  {kind} {_named(item)}"
            for config in configs
            for kind, several in config.items()
            if kind.startswith("dynamic_")
            for item in several
        ]
        counted = self.world.admin(f"/stats?usedonly&filter={COUNTERS}", last).text
        return "\n".join((*held, counted))


def _named(item: dict) -> str:
    """Return the name, version and age of an item of a configuration dump; those of a listener lie deeper."""
    inner = item.get("active_state") or item.get("warming_state") or item
    name = item.get("name") or next((one["name"] for one in item.values() if isinstance(one, dict)), "?")
    return f"{name} {inner.get('version_info', '')} since {inner.get('last_updated', '')}"
