"""Run a program that ends when its parent does, even when the parent is ended by kill -9.

Law: standard library alone and no import of ours: it is started as a file, once for every process of the demo.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def run(parent: int, argv: list[str]) -> None:
    """Tie this process to its parent, then become the program `argv`."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the tie was made
        sys.exit(1)
    os.execv(argv[0], argv)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2:])
