"""`meshloom serve`: the control plane, until it is told to stop.

Law: what cannot work is refused before anything starts.
"""

import asyncio
import os
import pathlib
import signal
from dataclasses import dataclass

from meshloom import addresses, app, choices, errors, logs
from meshloom import settings as settings_model
from meshloom.commands import capture


@dataclass(frozen=True, slots=True)
class Doors:
    """Where to serve health and the operator API, None: as the settings say."""

    health: str | None = None
    operator: str | None = None


def run(
    files: pathlib.Path, ads: str, doors: Doors, settings: pathlib.Path | None, lines: choices.Lines, *, debug: bool
) -> None:
    """Serve until SIGTERM or SIGINT. Raises errors.UserError."""
    if not files.exists():
        raise errors.UserError(f"--files: {files} does not exist; name the folder that holds the YAML of the mesh")
    address = capture.address("--ads-plaintext", ads)
    if not addresses.is_private(address):
        raise errors.UserError(
            f"--ads-plaintext: {address} can be reached from other machines, and whoever reaches ADS in clear gets the "
            "configuration of any proxy; give unix:/path or a loopback address as 127.0.0.1:18000"
        )
    chosen = _with_doors(settings_model.loaded(settings), doors)
    logs.configure(lines, debug)
    asyncio.run(_until_stopped(app.Program(files, address, chosen)))


def _with_doors(settings: settings_model.Settings, doors: Doors) -> settings_model.Settings:
    """Return the settings with what the command line says in their place. Raises errors.UserError."""
    if doors.health is not None and doors.health != settings_model.OFF:
        capture.address("--health", doors.health)
    said = {"health": doors.health, "socket": doors.operator}
    operating = settings.operating.model_copy(update={key: text for key, text in said.items() if text is not None})
    return settings.model_copy(update={"operating": operating})


async def _until_stopped(program: app.Program) -> None:
    """Run the program; the first signal stops it gracefully, the second at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def stopped(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    await program.run(stop)
