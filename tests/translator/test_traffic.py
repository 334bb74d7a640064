"""What keeps traffic alive is in every configuration unless it is switched off, and where it does not belong it is not."""

import dataclasses

import pytest

from mesh import graph
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import compile as compiler
from translator import proxies, traffic

WAY = proxies.TcpWay("127.0.1.1", 6000, graphs.vs("shop/pets"))
WEB = proxies.Sidecar(graphs.vd("shop/web"), proxies.Explicit("127.0.1.1", "127.0.2.1", (), (WAY,)))
PETS, EDGE = graphs.sidecar("shop/pets-v1", "127.0.1.2", "127.0.2.2"), proxies.Gateway(graphs.ig("shop/edge"))
OFF = traffic.Traffic(retries=False, outlier_detection=False, high_limits=False)


def mesh():
    http = graphs.route(graphs.forward("shop/pets-v1:9080"))
    tcp = graph.TcpPort(5432, (graphs.share("shop/pets-v1:5432"),), 60_000)
    pets = graphs.service("shop/pets", {9080: [http]}, ["pets"], ["shop/pets-v1"], tcp=[tcp])
    ports = (graphs.listener(5432, Protocol.TCP), graphs.listener(9080))
    return graphs.mesh_graph(
        [pets, graphs.service("shop/web", {}, (), ["shop/web"])],
        [
            graphs.deployment("shop/web", "shop/web"),
            graphs.deployment("shop/pets-v1", "shop/pets", *ports, hostname="pets.example"),
        ],
        [graphs.gateway("shop/edge", {8080: [graph.GatewayHost("all", ("*",), (http,))]})],
        {"shop/web": graph.Scope((graphs.vs("shop/pets"),))},
    )


def bundles(kept=traffic.DEFAULT):
    found = compiler.compiled(mesh(), [WEB, PETS, EDGE], kept=kept).bundles
    return {proxy: decoded.bundle(parts) for proxy, parts in found.items()}


def upstream(bundle):
    return [cluster for cluster in bundle["clusters"] if cluster["name"].startswith("outbound/shop/")]


def leading(bundle):
    """Return the virtual hosts that lead somewhere."""
    hosts = [host for routes in bundle["routes"] for host in routes["virtual_hosts"]]
    return [host for host in hosts if any("route" in route for route in host["routes"])]


@pytest.mark.parametrize("proxy", [WEB, EDGE])
def test_callers_and_gateways_try_again_what_nobody_has_got(proxy):
    for host in leading(bundles()[proxy]):
        assert host["retry_policy"]["retry_on"] == "connect-failure,refused-stream,reset-before-request"
        assert host["retry_policy"]["num_retries"] == 1
        assert [each["name"] for each in host["retry_policy"]["retry_host_predicate"]] == [
            "envoy.retry_host_predicates.previous_hosts"
        ]


def test_tcp_connections_are_tried_twice():
    assert [each["typed_config"]["max_connect_attempts"] for each in bundles()[WEB]["filters"]] == [2]


def test_what_an_application_is_sent_is_sent_once():
    assert not [host for host in leading(bundles()[PETS]) if "retry_policy" in host]


@pytest.mark.parametrize("proxy", [WEB, EDGE])
def test_endpoints_that_fail_are_left_out_half_of_them_at_most(proxy):
    clusters = upstream(bundles()[proxy])
    assert clusters
    for cluster in clusters:
        found = cluster["outlier_detection"]
        assert (found["consecutive_gateway_failure"], found["enforcing_consecutive_gateway_failure"]) == (5, 100)
        assert found["max_ejection_percent"] == 50
        others = ("enforcing_consecutive_5xx", "enforcing_success_rate", "enforcing_failure_percentage")
        assert [found[each] for each in others] == [0, 0, 0]


def test_an_application_is_never_left_out_by_its_own_proxy():
    own = [cluster for cluster in bundles()[PETS]["clusters"] if cluster["name"].startswith("inbound/")]
    assert own
    assert not [cluster for cluster in own if "outlier_detection" in cluster]


@pytest.mark.parametrize("proxy", [WEB, EDGE])
def test_each_is_switched_off_by_itself(proxy):
    no_retries = bundles(dataclasses.replace(traffic.DEFAULT, retries=False))[proxy]
    assert not [host for host in leading(no_retries) if "retry_policy" in host]
    assert not [each for each in no_retries.get("filters", ()) if "max_connect_attempts" in each["typed_config"]]
    assert all("outlier_detection" in cluster and "circuit_breakers" in cluster for cluster in upstream(no_retries))
    no_breaks = bundles(dataclasses.replace(traffic.DEFAULT, outlier_detection=False))[proxy]
    assert not [cluster for cluster in upstream(no_breaks) if "outlier_detection" in cluster]
    low = bundles(dataclasses.replace(traffic.DEFAULT, high_limits=False))[proxy]
    assert not [cluster for cluster in upstream(low) if "circuit_breakers" in cluster]


def test_a_compile_after_one_with_other_switches_equals_a_fresh_one():
    before = compiler.compiled(mesh(), [WEB, PETS, EDGE])
    after = compiler.compiled(mesh(), [WEB, PETS, EDGE], before, OFF)
    assert after.bundles == compiler.compiled(mesh(), [WEB, PETS, EDGE], kept=OFF).bundles
    assert after.bundles != before.bundles
    again = compiler.compiled(mesh(), [WEB, PETS, EDGE], after, OFF)
    assert all(again.bundles[proxy] is after.bundles[proxy] for proxy in after.bundles)
