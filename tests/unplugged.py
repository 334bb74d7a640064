"""The pure packages with files, sockets, processes and clocks unplugged, in every test.

An audit hook sees each such call of the interpreter; one that comes straight from a pure module fails the test. What
no audit event tells (environment variables, reading a clock) these modules may not even import: the import contracts
in pyproject.toml say so.
"""

import functools
import sys
from types import FrameType

PURE = ("mesh", "translator", "xds.snapshot", "xds.stream", "xds.delta", "xds.responses", "xds.resource_types")
WATCHED = ("open", "os.", "socket.", "subprocess.", "shutil.", "time.", "tempfile.", "glob.")


class PluggedInError(AssertionError):
    """A pure module reached for the world outside."""


def unplug() -> None:
    """Refuse, from now on and in this process, what pure modules may not do."""
    sys.addaudithook(_refuse)


def _refuse(event: str, _: tuple[object, ...]) -> None:
    if event.startswith(WATCHED):
        caller = sys._getframe(1)
        if _is_pure(caller) and not _is_importing(caller):
            raise PluggedInError(f"{caller.f_globals['__name__']} called {event}")


def _is_pure(frame: FrameType) -> bool:
    return _is_pure_name(frame.f_globals.get("__name__", ""))


@functools.cache
def _is_pure_name(name: str) -> bool:
    return any(name == pure or name.startswith(f"{pure}.") for pure in PURE)


def _is_importing(frame: FrameType) -> bool:
    return frame.f_code.co_name == "<module>"
