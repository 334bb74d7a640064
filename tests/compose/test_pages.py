"""What the documents tell people to type about containers works: the blocks fenced as `sh compose`, page by page."""

import contextlib
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping

import pytest

from tests import pages
from tests.compose import stack as stacks

DEADLINE = 300


@pytest.mark.slow
@pytest.mark.envoy
@pytest.mark.parametrize("page", pages.with_blocks(pages.COMPOSE), ids=str)
@pytest.mark.timeout(DEADLINE * 3)
def test_what_a_page_tells_people_to_type_works(compose, page, tmp_path_factory):
    environment = {**pages.environment(), "COMPOSE_PROJECT_NAME": "meshloom-pages"}
    with (
        pages.copied(tmp_path_factory.mktemp("copy")) as copy,
        pages.alone_on_this_machine(),
        taken_down(compose, environment),
    ):
        deadline = time.monotonic() + DEADLINE
        for block in pages.blocks(page, pages.COMPOSE):
            pages.finished(block.script, copy, environment, deadline)


@contextlib.contextmanager
def taken_down(compose: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Take down at the end what the page has left up."""
    try:
        yield
    finally:
        down = (*shlex.split(compose), "down", "--volumes", "--timeout", "2")
        subprocess.run(down, cwd=stacks.ROOT, env=environment, check=True, capture_output=True, timeout=100)
