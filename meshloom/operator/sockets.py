"""Where the operator API is, for the server and for who asks it.

Law: only a place that nobody else can write to is taken by default; a place that was named is taken as it is.
"""

import os
import pathlib
import stat

from meshloom import addresses, errors
from meshloom import settings as settings_model

OPTION = "--operator-socket"


def address(named: str) -> addresses.Pipe | None:
    """Return the socket that a setting names: `unix:/path`, a path, empty for the default, None for `off`.

    Raises errors.UserError where it cannot be, or where somebody else could have put another one in its place.
    """
    if named == settings_model.OFF:
        return None
    if named:
        return _named(named)
    folder = default_folder()
    _check(folder)
    return addresses.Pipe(str(folder / "operator.sock"))


def prepared(named: str) -> addresses.Pipe | None:
    """Return the same for who serves there; the default folder is made if it is not there. Raises errors.UserError.

    It is made first and looked at then: nobody can slip in between, or take away what is ours.
    """
    if not named:
        folder = default_folder()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as fault:
            raise errors.UserError(
                f"{OPTION}: {folder} cannot be made: {fault.strerror}; name a socket elsewhere, or off"
            ) from None
    return address(named)


def default_folder() -> pathlib.Path:
    """Return the folder of the user's own runtime files."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and os.path.isdir(runtime):
        return pathlib.Path(runtime) / "meshloom"
    return pathlib.Path(f"/tmp/meshloom-{os.geteuid()}")  # noqa: S108 - it is checked that it is ours


def _named(text: str) -> addresses.Pipe:
    path = os.path.abspath(text.removeprefix("unix:"))
    try:
        found = addresses.parsed(f"unix:{path}")
    except ValueError as fault:
        raise errors.UserError(f"{OPTION}: {fault}") from None
    if not isinstance(found, addresses.Pipe):
        raise errors.UserError(f"{OPTION}: {text!r} is not a path")
    return found


def _check(folder: pathlib.Path) -> None:
    """Refuse a folder that is not ours alone; one that is not there yet is fine."""
    try:
        there = os.lstat(folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.geteuid() or there.st_mode & 0o077:
        raise errors.UserError(
            f"{OPTION}: {folder} is not a folder that only this user can open; remove it, or name another socket"
        )
