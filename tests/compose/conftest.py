"""The project, brought up once for all tests that ask for it."""

import os
from collections.abc import Iterator

import pytest

from tests.compose import stack as stacks


@pytest.fixture(scope="session")
def compose() -> str:
    """Return the command by which compose is called, or skip the test with the reason."""
    if not os.environ.get(stacks.COMPOSE):
        pytest.skip(f"{stacks.COMPOSE} does not name a compose command with an engine behind; `make test-compose` does")
    return os.environ[stacks.COMPOSE]


@pytest.fixture(scope="session")
def stack(compose: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stacks.Stack]:
    """Return the project, up and waited for. A test that changes something changes it back."""
    with stacks.running(compose, tmp_path_factory.mktemp("mesh")) as up:
        yield up


@pytest.fixture
def written(stack: stacks.Stack) -> Iterator[None]:
    """Put the mesh back as it was written after a test that edits it, and wait until traffic is back."""
    before = stack.mesh.read_text()
    yield
    stack.mesh.write_text(before)
    stack.until_split(stacks.WRITTEN)
