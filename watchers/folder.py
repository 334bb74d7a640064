"""The files of a folder on disk: which there are, whether they changed, and their text.

Law: what the disk refuses is a value, never an exception; hidden files and an editor's droppings are not files.
"""

import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from watchers.yaml_documents import Flaw

SUFFIXES = (".yaml", ".yml", ".json")

Signature = tuple[int, int, int, int, int]
"""Device, inode, time of the last write and of the last change of any kind (ns), size (bytes)."""

COARSE_CLOCK = 100_000_000
"""Nanoseconds: two writes within one tick of the file system's clock may carry the same times."""
_REMEDIES: Mapping[int | None, str] = {
    errno.EACCES: "let the user that meshloom runs as read it",
    errno.EPERM: "let the user that meshloom runs as read it",
    errno.ENOENT: "create what it links to, or remove the link",
    errno.ELOOP: "mend the link: it leads in a circle",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file: its label for people, its path, its signature; None where it cannot be trusted to show a change."""

    label: str
    path: str
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The files below a root, sorted by label, and by label the folders that could not be listed and why."""

    files: tuple[File, ...] = ()
    hidden: Mapping[str, Flaw] = field(default_factory=dict)

    def hides(self, label: str) -> bool:
        """Return whether a file may be there all the same: its folder, or one above it, could not be listed."""
        return any(above in {label, ""} or label.startswith(f"{above}/") for above in self.hidden)


def listing(root: str, label: str = "") -> Listing:
    """Return the files at or below a root; labels begin with the root's own, and are relative to it where it has none.

    Files are what ends in .yaml, .yml or .json, and a root that is no folder, whatever its name. Links are followed,
    each folder is visited once.
    """
    try:
        found = os.stat(root)
    except OSError as error:
        return Listing(hidden={label: _unlisted(error)})
    if not stat.S_ISDIR(found.st_mode):
        return Listing((_file(root, label or os.path.basename(root), found),))
    return _below(root, label)


def text(path: str, largest: int) -> str | Flaw:
    """Return the text of a file of at most `largest` bytes of UTF-8, or why there is none."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Flaw(0, "is not a file with content", "put the text into an ordinary file")
        with open(path, "rb") as file:
            return decoded(file.read(largest + 1), largest)
    except OSError as error:
        return _refused(error)


def decoded(content: bytes, largest: int) -> str | Flaw:
    """Return the text that at most `largest` bytes are in UTF-8, or what is wrong with them."""
    if len(content) > largest:
        return Flaw(0, f"is larger than {largest:,} bytes", "split it, or raise the limit in the settings")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Flaw(line, f"byte 0x{content[error.start]:02x} is not UTF-8 text", "save the file as UTF-8")


def _below(root: str, label: str) -> Listing:
    files: list[File] = []
    hidden: dict[str, Flaw] = {}
    visited: set[tuple[int, int]] = set()
    waiting = [(root, label)]
    while waiting:
        path, name = waiting.pop()
        try:
            inside = tuple(_entries(path, name, visited))
        except OSError as error:
            hidden[name] = _unlisted(error)
            continue
        files.extend(entry for entry in inside if isinstance(entry, File))
        waiting.extend(reversed([entry for entry in inside if not isinstance(entry, File)]))
    return Listing(tuple(sorted(files, key=lambda file: file.label)), hidden)


def _entries(path: str, label: str, visited: set[tuple[int, int]]) -> Iterator[File | tuple[str, str]]:
    """Yield the files of a folder, and path and label of its folders; nothing if it was visited before."""
    here = os.stat(path)
    if (here.st_dev, here.st_ino) in visited:
        return
    visited.add((here.st_dev, here.st_ino))
    for name in sorted(os.listdir(path)):
        inner, inner_label = os.path.join(path, name), os.path.normpath(os.path.join(label, name))
        found = None if name.startswith(".") else _status(inner)
        if isinstance(found, os.stat_result) and stat.S_ISDIR(found.st_mode):
            yield inner, inner_label
        elif not name.startswith(".") and name.endswith(SUFFIXES):
            yield _file(inner, inner_label, found)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _file(path: str, label: str, found: os.stat_result | None) -> File:
    if found is None or abs(time.time_ns() - found.st_ctime_ns) < COARSE_CLOCK:
        return File(label, path, None)
    return File(label, path, (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size))


def _unlisted(error: OSError) -> Flaw:
    if error.errno == errno.ENOENT:
        return Flaw(0, "does not exist", "create it, or name another file or folder")
    return _refused(error)


def _refused(error: OSError) -> Flaw:
    reason = (error.strerror or str(error)).lower()
    return Flaw(0, f"cannot be read: {reason}", _REMEDIES.get(error.errno, "make it readable"))
