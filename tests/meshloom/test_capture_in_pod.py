"""What a pod asks beside the mesh, and what its variables say of capture."""

import pytest

from meshloom import errors
from meshloom.capture import pod_knows
from meshloom.commands import capture

API = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_the_api_and_the_resolvers_are_exempt(tmp_path):
    resolvers = tmp_path / "resolv.conf"
    resolvers.write_text("search shop.svc\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n")
    assert capture.in_pod(API, resolvers) == ("10.96.0.1:443", "10.96.0.10:53", "[fd00::a]:53")


def test_without_either_nothing_is(tmp_path):
    assert capture.in_pod({}, tmp_path / "absent") == ()


@pytest.mark.parametrize(
    "env",
    [
        {**API, "KUBERNETES_SERVICE_HOST": "api.example.com"},
        {**API, "KUBERNETES_SERVICE_PORT": "https"},
        {**API, "KUBERNETES_SERVICE_HOST": ""},
    ],
)
def test_an_api_that_has_no_address_cannot_be_told_apart(env):
    assert pod_knows.api(env) == ()


def test_resolvers_on_loopback_are_not_captured_anyway():
    text = "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 10.0.0.2\nnameserver\nnameserver 10.0.0.2\n"
    assert pod_knows.resolvers(text) == ("[fe80::1]:53", "10.0.0.2:53")


def test_a_pod_is_captured_unless_it_says_no(capsys):
    assert capture.is_asked({})
    assert capture.is_asked({"CONFIGURE_IP_TABLES": "true", "ENVOY_PORT": "15000"})
    assert not capture.is_asked({"CONFIGURE_IP_TABLES": "false"})
    assert "nothing is captured" in capsys.readouterr().out


def test_proxies_take_connections_at_one_port():
    with pytest.raises(errors.UserError, match="ENVOY_PORT: proxies take connections at 15000, not at '15001'"):
        capture.is_asked({"ENVOY_PORT": "15001"})
