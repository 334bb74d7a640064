"""Real processes: started into a log file, stopped together, and none left behind.

Law: whoever starts a process stops it; a process ends with the thread that started it, whatever ends that thread.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TETHER = Path(__file__).with_name("tether.py")
GRACE_S = 5.0
LAST_LINES = 12


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be run. `argv[0]` is an absolute path; `log` gets both outputs; `env` is added to ours."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Process:
    """A program that was started, in a process group of its own."""

    program: Program
    popen: subprocess.Popen[bytes]

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def ended_within(self, seconds: float) -> bool:
        """Wait that long at most; return whether it ended."""
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_words(self) -> str:
        """Return the last lines of its log."""
        lines = self.program.log.read_text(errors="replace").splitlines() if self.program.log.exists() else []
        return "\n".join(lines[-LAST_LINES:])


def started(program: Program) -> Process:
    """Start a program. Its log is appended to, so that a restart keeps what was said before."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    argv = (sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *program.argv)
    with program.log.open("ab") as log:
        popen = subprocess.Popen(  # its own group: a Ctrl-C in the terminal reaches us alone, and we stop it
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | program.env, process_group=0
        )
    return Process(program, popen)


class Processes:
    """Processes that are stopped together when the block ends: `with Processes() as processes: ...`.

    Those that do not end within `grace` seconds when asked to are killed.
    """

    __slots__ = ("_grace", "_running")

    def __init__(self, grace: float = GRACE_S) -> None:
        self._grace = grace
        self._running: list[Process] = []

    def __iter__(self) -> Iterator[Process]:
        return iter(tuple(self._running))

    def start(self, program: Program) -> Process:
        """Start a program; it is stopped at the latest when the block ends."""
        process = started(program)
        self._running.append(process)
        return process

    def kill(self, process: Process) -> None:
        """End one of them at once, as a crash would."""
        process.kill()
        self._running.remove(process)

    def stop(self) -> None:
        """Ask all to end, and end those that do not; return when none is left."""
        for process in self._running:
            process.signal(signal.SIGTERM)
        for process in self._running:
            if not process.ended_within(self._grace):
                process.kill()
        self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
