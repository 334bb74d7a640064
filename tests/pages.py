"""The blocks of the documents that people are told to type, and how one is run as a reader would.

A block is fenced as `sh`, or `sh` and a word that says how it is to be run.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).parents[1]
PLAIN, BACKGROUND, COMPOSE = "sh", "sh background", "sh compose"
BLOCK = re.compile(r"^```(?P<kind>sh\b[^\n]*)\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "__pycache__", ".*_cache", ".hypothesis", "tests")
PAGES = tuple(
    page.relative_to(ROOT)
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "howto").glob("*.md")))
    if page.exists()
)


@dataclass(frozen=True, slots=True)
class Block:
    kind: str
    script: str


def fences(page: pathlib.Path) -> list[str]:
    """Return how the blocks of a page are fenced."""
    return [found["kind"] for found in BLOCK.finditer((ROOT / page).read_text())]


def blocks(page: pathlib.Path, *kinds: str) -> list[Block]:
    """Return the blocks of these kinds on a page."""
    found = BLOCK.finditer((ROOT / page).read_text())
    return [Block(each["kind"], each["script"]) for each in found if each["kind"] in kinds]


def with_blocks(*kinds: str) -> list[pathlib.Path]:
    """Return the pages that have blocks of these kinds."""
    return [page for page in PAGES if blocks(page, *kinds)]


@contextlib.contextmanager
def copied(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Copy the tree into a folder until the block ends."""
    copy = folder / "meshloom"
    shutil.copytree(ROOT, copy, ignore=ELSEWHERE)
    yield copy
    shutil.rmtree(copy)


def environment() -> dict[str, str]:
    """Return an environment in which a reader has activated .venv."""
    path = os.pathsep.join((str(pathlib.Path(sys.executable).parent), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "TERM": "dumb", "COLUMNS": "120"}


@contextlib.contextmanager
def alone_on_this_machine() -> Iterator[None]:
    """Wait for other runs of these tests: what pages tell people to type has fixed addresses."""
    with (pathlib.Path(tempfile.gettempdir()) / "meshloom-docs-commands.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def finished(script: str, folder: pathlib.Path, environment: Mapping[str, str], deadline: float) -> None:
    """Run a block to its end; it fails if a line of it fails or time is up."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    left = max(1.0, deadline - time.monotonic())
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=left)
    logs = "\n".join(path.read_text()[-3000:] for path in sorted(folder.glob(".*.log")))
    assert run.returncode == 0, f"{script}\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}\n--- running beside it\n{logs}"
