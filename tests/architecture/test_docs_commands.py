"""What the documents tell people to type works.

A block fenced as `sh` is run, in a copy of the tree, with .venv activated; those of a page one after the
other, as a reader would. A block fenced as `sh background` is started and left running until the page ends, and must
still run then. Blocks fenced as `sh compose` need an engine for containers and are run by tests/compose. Blocks fenced
as `console` or `text` show what is not run here.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests import pages

DEADLINE = 60
GRACE = 10
KINDS = (pages.PLAIN, pages.BACKGROUND)


def test_every_block_is_of_a_kind_that_is_run():
    fences = {(page, fence) for page in pages.PAGES for fence in pages.fences(page)}
    assert not {(page, fence) for page, fence in fences if fence not in (*KINDS, pages.COMPOSE)}


LONG = ("join", "certificates", "proxyless-grpc", "workloads-outside-the-cluster", "see-what-proxies-have")
"""Pages that take longest, which are run with `make test-load`."""

PAGES = [
    pytest.param(page, marks=[pytest.mark.load] if str(page).removesuffix(".md").endswith(LONG) else [], id=str(page))
    for page in pages.with_blocks(*KINDS)
]


@pytest.mark.slow
@pytest.mark.envoy
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.timeout(DEADLINE * 3)
def test_what_a_page_tells_people_to_type_works(page, tmp_path_factory):
    with contextlib.ExitStack() as running:
        copy = running.enter_context(pages.copied(tmp_path_factory.mktemp("copy")))
        environment = {**pages.environment(), "XDG_STATE_HOME": str(copy.with_suffix(".state"))}
        running.enter_context(pages.alone_on_this_machine())
        deadline = time.monotonic() + DEADLINE
        for number, block in enumerate(pages.blocks(page, *KINDS)):
            if block.kind == pages.BACKGROUND:
                running.enter_context(started(block.script, copy, environment, copy / f".{number}.log"))
            else:
                pages.finished(block.script, copy, environment, deadline)


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
