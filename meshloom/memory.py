"""How the program uses Python's garbage collector and interpreter lock.

Law: what is tuned here is measured by the test of the loop's lag; nothing else touches either.

A full collection visits every object with the interpreter locked: half a second for the graph and the configuration of
1,000 services, in whichever thread it happens to start, and again and again while they are built. It finds nothing
there, for graphs and messages hold no cycles. So full collections do not start by themselves; young objects, among
them most cycles of the event loop, are collected as ever. What is left are streams that lived long and have ended:
once there are many, the worker thread sweeps after a pass.
"""

import gc
import sys

SWITCH_SECONDS = 0.001
"""How long the worker thread may keep the interpreter while the event loop waits for it; Python's default is 0.005."""

ENDED_STREAMS = 1_000
"""So many streams that have ended are worth a sweep; each leaves about a hundred objects and a snapshot."""

_YOUNG, _MIDDLE = 16_000, 1
"""So many young objects, and so many collections of them: one of young objects goes through the mappings of the newest
pass, which takes milliseconds however few objects there are; the next larger one costs what it holds.
"""

_NEVER = 1_000_000_000


def prepare() -> None:
    """Tune the process for a large, long-lived graph beside an event loop that must never wait long."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)


def sweep() -> None:
    """Collect everything that nobody refers to; the whole program stands still meanwhile."""
    gc.collect()
