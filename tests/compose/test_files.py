"""The files of the demo in containers agree with each other and with the program; needs no engine."""

import re

import pytest
import yaml

from mesh import resources
from meshloom import bootstrap
from meshloom.demo import cast, split
from tests.compose import stack as stacks

ENVOY = "envoyproxy/envoy:${MESHLOOM_ENVOY_TAG:-v1.36-latest}"


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    return yaml.safe_load((stacks.ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def written() -> tuple[resources.Resource, ...]:
    return cast.read_resources((stacks.MESH / "mesh.yaml").read_text())


@pytest.fixture(scope="module")
def deployments(written) -> dict[str, resources.VirtualDeployment]:
    return {item.metadata.name: item for item in written if isinstance(item, resources.VirtualDeployment)}


def test_each_deployment_is_a_proxy_of_its_name_with_its_application(services, deployments):
    proxies = {name for name, service in services.items() if service.get("image") == ENVOY}
    assert proxies == {"gateway", *deployments}
    for name, deployment in deployments.items():
        assert deployment.spec.service_discovery.hostname == name
        assert services[f"{name}-application"]["network_mode"] == f"service:{name}"
        assert [listener.port for listener in deployment.spec.listener] == [9080]
    assert services["gateway"]["ports"] == ["127.0.0.1:${MESHLOOM_DEMO_PORT:-8880}:8880"]


def test_each_application_plays_its_deployment(services, deployments):
    for name, deployment in deployments.items():
        words = services[f"{name}-application"]["command"]
        told = dict(zip(words[0::2], words[1::2], strict=True))
        assert (told["--service"], told["--version"]) == (deployment.spec.virtual_service.ref.name, name)


def test_the_bootstraps_that_are_written_are_those_that_proxies_start_with(services, deployments):
    (script,) = services["bootstraps"]["command"]
    (named,) = re.findall(r"for deployment in (.+); do", script)
    assert set(named.split()) == set(deployments)
    started = {service["command"][0] for service in services.values() if service.get("image") == ENVOY}
    assert started == {f"/run/ads/{name}.yaml" for name in (*deployments, "door")}


def test_proxies_are_started_as_a_bootstrap_says(services, deployments):
    for name in ("gateway", *deployments):
        assert " ".join(bootstrap.COMMAND_LINE) in " ".join(services[name]["entrypoint"])


def test_the_shop_splits_as_the_tests_expect(written):
    table = split.featured_table(written)
    assert table.name == stacks.TABLE
    assert table.shares == split.shares(stacks.WRITTEN)
