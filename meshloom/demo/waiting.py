"""Waiting for a condition of the real world, with a deadline and a reason when it does not come.

Law: nothing waits for time to pass; everything waits for something to be so.
"""

import time
from collections.abc import Callable, Iterable

from meshloom.demo.processes import Process

INTERVAL_S = 0.02


class NotReadyError(Exception):
    """Something that was waited for did not come; the text says what, and what the process in question said last."""


def wait_until(
    condition: Callable[[], object], what: str, within: float = 15.0, alive: Iterable[Process] = ()
) -> float:
    """Wait until the condition holds; return the seconds it took.

    `what` completes "waited in vain for ...". Raises `NotReadyError` at the deadline (in seconds), or as soon as one
    of the processes that must be alive has ended.
    """
    start, processes = time.monotonic(), tuple(alive)
    while not condition():
        for process in processes:
            if not process.is_running():
                raise NotReadyError(_told(f"{process.name} ended while waiting for {what}", process))
        if time.monotonic() - start > within:
            raise NotReadyError(_told(f"waited {within:g} s in vain for {what}", *processes))
        time.sleep(INTERVAL_S)
    return time.monotonic() - start


def _told(fault: str, *processes: Process) -> str:
    words = (f"--- the last lines of {process.program.log}\n{process.last_words()}" for process in processes)
    return "\n".join((fault, *words))
