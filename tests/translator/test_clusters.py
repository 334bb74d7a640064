"""The clusters of other deployments."""

from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import clusters


def cluster(*listeners, hostname: str = "pets.shop"):
    (found,) = clusters.of_deployment(graphs.deployment("shop/pets-v1", "shop/pets", *listeners, hostname=hostname))
    return decoded.resource(found.body)


def test_endpoints_are_all_addresses_of_the_host_name():
    found = cluster(graphs.listener(9080))
    assert found["name"] == "outbound/shop/pets-v1/9080"
    assert found["cluster_type"]["name"] == "envoy.cluster.dns"
    (group,) = found["load_assignment"]["endpoints"]
    (endpoint,) = group["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "pets.shop", "port_value": 9080}


def test_a_name_that_does_not_resolve_holds_nothing_up():
    assert cluster(graphs.listener(9080))["wait_for_warm_on_init"] is False


def test_a_deployment_that_is_not_discovered_has_no_endpoints():
    found = cluster(graphs.listener(9080), hostname="")
    assert "load_assignment" not in found
    assert "cluster_type" not in found


def test_the_version_of_http_is_that_of_the_listener():
    for protocol, option in (
        (Protocol.HTTP, "http_protocol_options"),
        (Protocol.HTTP2, "http2_protocol_options"),
        (Protocol.GRPC, "http2_protocol_options"),
    ):
        (options,) = cluster(graphs.listener(9080, protocol))["typed_extension_protocol_options"].values()
        assert options["explicit_http_config"] == {option: {}}


def test_only_ports_of_the_http_family_have_one():
    listeners = [graphs.listener(80), graphs.listener(81, Protocol.TCP), graphs.listener(82, Protocol.TLS_PASSTHROUGH)]
    found = clusters.of_deployment(graphs.deployment("shop/pets-v1", "shop/pets", *listeners, hostname="pets"))
    assert [item.name for item in found] == ["outbound/shop/pets-v1/80"]
