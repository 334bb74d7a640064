"""What the commands that ask a running control plane share: exit codes, and cells of their tables.

Law: text that came from a proxy reaches a terminal only as plain text.
"""

import datetime
import re
from collections.abc import Iterable
from typing import Final

import rich.console
import rich.text

from meshloom import errors, plain

SYNCED, REJECTED, PENDING = 0, 1, 3
"""Exit codes: nothing is left to be done; a proxy refused something; something is on its way or held back."""

WIDTH: Final = 160
"""Columns where the output is no terminal."""

COLORS: Final = {
    "synced": "green", "pending": "yellow", "rejected": "red", "missing": "yellow", "extra": "yellow", "unused": "dim",
}  # fmt: skip
_WORDS_SHOWN: Final = 300
_NAME = re.compile(r"[^/]+(/[^/]+)+")


def exit_code(states: Iterable[str]) -> int:
    """Return the exit code for these states."""
    found = frozenset(states)
    if "rejected" in found:
        return REJECTED
    return PENDING if found - {"synced", "unused"} else SYNCED


def name(text: str) -> str:
    """Return the name of a proxy: `namespace/name`, or a node id. Raises errors.UserError."""
    if not _NAME.fullmatch(text):
        raise errors.UserError(f"{text!r} is not a proxy; write NAMESPACE/NAME as shop/pets-v1, or a node id")
    return text


def state(text: str) -> rich.text.Text:
    """Return the cell of a state."""
    return rich.text.Text(text, style=COLORS.get(text, ""))


def cell(text: str, most: int = _WORDS_SHOWN) -> rich.text.Text:
    """Return a cell with text as it is, without markup."""
    return rich.text.Text(plain.printable(text, most))


def ago(since: datetime.datetime | None, now: datetime.datetime) -> str:
    """Return how long something has been so, as `5s`, `3m`, `2h` or `4d`; empty for never."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def console() -> rich.console.Console:
    """Return the console of standard output, wide where it is no terminal."""
    found = rich.console.Console()
    return found if found.is_terminal else rich.console.Console(width=WIDTH)
