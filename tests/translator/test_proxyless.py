"""What gRPC programs without a proxy get: listeners by name, routes as gRPC reads them, clusters of the two kinds it has."""

import itertools

import pytest

from mesh import graph, mtls
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from tests.translator.graphs import forward, route
from translator import compile as compiler
from translator import proxies, resources

WEB = proxies.Proxyless(graphs.vd("shop/web"))
TO_PETS = route(forward("shop/pets-v1:9090"))


def mesh(*services: graph.Service, reached: tuple[str, ...] | None = None, hostname: str = "10.0.0.7", ports=(9090,)):
    """A mesh in which `web` may call these services, or those named; each has one deployment."""
    found = [item.ref.key for item in services] if reached is None else reached
    scope = graph.Scope(tuple(sorted(map(graphs.vs, found))))
    listeners = [graphs.listener(port, Protocol.GRPC) for port in ports]
    return graphs.mesh_graph(
        [*services, graphs.service("shop/web", {})],
        [
            *(
                graphs.deployment(f"{item.ref.key}-v1", item.ref.key, *listeners, hostname=hostname)
                for item in services
            ),
            graphs.deployment("shop/web", "shop/web"),
        ],
        scopes={"shop/web": scope},
    )


def pets(
    *routes: graph.HttpRoute,
    hosts=("pets.shop",),
    ports=(9090,),
    key: str = "shop/pets",
    mode: mtls.Mode = mtls.Mode.PERMISSIVE,
) -> graph.Service:
    return graphs.service(key, dict.fromkeys(ports, routes or (TO_PETS,)), hosts, [f"{key}-v1"], mode)


def bundle(of: graph.Graph):
    return compiler.compiled(of, [WEB]).bundles[WEB]


def listeners(of: graph.Graph) -> dict[str, str]:
    """Return the route configuration of each listener."""
    found = decoded.bundle(bundle(of)).get("listeners", ())
    return {item["name"]: item["api_listener"]["api_listener"]["rds"]["route_config_name"] for item in found}


def rules(*routes: graph.HttpRoute):
    (host,) = decoded.named(bundle(mesh(pets(*routes))), "routes", "shop/pets/9090")["virtual_hosts"]
    return host["routes"]


def test_each_authority_is_a_listener_and_all_of_a_port_share_their_routes():
    assert listeners(mesh(pets(hosts=("pets.shop", "pets")))) == dict.fromkeys(
        ("pets", "pets.shop", "pets.shop:9090", "pets:9090"), "shop/pets/9090"
    )


def test_a_bare_host_stands_for_a_port_only_where_there_is_no_doubt():
    of = mesh(pets(ports=(9090, 9091)), ports=(9090, 9091))
    assert listeners(of) == {"pets.shop:9090": "shop/pets/9090", "pets.shop:9091": "shop/pets/9091"}


def test_a_wildcard_names_no_listener():
    assert [*listeners(mesh(pets(hosts=("*.pets", "pets:9090", "*"))))] == ["pets", "pets:9090"]


def test_a_service_that_no_rule_lets_it_call_leaves_no_trace():
    of = mesh(pets(), pets(hosts=("secret",), key="shop/secret"), reached=("shop/pets",))
    assert "secret" not in str(bundle(of))
    assert "pets" in str(bundle(of))


def test_who_may_call_nobody_gets_nothing():
    assert bundle(mesh(pets(), reached=())) == ()


def test_of_two_services_that_claim_an_authority_the_first_has_it():
    of = mesh(pets(hosts=("same", "a"), key="shop/a"), pets(hosts=("same", "b:9090"), key="shop/b"))
    found = listeners(of)
    assert (found["same"], found["same:9090"], found["b:9090"]) == ("shop/a/9090", "shop/a/9090", "shop/b/9090")
    nothing_left = mesh(pets(hosts=("same",), key="shop/a"), pets(hosts=("same",), key="shop/b"))
    assert [item["name"] for item in decoded.bundle(bundle(nothing_left))["routes"]] == ["shop/a/9090"]


def test_routes_come_by_ads_and_the_router_is_the_only_filter():
    manager = decoded.named(bundle(mesh(pets())), "listeners", "pets.shop")["api_listener"]["api_listener"]
    assert manager["rds"]["config_source"]["ads"] == {}
    assert [item["name"] for item in manager["http_filters"]] == ["envoy.filters.http.router"]


def test_the_authority_is_no_condition_because_the_listener_decided():
    (host,) = decoded.named(bundle(mesh(pets())), "routes", "shop/pets/9090")["virtual_hosts"]
    assert host["domains"] == ["*"]


def test_segments_are_a_pattern_and_everything_a_prefix():
    found = rules(
        route(forward("shop/pets-v1:9090"), "/a.B"),
        route(forward("shop/pets-v1:9090"), "/c", by_segment=False),
        TO_PETS,
    )
    assert [item["match"] for item in found] == [
        {"safe_regex": {"regex": r"/a\.B(/.*)?"}},
        {"prefix": "/c"},
        {"prefix": "/"},
    ]


def test_a_rule_for_grpc_alone_needs_no_condition():
    assert rules(route(forward("shop/pets-v1:9090"), is_grpc=True))[0]["match"] == {"prefix": "/"}


@pytest.mark.parametrize(("timeout", "limit"), [(250, "2.250s"), (15_000, "17s")])
def test_the_timeout_is_that_of_the_whole_call_and_what_grpc_takes_off_is_added(timeout, limit):
    (found,) = rules(route(forward("shop/pets-v1:9090", timeout=timeout, idle=1000)))
    assert found["route"] == {
        "cluster": "outbound/shop/pets-v1/9090",
        "max_stream_duration": {"max_stream_duration": limit},
    }


def test_without_a_timeout_there_is_no_limit():
    (found,) = rules(route(forward("shop/pets-v1:9090", timeout=0)))
    assert found["route"] == {"cluster": "outbound/shop/pets-v1/9090"}


def test_weights_are_those_of_sidecars():
    (found,) = rules(route(forward("shop/pets-v1:9090=3", "shop/pets-v1:9090=0")))
    assert [item.get("weight") for item in found["route"]["weighted_clusters"]["clusters"]] == [3, 0]


def test_a_refusal_stays_a_route_so_that_no_later_one_takes_its_calls():
    refused, _ = rules(route(graph.Refusal(503, "no weight is above 0"), "/off"), TO_PETS)
    assert refused == {"match": {"safe_regex": {"regex": "/off(/.*)?"}}, "direct_response": {"status": 503}}


@pytest.mark.parametrize(("hostname", "address"), [("10.0.0.7", "10.0.0.7"), ("FD00::0007", "fd00::7")])
def test_an_address_is_an_endpoint_with_the_place_and_weight_that_grpc_asks_for(hostname, address):
    parts = bundle(mesh(pets(), hostname=hostname))
    cluster = decoded.named(parts, "clusters", "outbound/shop/pets-v1/9090")
    assert cluster["type"] == "EDS"
    assert cluster["eds_cluster_config"]["eds_config"]["ads"] == {}
    (assignment,) = decoded.bundle(parts)["endpoints"]
    (group,) = assignment["endpoints"]
    assert (assignment["cluster_name"], group["locality"], group["load_balancing_weight"]) == (cluster["name"], {}, 1)
    (endpoint,) = group["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": address, "port_value": 9090}


def test_a_name_is_looked_up_by_the_client():
    parts = bundle(mesh(pets(), hostname="pets.example"))
    cluster = decoded.named(parts, "clusters", "outbound/shop/pets-v1/9090")
    assert cluster["type"] == "LOGICAL_DNS"
    (group,) = cluster["load_assignment"]["endpoints"]
    assert [item["endpoint"]["address"]["socket_address"] for item in group["lb_endpoints"]] == [
        {"address": "pets.example", "port_value": 9090}
    ]
    assert "endpoints" not in decoded.bundle(parts)


def test_a_deployment_that_is_not_discovered_has_no_endpoints():
    (assignment,) = decoded.bundle(bundle(mesh(pets(), hostname="")))["endpoints"]
    assert assignment == {"cluster_name": "outbound/shop/pets-v1/9090"}


def test_limits_of_grpc_itself_are_raised():
    cluster = decoded.named(bundle(mesh(pets())), "clusters", "outbound/shop/pets-v1/9090")
    assert cluster["circuit_breakers"]["thresholds"][0]["max_requests"] == 1_000_000


def test_who_asks_for_a_certificate_has_no_address_for_those_who_have_none_and_says_so():
    parts = bundle(mesh(pets(mode=mtls.Mode.STRICT), hostname="pets.shop"))
    (cluster,) = decoded.bundle(parts)["clusters"]
    reason = cluster["eds_cluster_config"]["service_name"]
    assert reason.startswith("shop/pets is STRICT and a gRPC program without a proxy has no certificate")
    assert decoded.bundle(parts)["endpoints"] == [{"cluster_name": reason}]
    assert decoded.dangling(parts) == set()


def test_what_is_named_is_there_and_says_what_it_needs():
    parts = bundle(mesh(pets(), pets(hosts=("b",), key="shop/b"), hostname="10.0.0.7"))
    assert decoded.dangling(parts) == set()
    needed = {reference for part in parts for item in part for reference in item.references}
    assert {url for url, _ in needed} == {resources.ROUTES, resources.CLUSTER, resources.ENDPOINTS}


def test_programs_of_equal_scope_share_everything():
    of = mesh(pets())
    both = graphs.mesh_graph(
        [*of.services.values(), graphs.service("shop/app", {})],
        [*of.deployments.values(), graphs.deployment("shop/app", "shop/app")],
        scopes=dict.fromkeys(("shop/web", "shop/app"), of.scopes[graphs.vs("shop/web")]),
    )
    one, other = compiler.compiled(both, [WEB, proxies.Proxyless(graphs.vd("shop/app"))]).bundles.values()
    assert all(mine is yours for mine, yours in itertools.zip_longest(one, other))


def test_a_sidecar_beside_it_gets_what_it_got_without():
    of, sidecar = mesh(pets()), graphs.sidecar("shop/web")
    alone, together = compiler.compiled(of, [sidecar]), compiler.compiled(of, [sidecar, WEB])
    assert alone.bundles[sidecar] == together.bundles[sidecar]


def test_without_such_programs_nothing_is_looked_at_and_nothing_of_before_is_kept():
    of, sidecar = mesh(pets()), graphs.sidecar("shop/web")
    alone = compiler.compiled(of, [sidecar])
    edited = compiler.compiled(mesh(pets(route(forward("shop/pets-v1:9090", timeout=7)))), [sidecar], alone)
    together = compiler.compiled(of, [sidecar, WEB], edited)
    gone = compiler.compiled(of, [sidecar], together)
    assert alone.proxyless is edited.proxyless is gone.proxyless
    assert together.bundles[WEB] == bundle(of)
    assert [*gone.bundles] == [sidecar]
