"""The mesh in network namespaces, and what it takes to have one."""

import os
import pathlib
import shutil
from collections.abc import Iterator

import pytest

from meshloom.demo import programs
from tests.capture import worlds

HERE = pathlib.Path(__file__).parent
WANTED = "MESHLOOM_NETNS"
"""This variable of the environment says that namespaces may be made; `make test-capture` sets it."""


def missing() -> str:
    """Return why there can be no namespaces, empty if there can."""
    if os.environ.get(WANTED) != "1":
        return f"{WANTED} is not 1, so no network namespaces are made; `make test-capture` sets it"
    if os.geteuid() != 0:
        return "network namespaces take root"
    tools = [tool for tool in ("ip", "iptables-restore", "ip6tables-restore", "setpriv") if shutil.which(tool) is None]
    return f"network namespaces take {', '.join(tools)}; apt-get install iproute2 iptables util-linux" if tools else ""


@pytest.fixture(scope="session", params=["newest", "oldest"])
def envoy(request: pytest.FixtureRequest) -> str:
    """Return the path of an Envoy, the newest and the oldest that is supported."""
    if reason := missing():
        pytest.skip(reason)
    if request.param == "newest":
        return programs.envoy_path()
    oldest = os.environ.get("MESHLOOM_ENVOY_OLDEST", "")
    if not oldest:
        pytest.skip("MESHLOOM_ENVOY_OLDEST names no Envoy; `make test-capture` sets it")
    return oldest


@pytest.fixture(scope="session")
def world(envoy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[worlds.World]:
    with worlds.running(tmp_path_factory.mktemp("capture"), envoy) as world:
        yield world
