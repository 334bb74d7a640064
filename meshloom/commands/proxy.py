"""`meshloom proxy`: the proxy of a pod, as the variables of its environment say.

Law: what it takes to make the bootstrap does not stay in memory: the process becomes one that starts Envoy and needs
little. Nothing secret is written: token and root are named by the paths of their files.
"""

import os
import pathlib
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Final, NoReturn

import typer

from meshloom import errors
from meshloom.capture import tables
from meshloom.container import admin, surroundings
from meshloom.identity import claim

NOT_READY: Final = 1
_LOOK_SECONDS = 0.2
_PRIVATE = 0o600


def run(folders: surroundings.Folders) -> NoReturn:
    """Write what Envoy starts with, and become the process that starts it. Raises errors.UserError."""
    envoy = shutil.which("envoy")
    if envoy is None:
        raise errors.UserError("envoy is not found on the path; the image of proxies has it")
    made = surroundings.files(os.environ, folders, envoy, is_ipv4_only=not tables.has_ipv6())
    _write(pathlib.Path(folders.run), made)
    command = (sys.executable, "-m", "meshloom.container.supervisor", folders.run)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def wait(seconds: float) -> int:
    """Wait until the proxy of this pod is ready; return the exit code, 1 if it is not in that time."""
    until = time.monotonic() + seconds
    while not admin.is_ready(("127.0.0.1", claim.HEALTH_PORT), "/health"):
        if time.monotonic() > until:
            typer.echo(f"the proxy is not ready after {seconds:g} s", err=True)
            return NOT_READY
        time.sleep(_LOOK_SECONDS)
    return 0


def _write(folder: pathlib.Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).touch(_PRIVATE)
            (folder / name).write_text(text)
    except OSError as fault:
        raise errors.UserError(f"{folder} cannot be written: {fault.strerror}; mount a volume there") from None
