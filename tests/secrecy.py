"""No private key and no token in anything that the suite shows or writes for people: output, logs, exceptions, goldens.

Every test is looked at when it is over, and at the end of a run the files that programs have written. What may hold a
secret is known by its place: a state folder, files of keys and tokens, and what begins with `secret-`, in which tests
write Secrets as people do.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SECRETS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*(\\n)?[A-Za-z0-9+/]{16}"),
    "a private key in base64": re.compile(rb"LS0tLS1CRUdJTi(BQUklWQVRFIEtFWS|BFQyBQUklWQVRFIEtF|BSU0EgUFJJVkFURSBL)"),
    "a token": re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}"),
}
"""What a secret looks like, in the forms in which it could slip out."""

WRITTEN = (".log", ".json", ".yaml", ".txt", ".out", ".html")
"""Files that people read, or pass on."""


def found(text: bytes) -> list[str]:
    """Return what secrets a text holds, in words."""
    return [what for what, pattern in SECRETS.items() if pattern.search(text)]


def shown(report: pytest.TestReport) -> list[str]:
    """Return what secrets a test has shown: what it printed and logged, and the exception it ended with."""
    parts = (report.longreprtext, *(text for _, text in report.sections))
    return found("\n".join(parts).encode(errors="replace"))


def files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that must not hold secrets."""
    for path in sorted(folder.rglob("*")):
        is_written = path.suffix in WRITTEN and not any(map(_is_state, path.parts))
        if is_written and path.is_file() and not path.is_symlink():  # a link may lead to what nobody can read
            yield path


def _is_state(part: str) -> bool:
    return part in ("state", "authority.json") or part.endswith(".state") or part.startswith("secret-")


def in_files(folder: Path) -> dict[str, list[str]]:
    """Return what secrets the files below a folder hold, by their names."""
    held = ((path, found(path.read_bytes())) for path in files(folder))
    return {str(path.relative_to(folder)): secrets for path, secrets in held if secrets}
