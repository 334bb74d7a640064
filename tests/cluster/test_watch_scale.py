"""Many endpoints that change without a pause: nothing is lost, and memory stays within its limit."""

import pathlib

import pytest

from tests.cluster import crowd, servers

MOST = 500 << 20
"""Bytes of the control plane."""


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(crowd.Load(services=40, seconds=4.0, with_pods=True), id="40-services"),
        pytest.param(crowd.Load(services=1_000, seconds=60.0), id="1000-services", marks=pytest.mark.load),
    ],
)
@pytest.mark.timeout(600)
async def test_no_change_of_an_endpoint_is_lost(
    cluster: servers.Cluster, tmp_path: pathlib.Path, namespace: str, load: crowd.Load
) -> None:
    found = await crowd.measured(cluster, tmp_path, namespace, load)
    assert found.changes == load.rate * load.seconds
    assert not found.lost, "the newest of every service has arrived, as a control plane that starts now serves it"
    assert found.memory < MOST
