"""CONNECT: which tunnels applications may have opened, and where they lead."""

import pytest

from mesh import graph
from tests.translator import decoded, graphs
from tests.translator.graphs import forward, route
from translator import compile as compiler

WEB = graphs.sidecar("shop/web")
CONNECT = {"connect_matcher": {}}


def bundle(*services: graph.Service, scope: tuple[str, ...] | None = None):
    reached = tuple(map(graphs.vs, scope)) if scope is not None else tuple(service.ref for service in services)
    of = graphs.mesh_graph(
        (*services, graphs.service("shop/web", {})),
        [
            *(
                graphs.deployment(key, "shop/pets", *map(graphs.listener, (80, 443, 5432)))
                for key in ("shop/a", "shop/b")
            ),
            graphs.deployment("shop/web", "shop/web"),
        ],
        scopes={"shop/web": graph.Scope(reached)},
    )
    found = compiler.compiled(of, [WEB]).bundles[WEB]
    assert decoded.dangling(found) == set()
    return found


def routes(*services: graph.Service, scope: tuple[str, ...] | None = None):
    return decoded.named(bundle(*services, scope=scope), "routes", "outbound")


def port(number: int, *shares: str, idle: int = 60_000) -> graph.TcpPort:
    return graph.TcpPort(number, tuple(map(graphs.share, shares)), idle)


def pets(*hosts: str, http: tuple[int, ...] = (80,), key: str = "shop/pets") -> graph.Service:
    """Return a service that speaks HTTP, TCP and TLS of its own."""
    answering = {number: [route(forward("shop/a:80"))] for number in http}
    tcp, tls = port(5432, "shop/a:5432=9", "shop/b:5432=1"), port(443, "shop/b:443")
    return graphs.service(key, answering, hosts or ("pets",), ["shop/a", "shop/b"], tcp=[tcp], tls=[tls])


def tunnel(host: str, of: graph.Service):
    """Return the route that a CONNECT to an authority meets."""
    found = routes(of)
    first = decoded.virtual_hosts(found)[decoded.by_domain(found)[host]]["routes"][0]
    assert first["match"] == CONNECT
    return first


def test_a_tunnel_to_a_port_of_http_is_read_as_requests_inside_of_the_proxy():
    action = tunnel("pets:80", pets())["route"]
    assert action == {
        "cluster": "outbound/connect",
        "timeout": "0s",
        "idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
    }


def test_what_is_read_inside_of_the_proxy_meets_the_same_routes():
    outer, inner = (
        decoded.connection_manager(decoded.named(bundle(pets()), "listeners", name))
        for name in ("outbound", "outbound/connect")
    )
    assert outer["rds"] == inner["rds"]
    assert outer["local_reply_config"] == inner["local_reply_config"]
    assert [each["upgrade_type"] for each in outer["upgrade_configs"]] == ["CONNECT", "websocket"]
    assert [each["upgrade_type"] for each in inner["upgrade_configs"]] == ["websocket"]


def test_the_listener_inside_of_the_proxy_is_bound_to_nothing():
    found = decoded.named(bundle(pets()), "listeners", "outbound/connect")
    assert found["internal_listener"] == {}
    assert "address" not in found


@pytest.mark.parametrize(
    ("host", "to", "idle"),
    [
        ("pets:5432", [("outbound/shop/a/5432", 9), ("outbound/shop/b/5432", 1)], "60s"),
        ("pets:443", [("outbound/shop/b/443", None)], "60s"),
    ],
)
def test_a_tunnel_to_a_port_of_bytes_goes_to_its_shares_by_their_weights(host, to, idle):
    action = tunnel(host, pets())["route"]
    clusters = (
        action["weighted_clusters"]["clusters"] if "weighted_clusters" in action else [{"name": action["cluster"]}]
    )
    assert [(item["name"], item.get("weight")) for item in clusters] == to
    assert (action["timeout"], action["idle_timeout"]) == ("0s", idle)


def test_ports_of_bytes_have_the_domains_of_all_hosts_that_stand_for_them():
    assert decoded.by_domain(routes(pets("pets", "*.pets.zoo", "vault:443"))) == {
        "pets": "shop/pets/80",
        "pets:80": "shop/pets/80",
        "pets:5432": "shop/pets/5432",
        "pets:443": "shop/pets/443",
        "pets:*": "shop/pets/other-ports",
        "*.pets.zoo": "shop/pets/80",
        "*.pets.zoo:80": "shop/pets/80",
        "*.pets.zoo:5432": "shop/pets/5432",
        "*.pets.zoo:443": "shop/pets/443",
        "vault:443": "shop/pets/443",
        "*": "nobody",
    }


def test_of_one_port_of_two_families_that_of_http_is_meant():
    assert tunnel("pets:443", pets(http=(80, 443)))["route"]["cluster"] == "outbound/connect"


def test_a_request_to_a_port_of_bytes_is_told_how_to_reach_it():
    _, other = decoded.virtual_hosts(routes(pets()))["shop/pets/443"]["routes"]
    assert other["match"] == {"prefix": "/"}
    assert other["direct_response"]["status"] == 404
    assert (
        "port 443 of VirtualService shop/pets is not one of HTTP" in other["direct_response"]["body"]["inline_string"]
    )


def test_without_shares_a_tunnel_is_refused():
    of = graphs.service("shop/pets", {}, ["pets"], tcp=[graph.TcpPort(5432, (), 0)])
    refusal = tunnel("pets:5432", of)["direct_response"]
    assert refusal["status"] == 404
    assert "no route of VirtualService shop/pets matches" in refusal["body"]["inline_string"]


def test_a_tunnel_to_a_port_that_is_not_there_is_told_which_are():
    refusal = tunnel("pets:*", pets())["direct_response"]
    assert (refusal["status"], refusal["body"]["inline_string"]) == (
        404,
        "VirtualService shop/pets does not listen on this port; name one of: 80, 443, 5432\n",
    )


def test_a_tunnel_to_what_a_caller_may_not_reach_is_refused_as_a_request_is():
    (nobody,) = routes(pets(), scope=())["virtual_hosts"]
    refused = {"status": 403}
    assert nobody["routes"] == [
        {"match": CONNECT, "direct_response": refused},
        {"match": {"prefix": "/"}, "direct_response": refused},
    ]


def test_a_wildcard_does_not_take_tunnels_to_other_ports_of_an_exact_host():
    found = decoded.by_domain(routes(pets("*.pets", key="shop/pets"), pets("my.pets", http=(8080,), key="shop/z")))
    assert found["my.pets:80"] == "shop/z/other-ports"
    assert found["my.pets:5432"] == "shop/z/5432"
