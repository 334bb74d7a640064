"""How long it takes from resources to bytes: 1,000 services of two deployments each, fresh and after one change.

Law: processor time of one thread, the best of a few runs; each change starts from the result of the one before, as
the control plane does.
"""

from collections.abc import Callable, Iterator

from bench import large, rows
from mesh import inventory, resolve
from meshloom import memory
from translator import compile as compiler

SERVICES = 1_000
FULL_SECONDS, CHANGE_MS = 5.0, 50.0
"""The most that each may take."""


class Control:
    """The state that a control plane carries from change to change."""

    def __init__(self, seen: inventory.Inventory) -> None:
        self.seen = seen
        self.asked = frozenset(large.sidecars(seen))
        self.resolution: resolve.Resolution | None = None
        self.compilation: compiler.Compilation | None = None

    def settle(self) -> None:
        """Bring everything up to date with what is seen."""
        self.resolution = resolve.resolve(self.seen, self.resolution)
        self.compilation = compiler.compiled(self.resolution.graph, self.asked, self.compilation)


def measured(destinations: int) -> Iterator[rows.Row]:
    """Yield the rows of a mesh in which each service may call so many others."""
    seen = large.mesh(SERVICES, destinations)
    case = "all to all" if destinations >= SERVICES else f"{destinations} destinations each"
    full = min(rows.cpu_seconds(Control(seen).settle) for _ in range(2))
    yield rows.row(f"resolve and compile {SERVICES:,} services, 2,000 sidecars, {case}", full, "s", FULL_SECONDS)
    control = Control(seen)
    control.settle()
    changes = min(rows.cpu_seconds(lambda step=step: _change(control, step)) for step in range(10))
    yield rows.row(f"... one weight changes, {case}", changes * 1_000, "ms", CHANGE_MS)


def _change(control: Control, step: int) -> None:
    control.seen = control.seen.with_changes([large.weights(SERVICES // 2, 80 - step)])
    control.settle()


def measure(say: Callable[[str], None]) -> Iterator[rows.Row]:
    """Yield all rows; the garbage collector is tuned as in the control plane."""
    memory.prepare()
    for destinations in (10, SERVICES):
        say(f"{SERVICES:,} services, {destinations:,} destinations each")
        yield from measured(destinations)
