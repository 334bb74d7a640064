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
def every() -> dict[str, dict]:
    return yaml.safe_load((stacks.ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def services(every) -> dict[str, dict]:
    """Return the services that start where no profile is named."""
    return {name: service for name, service in every.items() if "profiles" not in service}


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


def test_each_proxy_is_joined_as_itself_into_a_volume_that_it_shares_with_nobody(services, deployments):
    for name in ("gateway", *deployments):
        joined, proxy = services[f"{name}-join"], services[name]
        told = ["compose/door", "--gateway"] if name == "gateway" else [f"compose/{name}"]
        assert joined["command"] == told
        assert joined["volumes"] == ["tokens:/var/lib/meshloom/tokens", f"{name}:/run/proxy"]
        assert proxy["volumes"] == ["roots:/run/roots:ro", f"{name}:/run/proxy:ro"]
        assert proxy["depends_on"][f"{name}-join"] == {"condition": "service_completed_successfully"}
        assert proxy["depends_on"]["control-plane"] == {"condition": "service_healthy"}


def test_proxies_are_started_as_a_bootstrap_says(services, deployments):
    for name in ("gateway", *deployments):
        assert " ".join(bootstrap.COMMAND_LINE) in " ".join(services[name]["entrypoint"])


def test_the_shop_splits_as_the_tests_expect(written):
    table = split.featured_table(written)
    assert table.name == stacks.TABLE
    assert table.shares == split.shares(stacks.WRITTEN)


def test_the_profile_adds_one_captured_caller_that_is_joined_as_itself(every, services):
    added = {name: service for name, service in every.items() if name not in services}
    read = cast.read_resources((stacks.MESH / "kiosk.yaml").read_text())
    (caller,) = (item.metadata.name for item in read if isinstance(item, resources.VirtualDeployment))
    parts = [f"{caller}-{part}" for part in ("application", "capture", "join", "proxy")]
    assert sorted(added) == [caller, *parts]
    assert {tuple(service["profiles"]) for service in added.values()} == {stacks.PROFILE[1:]}
    assert added[f"{caller}-join"]["command"] == [f"compose/{caller}", "--captured"]
    shared = {name for name, service in added.items() if service.get("network_mode") == f"service:{caller}"}
    assert shared == {f"{caller}-application", f"{caller}-capture", f"{caller}-proxy"}


def test_one_container_alone_may_change_its_network_and_none_is_privileged(every):
    assert {name: service["cap_add"] for name, service in every.items() if "cap_add" in service} == {
        "kiosk-v1-capture": ["NET_ADMIN"]
    }
    assert not [name for name, service in every.items() if service.get("privileged")]


def test_a_control_plane_is_what_the_dockerfile_makes_where_no_target_is_named(every):
    made = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", (stacks.ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert made[-1] == (every["control-plane"]["build"]["target"], "")
    assert (every["control-plane"]["build"]["target"], every["kiosk-v1-capture"]["build"]["target"]) in made
