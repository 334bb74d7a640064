"""Which authority leads where, seen in the routes of a caller."""

import dataclasses

import pytest

from mesh import graph
from mesh.hosts import Host
from tests.translator import decoded, graphs
from tests.translator.graphs import forward, route
from translator import compile as compiler

WEB = graphs.sidecar("shop/web")


def domains(*services: graph.Service) -> dict[str, str]:
    """Return which virtual host each domain has in the routes of a caller that may reach these services."""
    return decoded.by_domain(routes(*services))


def routes(*services: graph.Service) -> dict[str, object]:
    of = graphs.mesh_graph(
        (*services, graphs.service("shop/web", {})),
        (graphs.deployment("shop/web", "shop/web"), *(pets(key) for key in ("shop/pets-v1",))),
        scopes={"shop/web": graph.Scope(tuple(service.ref for service in services))},
    )
    return decoded.named(compiler.compiled(of, [WEB]).bundles[WEB], "routes", "outbound")


def pets(key: str) -> graph.Deployment:
    return graphs.deployment(key, "shop/pets", graphs.listener(80), hostname="pets")


def service(ports: tuple[int, ...], *hosts: str, key: str = "shop/pets") -> graph.Service:
    answer = [route(graph.Refusal(418, "teapot"))]
    return graphs.service(key, dict.fromkeys(ports, answer), hosts)


@pytest.mark.parametrize(
    ("ports", "bare"),
    [((80,), "80"), ((9080,), "9080"), ((80, 9080), "80"), ((9080, 9081), "other-ports"), ((), "other-ports")],
)
def test_a_bare_host_means_port_80_or_the_only_one(ports, bare):
    assert domains(service(ports, "pets"))["pets"] == f"shop/pets/{bare}"


def test_a_host_is_listed_with_each_port():
    found = domains(service((80, 9080), "pets", "*.pets.zoo"))
    assert found == {
        "pets": "shop/pets/80",
        "pets:80": "shop/pets/80",
        "pets:9080": "shop/pets/9080",
        "pets:*": "shop/pets/other-ports",
        "*.pets.zoo": "shop/pets/80",
        "*.pets.zoo:80": "shop/pets/80",
        "*.pets.zoo:9080": "shop/pets/9080",
        "*": "nobody",
    }


def test_a_host_with_a_port_stands_for_nothing_else():
    assert domains(service((80, 9080), "pets:9080")) == {"pets:9080": "shop/pets/9080", "*": "nobody"}


def test_a_host_with_the_port_that_a_bare_host_means_is_bare_too():
    assert set(domains(service((80, 9080), "pets:80"))) == {"pets", "pets:80", "*"}


def test_a_host_with_a_port_that_is_not_served_leads_nowhere():
    assert domains(service((80,), "pets:9080")) == {"*": "nobody"}


def test_addresses_of_ipv6_stand_in_brackets():
    ipv6 = dataclasses.replace(service((80,)), hosts=(Host("::1"),))
    assert set(domains(ipv6)) == {"[::1]", "[::1]:80", "[::1]:*", "*"}


def test_an_unknown_port_is_answered_with_the_ports_there_are():
    host = decoded.virtual_hosts(routes(service((9080, 9081), "pets")))["shop/pets/other-ports"]
    for answer in (item["direct_response"] for item in host["routes"]):
        assert answer["status"] == 404
        assert "name one of: 9080, 9081\n" in answer["body"]["inline_string"]


def test_an_unknown_port_of_a_wildcard_is_told_apart_by_a_pattern_the_longest_first():
    nobody = decoded.virtual_hosts(
        routes(service((80,), "*.pets", key="shop/a"), service((80,), "*.cats.pets", key="shop/b"))
    )["nobody"]
    *told, no_tunnel, forbidden = nobody["routes"]
    assert [item["match"]["headers"][0]["string_match"]["safe_regex"]["regex"] for item in told] == [
        *[r"(?i).+\.cats\.pets:[0-9]+"] * 2,
        *[r"(?i).+\.pets:[0-9]+"] * 2,
    ]
    assert ["connect_matcher" in item["match"] for item in told] == [True, False] * 2
    assert no_tunnel == {"match": {"connect_matcher": {}}, "direct_response": {"status": 403}}
    assert forbidden == {"match": {"prefix": "/"}, "direct_response": {"status": 403}}


def test_no_virtual_host_is_without_domains_which_envoy_would_refuse_with_all_others():
    found = routes(service((80,), "*.pets"))["virtual_hosts"]
    assert [(host["name"], host["domains"]) for host in found] == [
        ("shop/pets/80", ["*.pets:80", "*.pets"]),
        ("nobody", ["*"]),
    ]


def test_a_wildcard_does_not_take_other_ports_of_an_exact_host():
    found = domains(service((80, 81), "*.pets", key="shop/a"), service((80,), "my.pets", key="shop/b"))
    assert found["my.pets:80"] == "shop/b/80"
    assert found["my.pets:81"] == "shop/b/other-ports"


def test_a_wildcard_does_not_take_other_ports_of_a_longer_one():
    found = domains(service((80, 81), "*.pets", key="shop/a"), service((80,), "*.my.pets", key="shop/b"))
    assert found["*.my.pets:80"] == "shop/b/80"
    assert found["*.my.pets:81"] == "shop/b/other-ports"


def test_a_port_that_two_wildcards_would_take_stands_once():
    wide = service((80, 81), "*.pets", "*.pets:81", "*.my.pets:81", key="shop/a")
    assert domains(wide, service((80,), "x.my.pets", key="shop/b"))["x.my.pets:81"] == "shop/b/other-ports"


def test_of_two_services_with_one_domain_the_first_has_it_and_no_domain_stands_twice():
    found = domains(service((80,), "pets", "cats", key="shop/a"), service((80, 9080), "pets", key="shop/b"))
    assert found["pets"] == "shop/a/80"
    assert found["pets:9080"] == "shop/b/9080"
    assert found["pets:*"] == "shop/a/other-ports"


def test_a_refusal_does_not_take_a_domain_from_an_answer():
    """The first service cannot say what a bare `pets` means, the second can."""
    found = domains(service((81, 82), "pets", key="shop/a"), service((80,), "pets:80", key="shop/b"))
    assert found["pets"] == "shop/b/80"


def test_a_service_for_all_hosts_leaves_nothing_to_refuse():
    found = domains(service((80,), "*"))
    assert found == {"*": "shop/pets/80", "*:80": "shop/pets/80"}


def test_a_scope_says_by_which_hosts_a_service_is_reached():
    one = service((80,), "pets.shop")
    of = graphs.mesh_graph(
        (one, graphs.service("shop/web", {}), graphs.service("zoo/web", {})),
        (graphs.deployment("shop/web", "shop/web"), graphs.deployment("zoo/web", "zoo/web")),
        scopes={
            "shop/web": graph.Scope((one.ref,), ((one.ref, (Host("pets"), Host("pets.shop"))),)),
            "zoo/web": graph.Scope((one.ref,)),
        },
    )
    other = graphs.sidecar("zoo/web")
    bundles = compiler.compiled(of, [WEB, other]).bundles
    assert "pets" in decoded.by_domain(decoded.named(bundles[WEB], "routes", "outbound"))
    assert "pets" not in decoded.by_domain(decoded.named(bundles[other], "routes", "outbound"))


def test_where_a_bare_host_leads_is_the_same_whatever_routes_there_are():
    one = graphs.service("shop/pets", {80: [route(forward("shop/pets-v1:80"))]}, ["pets"], ["shop/pets-v1"])
    assert domains(one)["pets"] == "shop/pets/80"
