"""What a gateway has: listeners for strangers, and virtual hosts by name."""

from mesh import graph
from tests.translator import decoded, graphs
from tests.translator.graphs import forward, route
from translator import compile as compiler
from translator import proxies

EDGE = proxies.Gateway(graphs.ig("shop/edge"), "10.0.0.1")
TO_PETS = (route(forward("shop/pets-v1:80")),)


def bundle(*hosts: graph.GatewayHost, proxy: proxies.Gateway = EDGE):
    return compiler.compiled(world(*hosts), [proxy]).bundles[proxy]


def world(*hosts: graph.GatewayHost) -> graph.Graph:
    return graphs.mesh_graph(
        [graphs.service("shop/pets", {80: TO_PETS}, ["pets"], ["shop/pets-v1"]), graphs.service("shop/cats", {})],
        [
            graphs.deployment("shop/pets-v1", "shop/pets", graphs.listener(80), hostname="pets"),
            graphs.deployment("shop/cats-v1", "shop/cats", graphs.listener(80), hostname="cats"),
        ],
        [graphs.gateway("shop/edge", {8080: hosts, 8443: hosts[:1]})],
    )


def manager(parts):
    return decoded.connection_manager(decoded.named(parts, "listeners", "gateway/8080"))


PETS = graph.GatewayHost("pets", ("pets.example", "*.pets.example"), TO_PETS)


def test_it_listens_on_its_ports_at_its_address():
    sockets = [item["address"]["socket_address"] for item in decoded.bundle(bundle(PETS))["listeners"]]
    assert sockets == [{"address": "10.0.0.1", "port_value": 8080}, {"address": "10.0.0.1", "port_value": 8443}]


def test_without_an_address_it_listens_on_all():
    proxy = proxies.Gateway(graphs.ig("shop/edge"))
    listener = decoded.named(bundle(PETS, proxy=proxy), "listeners", "gateway/8080")
    assert listener["address"]["socket_address"]["address"] == "0.0.0.0"


def test_all_addresses_of_ipv6_are_those_of_ipv4_too():
    proxy = proxies.Gateway(graphs.ig("shop/edge"), "::")
    listener = decoded.named(bundle(PETS, proxy=proxy), "listeners", "gateway/8080")
    assert listener["address"]["socket_address"] == {"address": "::", "port_value": 8080, "ipv4_compat": True}


def test_hosts_share_a_port_by_name_and_the_port_of_a_request_does_not_count():
    cats = graph.GatewayHost("cats", ("cats.example", "pets.example"), ())
    parts = bundle(PETS, cats)
    assert decoded.by_domain(decoded.named(parts, "routes", "gateway/8080")) == {
        "pets.example": "pets",
        "*.pets.example": "pets",
        "cats.example": "cats",
    }
    assert manager(parts)["strip_any_host_port"] is True


def test_a_host_without_a_name_of_its_own_is_left_out():
    routes = decoded.named(bundle(PETS, graph.GatewayHost("late", ("pets.example",), ())), "routes", "gateway/8080")
    assert [host["name"] for host in routes["virtual_hosts"]] == ["pets"]


def test_strangers_are_not_believed_and_bounded():
    found = manager(bundle(PETS))
    wanted = {
        "use_remote_address": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "request_headers_timeout": "15s",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"
    assert found["http2_protocol_options"]["max_concurrent_streams"] == 100
    listener = decoded.named(bundle(PETS), "listeners", "gateway/8080")
    assert listener["per_connection_buffer_limit_bytes"] == 32 * 1024


def test_strangers_learn_a_status_and_a_request_id_and_nothing_of_the_mesh():
    found = manager(bundle(PETS))
    assert found["local_reply_config"]["body_format"]["text_format_source"] == {
        "inline_string": "%RESPONSE_CODE% (request %REQ(X-REQUEST-ID)%)\n"
    }
    assert found["server_name"] == "gateway"
    (router,) = found["http_filters"]
    assert router["typed_config"]["suppress_envoy_headers"] is True
    routes = decoded.named(bundle(PETS), "routes", "gateway/8080")
    assert routes["response_headers_to_remove"] == ["x-meshloom-denied-by"]


def test_it_has_the_clusters_of_the_services_it_leads_to_and_no_others():
    assert [item["name"] for item in decoded.bundle(bundle(PETS))["clusters"]] == ["outbound/shop/pets-v1/80"]


def test_it_shares_clusters_with_sidecars():
    web = graphs.sidecar("shop/pets-v1")
    of = world(PETS)
    scopes = {**of.scopes, graphs.vs("shop/pets"): graph.Scope((graphs.vs("shop/pets"),))}
    both = graph.Graph(of.meshes, of.services, of.deployments, of.gateways, scopes, of.callers)
    bundles = compiler.compiled(both, [web, EDGE]).bundles
    found = [
        [item for part in parts for item in part if item.name == "outbound/shop/pets-v1/80"]
        for parts in bundles.values()
    ]
    assert found[0][0] is found[1][0]
