"""Files of the state folder: for this user alone, whole or not there, and still there after the power fails.

Law: nobody ever reads half a file, and of two programs that make the same file at once one wins and both know.
"""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator

from meshloom import errors

PRIVATE, PUBLIC = 0o600, 0o644
_FOLDER = 0o700


def folder(path: pathlib.Path) -> pathlib.Path:
    """Return a folder, made for this user alone, as those above it, if it is not there. Raises errors.UserError."""
    with told(path):
        _made(path)
    return path


def _made(path: pathlib.Path) -> None:
    if not path.is_dir():
        _made(path.parent)
        path.mkdir(mode=_FOLDER, exist_ok=True)


def added(path: pathlib.Path, content: bytes, mode: int) -> bool:
    """Write a file that is not there yet; return whether it was not. Raises errors.UserError."""
    with told(path), _beside(path, content, mode) as written:
        try:
            os.link(written, path)
        except FileExistsError:
            return False
        _sync(path.parent)
        return True


def content(path: pathlib.Path, largest: int) -> bytes:
    """Return what a file holds, as far as it is not larger. Raises errors.UserError; a file that is not there raises
    FileNotFoundError.
    """
    try:
        with path.open("rb") as opened:
            found = opened.read(largest + 1)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise _unusable(path, fault) from None
    if len(found) > largest:
        raise errors.UserError(f"{path} is larger than {largest} bytes; it is no file of meshloom's")
    return found


@contextlib.contextmanager
def told(path: pathlib.Path) -> Iterator[None]:
    """Say faults of the system as errors.UserError that names the path."""
    try:
        yield
    except OSError as fault:
        raise _unusable(path, fault) from None


def _unusable(path: pathlib.Path, fault: OSError) -> errors.UserError:
    reason = os.strerror(fault.errno) if fault.errno else type(fault).__name__
    return errors.UserError(f"{path}: {reason}; give --state a folder that this user may write")


@contextlib.contextmanager
def _beside(path: pathlib.Path, content: bytes, mode: int) -> Iterator[str]:
    """Write a file under a name of its own in the same folder, which goes when the block ends."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")  # mode 0600 from the start
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fchmod(opened.fileno(), mode)
            os.fsync(opened.fileno())
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
