"""The bootstrap of a gRPC program that speaks xDS itself. That gRPC understands it is shown in tests/envoy."""

import pytest

from meshloom import addresses, grpc_bootstrap
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
