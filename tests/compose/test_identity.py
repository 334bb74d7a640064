"""Who gets what in containers: nobody a call, a configuration or a token that is not meant for it."""

import json

import jwt
import pytest

from meshloom.demo.waiting import wait_until
from meshloom.identity.authority import issue
from tests.compose import stack as stacks

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.timeout(600)]

STATE = "/var/lib/meshloom"
DEPLOYMENTS = ("storefront-v1", "catalogue-v1", "catalogue-v2", "prices-v1", "stock-v1")
JOINED = {"gateway": "IngressGateway compose/door"} | {
    name: f"VirtualDeployment compose/{name}" for name in DEPLOYMENTS
}

CALL = """
import socket, ssl
stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
stranger.set_alpn_protocols(["meshloom"])
dialled = socket.create_connection(({address!r}, 9080), 10)
try:
    dialled = stranger.wrap_socket(dialled) if {over_tls} else dialled
    dialled.sendall(b"GET / HTTP/1.1\\r\\nHost: stock\\r\\nConnection: close\\r\\n\\r\\n")
    print(len(dialled.recv(1000)))
except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as broken:
    print("broken off")
"""
OPEN_STREAM = """
import grpc
options = [("grpc.ssl_target_name_override", {name!r}), ("grpc.enable_http_proxy", 0)]
trusting = grpc.ssl_channel_credentials({root!r})
with grpc.secure_channel("control-plane:15012", trusting, options) as channel:
    ads = channel.stream_stream("/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources")
    try:
        print(len([*ads(iter([b""]), timeout=20, metadata={metadata!r})]))
    except grpc.RpcError as refused:
        print(refused.code().name, refused.details())
"""


def stream(stack, **metadata: str) -> str:
    """Return what becomes of an ADS stream that the application of prices opens, with TLS and these headers."""
    root = stack.told("exec", "-T", "control-plane", "cat", f"{STATE}/root.pem").encode()
    code = OPEN_STREAM.format(name=issue.CONTROL_PLANE, root=root, metadata=tuple(metadata.items()))
    return stack.python("prices-v1-application", code)


@pytest.mark.parametrize("over_tls", [False, True], ids=["in clear", "over TLS without a certificate"])
def test_a_call_past_the_callers_sidecar_is_not_answered(stack, over_tls):
    code = CALL.format(address=stack.address("stock-v1"), over_tls=over_tls)
    assert stack.python("prices-v1-application", code) in ("0", "broken off")


def test_ads_refuses_who_has_no_token_or_one_that_is_made_up(stack):
    code, _, why = stream(stack).partition(" ")
    assert code == "UNAUTHENTICATED"
    assert "token" in why
    made_up = jwt.encode({"sub": "VirtualDeployment compose/stock-v1"}, "k" * 32, "HS256")
    assert stream(stack, authorization=f"Bearer {made_up}").startswith("UNAUTHENTICATED ")


def test_each_proxy_can_read_its_own_token_and_what_is_public(stack):
    for service, subject in JOINED.items():
        assert stack.volumes(service) == {"roots": "/run/roots", service: "/run/proxy"}
        found = stack.told("exec", "-T", service, "find", "/run/roots", "/run/proxy", "-type", "f").split()
        own = ("envoy.yaml", "sds-root.json", "sds-token.json", "token")
        assert sorted(found) == [*(f"/run/proxy/{name}" for name in own), "/run/roots/root.pem"]
        assert inspected(stack, token(stack, service)) == {"subject": subject, "accepted": True}


def test_nobody_else_has_a_token_and_the_control_plane_alone_the_keys_of_authorities(stack):
    having = {service: stack.volumes(service) for service in stack.services()}
    assert {service for service, volumes in having.items() if "authorities" in volumes} == {"control-plane"}
    signing = {service for service, volumes in having.items() if "tokens" in volumes}
    assert signing == {"control-plane", *(f"{proxy}-join" for proxy in JOINED)}
    for proxy in JOINED:
        assert {service for service, volumes in having.items() if proxy in volumes} == {proxy, f"{proxy}-join"}
    assert not [service for service, volumes in having.items() if service.endswith("-application") and volumes]


def test_a_proxy_takes_up_a_new_token_when_its_old_one_is_revoked_and_does_not_restart(stack):
    started, old = stack.inspected("stock-v1")["State"]["StartedAt"], token(stack, "stock-v1")
    stack.told("start", "stock-v1-join")
    wait_until(lambda: token(stack, "stock-v1") != old, "a new token", stacks.PATIENCE)
    wait_until(lambda: not stack.inspected("stock-v1-join")["State"]["Running"], "the end of join", stacks.PATIENCE)
    revoked = stack.told("exec", "-T", "control-plane", "meshloom", "token", "revoke", identifier(old))
    assert revoked.startswith("revoked ")
    refused = '"reason": "revoked"'
    wait_until(lambda: refused in stack.told("logs", "control-plane"), "the end of the stream", stacks.PATIENCE)
    wait_until(lambda: stack.proxies().get("stock-v1") == "synced", "the proxy's return", stacks.PATIENCE)
    assert stack.inspected("stock-v1")["State"]["StartedAt"] == started


def token(stack, service: str) -> str:
    return stack.told("exec", "-T", service, "cat", "/run/proxy/token")


def identifier(text: str) -> str:
    return jwt.decode(text.strip().removeprefix("Bearer "), options={"verify_signature": False})["jti"]


def inspected(stack, text: str) -> dict[str, object]:
    """Return whose a token is, and whether it is accepted, as the control plane says."""
    code = (
        "import subprocess; print(subprocess.run(['meshloom', 'token', 'inspect', '-', '-o', 'json'], input={text!r}, \
text=True, capture_output=True, check=True).stdout)"
    )
    told = json.loads(stack.told("exec", "-T", "control-plane", "python", "-c", code.format(text=text)))
    return {name: told[name] for name in ("subject", "accepted")}
