"""Where the state of an authority is kept: under a name, whole or not at all.

Law: what was written is there after a crash; of two who write at once one wins and the other learns of it; what cannot
be read is never taken for absent.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from meshloom.identity.authority.faults import AuthorityError

FILE, LOCK, UNFINISHED = "authority.json", ".lock", ".unfinished-"
LARGEST = 4 * 1024 * 1024
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class Stored:
    """A content and its version, which another content does not have. The content holds keys and is not printed."""

    content: bytes = field(repr=False)
    version: str


class Store(Protocol):
    """Keeps contents by name, as `shop.main`. Every method raises AuthorityError if the place cannot be used."""

    def where(self, name: str) -> str:
        """Return the place of a content, as messages say it."""
        ...

    def read(self, name: str) -> Stored | None:
        """Return what is there; None only if nothing is."""
        ...

    def create(self, name: str, content: bytes) -> str | None:
        """Write where nothing is and return the version; None if something is."""
        ...

    def replace(self, name: str, content: bytes, version: str) -> str | None:
        """Write in the place of this version and return the new one; None if it is not what is there."""
        ...


class FolderStore:
    """A folder of one's own for each name, with one file in it that nobody else may read."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def where(self, name: str) -> str:
        """Return the path of the file."""
        return str(self._file(name))

    def read(self, name: str) -> Stored | None:
        """Return what is there."""
        with self._told(name):
            return self._read(name)

    def create(self, name: str, content: bytes) -> str | None:
        """Write the file unless there is one."""
        with self._told(name):
            self._made(self._file(name).parent)
            with self._locked(name):
                return self._written(name, content) if self._read(name) is None else None

    def replace(self, name: str, content: bytes, version: str) -> str | None:
        """Write the file if it is of this version."""
        with self._told(name), self._locked(name):
            found = self._read(name)
            return self._written(name, content) if found and found.version == version else None

    def _file(self, name: str) -> pathlib.Path:
        return self._folder / name / FILE

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            where = fault.filename or self._file(name)
            raise AuthorityError(
                f"{where} cannot be used: {fault.strerror or type(fault).__name__}",
                "make it readable and writable for the user meshloom runs as, and see that there is room",
            ) from None

    def _made(self, folder: pathlib.Path) -> None:
        """Make a folder and those above it, each for its owner alone, so that they are there after a crash."""
        if not folder.is_dir():
            self._made(folder.parent)
            with contextlib.suppress(FileExistsError):
                folder.mkdir(PRIVATE_FOLDER)
            _kept(folder.parent)

    def _read(self, name: str) -> Stored | None:
        file = self._file(name)
        for folder in (self._folder, file.parent):
            if not folder.exists():
                return None
            _refuse_open(folder, folder.stat(), PRIVATE_FOLDER)
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as opened:
            _refuse_open(file, os.fstat(descriptor), PRIVATE_FILE)
            content = opened.read(LARGEST)
        return Stored(content, _version(content))

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        descriptor = os.open(self._folder / name / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _written(self, name: str, content: bytes) -> str:
        file = self._file(name)
        for left_by_a_crash in file.parent.glob(f"{UNFINISHED}*"):
            left_by_a_crash.unlink()
        descriptor, unfinished = tempfile.mkstemp(prefix=UNFINISHED, dir=file.parent)
        with open(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        os.replace(unfinished, file)
        _kept(file.parent)
        return _version(content)


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _kept(folder: pathlib.Path) -> None:
    """See that the entries of a folder are there after a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_open(path: pathlib.Path, found: os.stat_result, allowed: int) -> None:
    """Refuse what others than its owner may read or change, or what another user owns. Raises AuthorityError."""
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise AuthorityError(
            f"{path} is open to other users (mode {mode:04o}) and holds private keys",
            f"`chmod {allowed:04o} {path}`, and if others can have read it, begin with a new root",
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise AuthorityError(
            f"{path} belongs to another user (uid {found.st_uid}) than meshloom runs as (uid {os.geteuid()})",
            "run meshloom as that user, or change the owner",
        )
