"""How long it takes from an EndpointSlice that changed to the snapshots of the proxies that it concerns.

Law: the same proxies, callers of the same services, in a mesh of ten services and in one of a thousand: what there is
beside them costs nothing. Processor time, the middle of many changes; each starts from the one before.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator

from bench import large, rows
from mesh import inventory, resolve
from mesh.resources import Resource
from meshloom import memory, passes

FEW, MANY = 10, 1_000
DESTINATIONS, PROXIES, CHANGES = 9, 20, 60
NUMBER = 3
"""The service whose endpoints change."""


class Control:
    """The state that a control plane carries from pass to pass."""

    def __init__(self, seen: inventory.Inventory) -> None:
        self._seen = seen
        self._wanted = frozenset(large.proxy(number, FEW) for number in range(PROXIES))
        self._settings = resolve.Settings()
        self._last = passes.passed(passes.Task(seen, None, self._wanted), None, {}, self._settings)

    def change(self, *changed: Resource) -> None:
        """Take in objects, as a pass of the pipeline does. Raises AssertionError if no proxy is concerned."""
        self._seen = self._seen.with_changes(changed)
        task = passes.Task(self._seen, frozenset(one.ref for one in changed), self._wanted)
        self._last = passes.passed(task, self._last, self._last.snapshots, self._settings)
        assert self._last.published


def milliseconds(services: int, destinations: int) -> float:
    """Return what one endpoint that changes costs in a mesh of so many services."""
    seen = large.mesh(services, destinations).with_changes(large.bound(services))
    control = Control(seen)
    changes = [large.endpoints(NUMBER, 100 + step) for step in range(CHANGES)]
    gc.collect()
    return 1_000 * statistics.median(_seconds(control, one) for one in changes)


def _seconds(control: Control, change: Resource) -> float:
    """Return the processor time of a change; with the collection of garbage that it gives rise to."""
    start = time.process_time()
    control.change(change)
    return time.process_time() - start


def measure(say: Callable[[str], None]) -> Iterator[rows.Row]:
    """Yield what an endpoint costs among many services, beside what it costs among few."""
    memory.prepare()
    say("endpoints")
    name = "one endpoint changes: resolve, compile, snapshots"
    few = milliseconds(FEW, DESTINATIONS)
    yield rows.row(
        f"{name}, {MANY:,} services of which callers reach {DESTINATIONS}", milliseconds(MANY, DESTINATIONS), "ms", few
    )
    everybody = milliseconds(FEW, FEW)
    yield rows.row(f"... of which callers reach all, beside {FEW}", milliseconds(MANY, MANY), "ms", everybody)
