"""How the program uses Python's garbage collector and interpreter lock.

Law: what is tuned here is measured in `tests/meshloom/test_loop_lag.py`; nothing else touches either.
"""

import sys

SWITCH_SECONDS = 0.001
"""How long the worker thread may hold the interpreter while the event loop waits for it; Python's default is 0.005."""

YOUNG_OBJECTS = 50_000


def prepare() -> None:
    """Tune the process for a large, long-lived graph beside an event loop that must never wait long."""
    sys.setswitchinterval(SWITCH_SECONDS)
