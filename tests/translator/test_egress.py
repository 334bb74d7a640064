"""What leads out of the mesh: which authorities lead to which exit, and what an exit lets through."""

import re

import pytest

from mesh import graph
from mesh.external import External, Networks, Outside
from tests.translator import decoded, graphs
from translator import compile as compiler
from translator import egress, exits, resources

ME = graphs.service("shop/me", {}, deployments=["shop/me-v1"])
MY = graphs.deployment("shop/me-v1", "shop/me")
SIDECAR = graphs.sidecar("shop/me-v1")


def held(external: External) -> dict[str, dict[str, object]]:
    """Return by kind and name what a caller holds that may reach this."""
    made = graphs.mesh_graph([ME], [MY], scopes={"shop/me": graph.Scope((), external=external)})
    found = decoded.bundle(compiler.compiled(made, [SIDECAR]).bundles[SIDECAR])
    return {kind: {item["name"]: item for item in items} for kind, items in found.items()}


def leads(external: External, authority: str, is_connect: bool = False) -> str:
    """Return the cluster that an authority leads to, or the status that answers, as Envoy would choose."""
    (routes,) = held(external)["routes"].values()
    hosts = {domain: host for host in routes["virtual_hosts"] for domain in host["domains"]}
    name = authority.rpartition(":")[0]
    host = hosts.get(authority) or hosts.get(f"{name}:*") or hosts["*"]
    for route in host["routes"]:
        match = route["match"]
        patterns = [header["string_match"]["safe_regex"]["regex"] for header in match.get("headers", ())]
        is_meant = ("connect_matcher" in match) == is_connect
        if is_meant and all(re.fullmatch(pattern, authority) for pattern in patterns):
            return route["route"]["cluster"] if "route" in route else str(route["direct_response"]["status"])
    return "none"


@pytest.mark.parametrize(
    ("authority", "cluster"),
    [
        ("api.example", "egress/http/api.example:80"),
        ("api.example:80", "egress/http/api.example:80"),
        ("api.example:81", "403"),
        ("api.examples", "403"),
        ("xapi.example", "403"),
        ("a.wild.example:8080", "egress/http/*.wild.example:8080"),
        ("a.b.wild.example:8080", "egress/http/*.wild.example:8080"),
        ("a.wild.example", "403"),
        ("wild.example:8080", "403"),
        ("a.wildxexample:8080", "403"),
        ("evil@a.wild.example:8080", "403"),
        ("[2001:db8::1]:8080", "403"),
    ],
)
def test_requests_lead_where_their_authority_is_open(authority, cluster):
    external = External((Outside("api.example", (80,)), Outside("*.wild.example", (8080,))))
    assert leads(external, authority) == cluster


@pytest.mark.parametrize("authority", ["a.example", "a.example:99", "10.0.0.1", "[2001:db8::1]:99"])
def test_everything_leads_out_where_everything_is_open(authority):
    assert leads(External((Outside("*"),)), authority) == "egress/http/*"


def test_the_nearest_wildcard_decides_and_ports_that_it_does_not_have_are_those_of_the_next():
    external = External((Outside("*.a.example", (80,)), Outside("*.example", (80, 81))))
    assert leads(external, "x.a.example") == "egress/http/*.a.example:80"
    assert leads(external, "x.a.example:81") == "egress/http/*.example:81"


def test_what_wildcards_open_is_open_for_exact_names_too():
    external = External((Outside("a.example", (80,)), Outside("*", (81,))))
    assert leads(external, "a.example") == "egress/http/a.example:80"
    assert leads(external, "a.example:81") == "egress/http/*:81"


def test_a_connect_is_handed_on_where_tls_is_open_and_read_where_requests_are():
    external = External((Outside("a.example"),), (Outside("a.example", (443,)),))
    assert leads(external, "a.example:443", is_connect=True) == "egress/https/a.example:443"
    assert leads(external, "a.example:80", is_connect=True) == "outbound/connect"
    assert leads(external, "b.example:443", is_connect=True) == "403"


def test_addresses_lead_to_the_exit_of_their_port():
    external = External(tcp=(Networks(("10.0.0.0/8",), (5432,)), Networks(("fd00::/8",))))
    assert leads(external, "10.0.0.1:5432", is_connect=True) == "egress/tcp/10.0.0.0/8:5432"
    assert leads(external, "10.0.0.1:5433", is_connect=True) == "egress/tcp/fd00::/8"
    assert leads(external, "[fd00::1]:5432") == "egress/tcp/10.0.0.0/8:5432"
    assert leads(external, "db.example:5432", is_connect=True) == "403"


def test_hosts_of_the_mesh_are_not_led_out():
    taken = (graphs.host("pets.example"), graphs.host("cats.example:81"), graphs.host("*.zoo.example"))
    external = External((Outside("*"),), (Outside("*"),), taken=taken)
    for authority in ("pets.example", "pets.example:81", "cats.example:81", "a.zoo.example", "a.zoo.example:81"):
        assert leads(external, authority) == "403"
    assert leads(external, "pets.example:443", is_connect=True) == "403"
    assert leads(external, "a.zoo.example:443", is_connect=True) == "403"
    assert leads(external, "cats.example") == "egress/http/*"


def test_who_may_reach_nothing_outside_has_no_exit():
    found = held(External())
    assert not [name for kind in found.values() for name in kind if name.startswith("egress")]


def test_an_exit_is_an_internal_listener_that_all_callers_share():
    external = External((Outside("a.example", (80,)),), refused=("127.0.0.0/8",))
    one, other = (
        compiler.compiled(
            graphs.mesh_graph(
                [graphs.service(f"shop/{name}", {}, deployments=[f"shop/{name}-v1"])],
                [graphs.deployment(f"shop/{name}-v1", f"shop/{name}")],
                scopes={f"shop/{name}": graph.Scope((), external=external)},
            ),
            [graphs.sidecar(f"shop/{name}-v1")],
        ).bundles[graphs.sidecar(f"shop/{name}-v1")]
        for name in ("one", "other")
    )
    assert exit_bodies(one) == exit_bodies(other) != []


def exit_bodies(bundle) -> list[bytes]:
    return [item.body for part in bundle for item in part if item.name.startswith("egress")]


def test_routes_say_that_they_need_the_exit_and_the_cluster_that_leads_there():
    front = egress.front(External((Outside("a.example", (80,)),)))
    name = "egress/http/a.example:80"
    assert {(resources.CLUSTER, name), (resources.LISTENER, name)} <= front.references


def test_what_remembers_names_is_another_where_other_networks_are_refused():
    assert exits.resolver(("10.0.0.0/8",)).name != exits.resolver(("10.0.0.0/9",)).name


def test_all_changes_of_a_rule_are_routes_and_exits():
    before = held(External((Outside("a.example", (80,)),)))["listeners"]
    after = held(External((Outside("a.example", (80,)), Outside("b.example"))))["listeners"]
    assert {name for name, item in after.items() if before.get(name) != item} == {"egress/http/b.example"}
