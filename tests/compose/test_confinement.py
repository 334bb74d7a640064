"""What the containers may do: nothing as root, nothing with a capability, one port published to this machine."""

import re

import pytest

from tests.compose import stack as stacks

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.timeout(600)]

ENDS = "-join"
LARGEST = 250_000_000
"""Bytes that our image may add to its base."""


@pytest.fixture
def lasting(stack) -> tuple[str, ...]:
    return tuple(service for service in stack.services() if not service.endswith(ENDS))


def test_no_process_is_root_or_can_become_it(stack, lasting):
    for service in lasting:
        status = dict(
            re.findall(r"^(\w+):\s+(.*)$", stack.told("exec", "-T", service, "cat", "/proc/1/status"), re.MULTILINE)
        )
        assert "0" not in (*status["Uid"].split(), *status["Gid"].split()), service
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}, service
        assert status["NoNewPrivs"] == "1", service


def test_every_container_is_confined_those_that_end_too(stack):
    for service in stack.services():
        container = stack.inspected(service)
        host = container["HostConfig"]
        assert container["Config"]["User"] in ("1337:1337", "1000:1000"), service
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert not host["Privileged"], service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service


def test_the_port_of_the_gateway_is_published_to_this_machine_and_no_other(stack):
    published = {
        (service, inside, binding["HostIp"])
        for service in stack.services()
        for inside, bindings in (stack.inspected(service)["HostConfig"]["PortBindings"] or {}).items()
        for binding in bindings
    }
    assert published == {("gateway", "8880/tcp", "127.0.0.1")}


def test_the_operators_socket_is_for_the_user_of_the_control_plane_and_mounted_nowhere(stack):
    listed = stack.told("exec", "-T", "control-plane", "stat", "-c", "%a %u %n", "/run/meshloom/operator.sock")
    assert listed.split() == ["600", "1337", "/run/meshloom/operator.sock"]
    assert not [service for service in stack.services() if "/run/meshloom" in stack.volumes(service).values()]


def test_the_image_is_small_checks_its_health_and_has_no_pip(stack):
    image = stacks.inspected("meshloom")
    base = stacks.inspected(
        re.search(r"^FROM (\S+) AS base$", (stacks.ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    )
    assert image["Size"] - base["Size"] < LARGEST
    assert image["Config"]["User"] == "1337:1337"
    assert "/readyz" in " ".join(image["Config"]["Healthcheck"]["Test"])
    found = stack.run("exec", "-T", "control-plane", "python", "-c", "import pip")
    assert "No module named 'pip'" in found.stderr
