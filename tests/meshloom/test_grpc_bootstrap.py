"""The bootstrap of a gRPC program that speaks xDS itself. That gRPC understands it is shown in tests/envoy."""

import pytest

from meshloom import addresses, grpc_bootstrap, secure_ads
from meshloom.identity import claim

WEB = claim.proxyless("shop/web")


@pytest.mark.parametrize(
    ("control_plane", "uri"),
    [
        (addresses.Pipe("/run/ads.sock"), "unix:/run/ads.sock"),
        (addresses.Socket("127.0.0.1", 18000), "127.0.0.1:18000"),
        (addresses.Socket("::1", 18000), "[::1]:18000"),
    ],
)
def test_it_says_where_the_control_plane_is_and_that_it_speaks_in_clear(control_plane, uri):
    (server,) = grpc_bootstrap.bootstrap(WEB, control_plane)["xds_servers"]
    assert (server["server_uri"], server["channel_creds"]) == (uri, [{"type": "insecure"}])


def test_a_listener_that_is_gone_is_gone():
    """gRPC goes on with a listener that was withdrawn if it is told to: access would never be lost."""
    (server,) = grpc_bootstrap.bootstrap(WEB, addresses.Pipe("/a"))["xds_servers"]
    assert server["server_features"] == ["xds_v3"]


def test_the_node_says_who_it_is():
    node = grpc_bootstrap.bootstrap(WEB, addresses.Pipe("/a"))["node"]
    assert (node["id"], node["cluster"]) == ("proxyless/shop/web", "shop/web")
    assert claim.proxy(node["metadata"]) == WEB


def test_over_tls_it_names_the_root_and_what_the_program_shows():
    address = addresses.Name("mesh.example.com", 15012)
    (server,) = grpc_bootstrap.bootstrap(WEB, address, "/root.pem", secure_ads.Token("/token"))["xds_servers"]
    trusted = {"ca_certificate_file": "/root.pem", "refresh_interval": "60s"}
    assert server["channel_creds"] == [{"type": "tls", "config": trusted}]
    assert server["call_creds"] == [{"type": "jwt_token_file", "config": {"jwt_token_file": "/token"}}]
    own = secure_ads.Certificate("/tls.crt", "/tls.key")
    (server,) = grpc_bootstrap.bootstrap(WEB, address, "/root.pem", own)["xds_servers"]
    pair = {"certificate_file": "/tls.crt", "private_key_file": "/tls.key"}
    assert server["channel_creds"] == [{"type": "tls", "config": {**trusted, **pair}}]
    assert "call_creds" not in server
