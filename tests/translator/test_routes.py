"""What becomes of a request that has found its virtual host."""

import re

import pytest

from mesh import graph
from tests.translator import decoded, graphs
from tests.translator.graphs import forward, route, share
from translator import compile as compiler
from translator import proxies

EDGE = proxies.Gateway(graphs.ig("shop/edge"), "127.0.3.1")
WEB = graphs.sidecar("shop/web")
PETS = ["shop/pets-v1", "shop/pets-v2"]


def world(*routes: graph.HttpRoute) -> graph.Graph:
    """Return a mesh in which a sidecar and a gateway have these routes."""
    deployments = [graphs.deployment(key, "shop/pets", graphs.listener(80), hostname=key) for key in PETS]
    return graphs.mesh_graph(
        (graphs.service("shop/pets", {80: routes}, ["pets"], PETS), graphs.service("shop/web", {})),
        (*deployments, graphs.deployment("shop/web", "shop/web")),
        (graphs.gateway("shop/edge", {8080: [graph.GatewayHost("pets", ("pets.example",), routes)]}),),
        {"shop/web": graph.Scope((graphs.vs("shop/pets"),))},
    )


def inside(*routes: graph.HttpRoute) -> list[dict[str, object]]:
    """Return the routes of requests, which follow that of CONNECT."""
    found = decoded.named(compiler.compiled(world(*routes), [WEB]).bundles[WEB], "routes", "outbound")
    connect, *requests = decoded.virtual_hosts(found)["shop/pets/80"]["routes"]
    assert connect["match"] == {"connect_matcher": {}}
    return requests


def outside(*routes: graph.HttpRoute) -> list[dict[str, object]]:
    found = decoded.named(compiler.compiled(world(*routes), [EDGE]).bundles[EDGE], "routes", "gateway/8080")
    return decoded.virtual_hosts(found)["pets"]["routes"]


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        (route(forward("shop/pets-v1:80")), {"prefix": "/"}),
        (route(forward("shop/pets-v1:80"), "/cats"), {"path_separated_prefix": "/cats"}),
        (route(forward("shop/pets-v1:80"), "/cats", by_segment=False), {"prefix": "/cats"}),
        (route(forward("shop/pets-v1:80"), "/cats", is_grpc=True), {"path_separated_prefix": "/cats", "grpc": {}}),
        (route(forward("shop/pets-v1:80"), is_grpc=True), {"prefix": "/", "grpc": {}}),
    ],
)
def test_a_rule_matches_by_prefix_and_content_type(rule, match):
    assert inside(rule)[0]["match"] == match


def test_a_single_share_is_a_cluster():
    action = inside(route(forward("shop/pets-v1:80=7", timeout=1500, idle=0)))[0]["route"]
    assert action == {"cluster": "outbound/shop/pets-v1/80", "timeout": "1.500s", "idle_timeout": "0s"}


def test_several_shares_are_weighted():
    action = inside(route(forward("shop/pets-v1:80=90", "shop/pets-v2:80=10", timeout=0)))[0]["route"]
    assert action["timeout"] == "0s"
    assert action["weighted_clusters"]["clusters"] == [
        {"name": "outbound/shop/pets-v1/80", "weight": 90},
        {"name": "outbound/shop/pets-v2/80", "weight": 10},
    ]


def test_a_rewritten_host_belongs_to_its_share():
    action = graph.Forward((share("shop/pets-v1:80", host_rewrite="pets.internal"),), 0, 0)
    assert outside(route(action))[0]["route"]["weighted_clusters"]["clusters"] == [
        {"name": "outbound/shop/pets-v1/80", "weight": 1, "host_rewrite_literal": "pets.internal"}
    ]


def rewritten(path: str, to: str, request: str, by_segment: bool) -> str:
    """Return what Envoy's documentation says a request's path becomes."""
    found = outside(route(forward("shop/pets-v1:80", rewrite=to), path, by_segment=by_segment))[0]
    action, prefix = found["route"], next(iter(found["match"].values()))
    if "regex_rewrite" in action:
        rule = action["regex_rewrite"]
        return re.sub(rule["pattern"]["regex"], rule["substitution"], request)
    return f"{action['prefix_rewrite']}{request.removeprefix(prefix)}" if "prefix_rewrite" in action else request


@pytest.mark.parametrize(
    ("path", "to", "request_path", "becomes"),
    [
        ("/pets", "/", "/pets", "/"),
        ("/pets", "/", "/pets/", "/"),
        ("/pets", "/", "/pets/cats", "/cats"),
        ("/pets", "/animals", "/pets/cats", "/animals/cats"),
        ("/pets", "/animals/", "/pets/cats", "/animals/cats"),
        ("/pets", "/animals", "/pets", "/animals"),
        ("/", "/animals", "/cats", "/animals/cats"),
        ("/", "/animals", "/", "/animals/"),
        ("/", "/", "/cats", "/cats"),
        ("/p.e+t", "/", "/p.e+t/cats", "/cats"),
        ("/pets", "", "/pets/cats", "/pets/cats"),
    ],
)
def test_a_rewritten_path_has_one_slash_where_the_prefix_ended(path, to, request_path, becomes):
    assert rewritten(path, to, request_path, by_segment=True) == becomes


@pytest.mark.parametrize(
    ("path", "to", "request_path", "becomes"),
    [
        ("/pets/", "/", "/pets/cats", "/cats"),
        ("/pets/", "/animals", "/pets/cats", "/animals/cats"),
        ("/pets", "/", "/pets/cats", "/cats"),
        ("/pets", "/animals", "/petshop", "/animalshop"),
    ],
)
def test_a_plain_prefix_is_rewritten_without_double_slashes_too(path, to, request_path, becomes):
    assert rewritten(path, to, request_path, by_segment=False) == becomes


def test_inside_the_mesh_a_refusal_gives_its_reason():
    answer = inside(route(graph.Refusal(503, "the weights are 0")))[0]["direct_response"]
    assert answer == {"status": 503, "body": {"inline_string": "the weights are 0\n"}}


def test_strangers_are_told_the_status_alone():
    assert outside(route(graph.Refusal(403, "no policy")))[0]["direct_response"] == {"status": 403}


def test_inside_the_mesh_what_no_route_matches_is_told_so():
    last = inside(route(forward("shop/pets-v1:80"), "/cats"))[-1]
    assert last["match"] == {"prefix": "/"}
    assert last["direct_response"]["status"] == 404
    assert "no route of VirtualService shop/pets matches" in last["direct_response"]["body"]["inline_string"]


def test_a_grpc_rule_for_all_paths_leaves_other_requests_to_be_told():
    assert inside(route(forward("shop/pets-v1:80"), is_grpc=True))[-1]["direct_response"]["status"] == 404


def test_nothing_is_added_behind_a_route_for_everything():
    assert len(inside(route(forward("shop/pets-v1:80")))) == 1


def test_a_gateway_adds_no_words_about_what_no_route_matches():
    assert len(outside(route(forward("shop/pets-v1:80"), "/cats"))) == 1


def test_routes_refer_to_the_clusters_they_name():
    of = world(route(forward("shop/pets-v1:80")))
    for proxy in (WEB, EDGE):
        bundle = compiler.compiled(of, [proxy]).bundles[proxy]
        (routes,) = [item for part in bundle for item in part if item.name in ("outbound", "gateway/8080") and item.references and "Route" in item.type_url]  # fmt: skip
        inside_connect = {"outbound/connect"} if proxy == WEB else set()
        assert {name for _, name in routes.references} == {"outbound/shop/pets-v1/80", *inside_connect}


def test_the_clusters_of_all_versions_are_there_whatever_their_weights():
    """A weight that leaves 0 then changes routes and nothing else."""
    of = world(route(forward("shop/pets-v1:80")))
    for proxy in (WEB, EDGE):
        clusters = decoded.bundle(compiler.compiled(of, [proxy]).bundles[proxy])["clusters"]
        found = {item["name"] for item in clusters} - {"outbound/connect"}
        assert found == {"outbound/shop/pets-v1/80", "outbound/shop/pets-v2/80"}
