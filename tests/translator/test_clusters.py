"""The clusters of other deployments."""

import pytest

from mesh import mtls
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import clusters, tls

PETS = graphs.caller(graphs.vs("shop/pets"))


def encoded(*listeners, hostname: str = "pets.shop", mode: mtls.Mode = mtls.Mode.DISABLED):
    return clusters.of_deployment(
        graphs.deployment("shop/pets-v1", "shop/pets", *listeners, hostname=hostname), clusters.Callee(PETS, mode)
    )


def cluster(*listeners, hostname: str = "pets.shop", mode: mtls.Mode = mtls.Mode.DISABLED):
    (found,) = encoded(*listeners, hostname=hostname, mode=mode)
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


def test_ports_of_every_protocol_have_one():
    listeners = [graphs.listener(port, protocol) for port, protocol in enumerate(Protocol, 80)]
    assert [item.name for item in encoded(*listeners)] == [f"outbound/shop/pets-v1/{port}" for port in range(80, 85)]


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.TLS_PASSTHROUGH])
def test_what_goes_as_it_is_has_no_version_of_http(protocol):
    assert "typed_extension_protocol_options" not in cluster(graphs.listener(5432, protocol))


def test_only_a_service_that_is_disabled_proves_nothing():
    found = {mode: clusters.callee(graphs.service("shop/pets", {}, mode=mode)).proven for mode in mtls.Mode}
    assert found == {mtls.Mode.DISABLED: None, mtls.Mode.PERMISSIVE: PETS, mtls.Mode.STRICT: PETS}


def test_who_proves_nothing_is_called_in_clear():
    (found,) = encoded(graphs.listener(80))
    assert "transport_socket" not in cluster(graphs.listener(80))
    assert found.references == frozenset()


@pytest.mark.parametrize(
    ("protocol", "offered"),
    [
        (Protocol.HTTP, ["meshloom"]),
        (Protocol.HTTP2, ["meshloom", "h2"]),
        (Protocol.GRPC, ["meshloom", "h2"]),
        (Protocol.TCP, ["meshloom"]),
        (Protocol.TLS_PASSTHROUGH, ["meshloom"]),
    ],
)
def test_who_proves_something_is_taken_for_nobody_else(protocol, offered):
    (item,) = encoded(graphs.listener(80, protocol), mode=mtls.Mode.STRICT)
    assert item.references == frozenset(tls.REFERENCES)
    context = decoded.resource(item.body)["transport_socket"]["typed_config"]
    common = context["common_tls_context"]
    assert common["combined_validation_context"]["default_validation_context"] == {
        "match_typed_subject_alt_names": [
            {"san_type": "URI", "matcher": {"exact": "spiffe://main.shop.mesh/ns/shop/vs/pets"}}
        ]
    }
    assert common["alpn_protocols"] == offered
    assert common["tls_params"] == {
        "tls_minimum_protocol_version": "TLSv1_2",
        "tls_maximum_protocol_version": "TLSv1_3",
    }
    assert context["max_session_keys"] == 0
