"""What the documents tell people to type works.

A block fenced as `sh` is run, in a copy of the tree, with .venv activated; those of a page one after the
other, as a reader would. A block fenced as `sh background` is started and left running until the page ends, and must
still run then. Blocks fenced as `console` or `text` show what is not run here.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DEADLINE = 60
GRACE = 10
BLOCK = re.compile(r"^```sh(?P<background> background)?\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "__pycache__", ".*_cache", ".hypothesis", "tests")


@dataclass(frozen=True, slots=True)
class Block:
    script: str
    background: bool


def blocks(page: pathlib.Path) -> list[Block]:
    return [Block(found["script"], bool(found["background"])) for found in BLOCK.finditer(page.read_text())]


PAGES = [
    page.relative_to(ROOT)
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "howto").glob("*.md")))
    if page.exists() and blocks(page)
]


@pytest.fixture
def copy(tmp_path_factory) -> Iterator[pathlib.Path]:
    folder = tmp_path_factory.mktemp("copy") / "meshloom"
    shutil.copytree(ROOT, folder, ignore=ELSEWHERE)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which a reader has activated .venv."""
    path = os.pathsep.join((str(pathlib.Path(sys.executable).parent), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "TERM": "dumb", "COLUMNS": "120"}


@pytest.mark.slow
@pytest.mark.envoy
@pytest.mark.parametrize("page", PAGES, ids=str)
@pytest.mark.timeout(DEADLINE * 3)
def test_what_a_page_tells_people_to_type_works(page, copy, environment):
    with contextlib.ExitStack() as running:
        running.enter_context(alone_on_this_machine())
        deadline = time.monotonic() + DEADLINE
        for number, block in enumerate(blocks(ROOT / page)):
            if block.background:
                running.enter_context(started(block.script, copy, environment, copy / f".{number}.log"))
            else:
                finished(block.script, copy, environment, deadline)


@contextlib.contextmanager
def alone_on_this_machine() -> Iterator[None]:
    """Wait for other runs of these tests: what pages tell people to type has fixed addresses."""
    with (pathlib.Path(tempfile.gettempdir()) / "meshloom-docs-commands.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def finished(script: str, folder: pathlib.Path, environment: dict[str, str], deadline: float) -> None:
    """Run a block to its end; it fails if a line of it fails or time is up."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    left = max(1.0, deadline - time.monotonic())
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=left)
    logs = "\n".join(path.read_text()[-3000:] for path in sorted(folder.glob(".*.log")))
    assert run.returncode == 0, f"{script}\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}\n--- running beside it\n{logs}"


@contextlib.contextmanager
def started(script: str, folder: pathlib.Path, environment: dict[str, str], log: pathlib.Path) -> Iterator[None]:
    """Run a block beside what follows it; it is to run until it is interrupted, and to end by that."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield
            assert process.poll() is None, f"{script}\nended by itself:\n{log.read_text()[-4000:]}"
        finally:
            ended(process)


def ended(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            return
