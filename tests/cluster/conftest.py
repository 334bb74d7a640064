"""A real API server for the whole session, and a namespace for each test."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from tests.cluster import servers
from tests.meshloom import running
from watchers import api_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Cluster]:
    """Yield a cluster without nodes, shared by the session, with the kinds of the mesh."""
    if reason := servers.missing():
        pytest.skip(reason)
    with servers.with_kinds(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
async def api(cluster: servers.Cluster) -> AsyncIterator[api_server.ApiServer]:
    """Yield the API server, asked as the administrator."""
    async with api_server.connected(cluster.access) as connected:
        yield connected


@pytest.fixture
def log() -> Iterator[running.Log]:
    """Yield what the program logs during a test."""
    made, before = running.Log(), structlog.get_config()
    structlog.configure(processors=[made])
    yield made
    structlog.configure(**before)


@pytest.fixture
def namespace(cluster: servers.Cluster) -> str:
    """Return the name of a new namespace of this test's own."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    return name
