"""The process that stays in the container of a proxy: it starts Envoy, drains it when told to end, and ends as it ends.

Law: it needs little more memory than Python itself, so nothing but the standard library; whoever is told to end twice
ends at once.
"""

import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from meshloom.container import answering, draining, orders

STOPS = (signal.SIGTERM, signal.SIGINT)
ENDS_SECONDS = 5.0
"""How long Envoy may take to end when it is told to."""

Events = queue.SimpleQueue[int | None]
"""Signals as they come; None when Envoy has ended."""
Envoy = subprocess.Popen[bytes]


def main(arguments: Sequence[str]) -> int:
    """Run Envoy as the file of orders in this folder says; return its exit code."""
    (folder,) = arguments
    return run(orders.read(pathlib.Path(folder, orders.FILE).read_text()))


def run(ordered: orders.Orders) -> int:
    """Run Envoy until it ends; return its exit code, as a shell would tell it."""
    events: Events = queue.SimpleQueue()
    for number in STOPS:
        signal.signal(number, lambda came, _frame: events.put(came))
    with answering.served(ordered):
        envoy = subprocess.Popen(ordered.argv, stdin=subprocess.DEVNULL)
        _in_thread(_tell_the_end, envoy, events)
        if events.get() is not None:
            _in_thread(_drain_and_end, envoy, ordered)
            if events.get() is not None:
                _end(envoy)
        return exit_code(envoy.wait())


def _tell_the_end(envoy: Envoy, events: Events) -> None:
    envoy.wait()
    events.put(None)


def _drain_and_end(envoy: Envoy, ordered: orders.Orders) -> None:
    draining.drain(ordered.admin, ordered.drain_seconds, os.getuid(), are_strangers=ordered.are_strangers)
    _end(envoy)


def _end(envoy: Envoy) -> None:
    envoy.terminate()
    try:
        envoy.wait(ENDS_SECONDS)
    except subprocess.TimeoutExpired:
        envoy.kill()


def _in_thread(act: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=act, args=arguments, name=act.__name__, daemon=True).start()


def exit_code(returned: int) -> int:
    """Return an exit code; that of a process which a signal has ended is 128 and the number of that."""
    return returned if returned >= 0 else 128 - returned


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
