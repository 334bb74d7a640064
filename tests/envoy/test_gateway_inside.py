"""From a gateway into a strict mesh: each protocol reaches the sidecar of its service, inside of the mesh's own TLS."""

import json

import grpc
import pytest

from tests.envoy import edges, worlds
from tests.envoy.edges import CLIENTS, HTTPS

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT], ids=str, indirect=True)

SHOP = "shop.example.com"
GATEWAY = "spiffe://mesh.t.mesh/ns/t/ig/edge"


@pytest.fixture(scope="module")
def world(envoy, variant, tmp_path_factory):
    sidecars = ("web-v1", "greeter-v1", "one", "vault-v1")
    with edges.running(tmp_path_factory.mktemp("edge"), envoy, variant, "STRICT", sidecars) as world:
        yield world


def handshakes(world: edges.World, cluster: str) -> int:
    return world.stats(f"cluster.outbound/t/{cluster}/*.ssl.handshake", of=worlds.GATEWAY)


def test_http_says_who_the_gateway_is_and_who_its_client(world):
    till = CLIENTS.pair(edges.secrets.uri("urn:till:1"))
    seen = world.get("office.example.com", client=till)
    headers = json.loads(seen.said.partition(b"\r\n\r\n")[2])["headers"]
    assert f"URI={GATEWAY}" in headers["x-forwarded-client-cert"]
    assert "URI=urn:till:1" in headers["x-meshloom-client-cert"]
    assert handshakes(world, "web-v1") >= 1


def test_grpc(world):
    address = f"{world.block.address(worlds.GATEWAY)}:{HTTPS}"
    options = [("grpc.ssl_target_name_override", SHOP), ("grpc.default_authority", SHOP)]
    known = grpc.ssl_channel_credentials(edges.EDGE.root)
    with grpc.secure_channel(address, known, options) as channel:
        assert channel.unary_unary("/greet.Greeter/Hello")(b"hello", timeout=10) == b"hello"
    assert handshakes(world, "greeter-v1") >= 1


@pytest.mark.parametrize("port", [edges.TCP_CLEAR, edges.TCP_TLS])
def test_tcp_of_a_server_that_speaks_first(world, port):
    with world.dial(port) if port == edges.TCP_CLEAR else world.opened(port, None) as connection:
        assert world.banner(connection) == "one"
        connection.sendall(b"hello\n")
        assert world.banner(connection) == "HELLO"
    assert handshakes(world, "one") >= 1


def test_tls_that_is_not_opened(world):
    assert world.get("vault.example.com", path="/").status == 200
    assert handshakes(world, "vault-v1") >= 1
