"""The world on the node, once a session."""

from collections.abc import Iterator

import pytest

from tests.node import world


@pytest.fixture(scope="session")
def shop() -> Iterator[None]:
    """Have the control plane and the shop on the node."""
    if reason := world.missing():
        pytest.skip(reason)
    with world.running():
        yield
