"""The doors of a gateway: which chain takes a connection, and what stands behind it."""

import pytest

from mesh import graph
from mesh.problems import Ref
from tests.translator import decoded, graphs
from tests.translator.graphs import forward, route
from translator import access_log, gateway_doors, proxies, resources
from translator import compile as compiler

EDGE = proxies.Gateway(graphs.ig("shop/edge"), "10.0.0.1")
OWN = access_log.Owner(graphs.ig("shop/edge"), graphs.MESH, "spiffe://edge")
CERTIFICATE, CLIENTS = Ref("Secret", "shop", "edge"), Ref("Secret", "shop", "clients")
TLS = graph.GatewayTls(CERTIFICATE)
MUTUAL = graph.GatewayTls(CERTIFICATE, CLIENTS, ("till.example.com", "urn:till:1", "a@b.c", "10.0.0.7", "2001:DB8::7"))
TO_PETS = (route(forward("shop/pets-v1:80")),)
CONDUIT = graph.Conduit((graphs.share("shop/pets-v1:82=1"),), 1000)


def host(name: str, tls: graph.GatewayTls | None = TLS, *names: str, in_clear: bool = False) -> graph.GatewayHost:
    return graph.GatewayHost(name, names or (f"{name}.example",), TO_PETS, tls, in_clear or tls is None)


def parts(*ports: graph.GatewayPort):
    of = graphs.mesh_graph(
        [graphs.service("shop/pets", {80: TO_PETS}, ["pets"], ["shop/pets-v1"])],
        [graphs.deployment("shop/pets-v1", "shop/pets", graphs.listener(80), hostname="pets")],
        [
            graph.Gateway(
                graphs.ig("shop/edge"), "edge", graphs.MESH, graphs.caller(graphs.ig("shop/edge")), False, ports
            )
        ],
    )
    return compiler.compiled(of, [EDGE]).bundles[EDGE]


def chains(port: graph.GatewayPort) -> list[tuple[tuple[str, ...], str, str]]:
    """Return of each chain the names that lead to it, in clear or by TLS, and what it asks for."""
    listener = decoded.named(parts(port), "listeners", f"gateway/{port.port}")
    found = []
    for chain in listener["filter_chains"]:
        match, (only,) = chain.get("filter_chain_match", {}), chain["filters"]
        asked = only["typed_config"]["rds"]["route_config_name"] if "typed_config" in only else only["name"]
        found.append((tuple(match.get("server_names", ())), match.get("transport_protocol", ""), asked))
    return found


def statuses(port: graph.GatewayPort, name: str) -> dict[str, str]:
    return decoded.by_domain(decoded.named(parts(port), "routes", name))


# ---------------------------------------------------------------------------- chains


def test_each_host_has_a_chain_of_its_own_by_the_name_that_is_asked_for() -> None:
    port = graph.GatewayPort(8443, (host("a"), host("b", TLS, "b.example", "*.b.example"), host("c", None)))
    assert chains(port) == [
        (("a.example",), "tls", "gateway/8443/a.example"),
        (("b.example", "*.b.example"), "tls", "gateway/8443/b.example"),
        ((), "raw_buffer", "gateway/8443"),
    ]


def test_where_nothing_is_tls_nothing_is_inspected() -> None:
    port = graph.GatewayPort(8080, (host("a", None),))
    assert chains(port) == [((), "", "gateway/8080")]
    assert "listener_filters" not in decoded.named(parts(port), "listeners", "gateway/8080")


def test_who_asks_for_no_name_gets_the_host_of_all_names_or_else_of_an_address() -> None:
    everything, address = host("all", TLS, "*"), host("address", TLS, "10.0.0.1", "x.example")
    assert chains(graph.GatewayPort(8443, (address, everything))) == [
        (("x.example",), "tls", "gateway/8443/10.0.0.1"),
        ((), "tls", "gateway/8443/*"),
    ]
    assert chains(graph.GatewayPort(8443, (host("a"), address))) == [
        (("a.example",), "tls", "gateway/8443/a.example"),
        (("x.example",), "tls", "gateway/8443/10.0.0.1"),
        ((), "tls", "gateway/8443/10.0.0.1"),
    ]


def test_connections_that_pass_have_a_filter_that_comes_by_itself() -> None:
    port = graph.GatewayPort(8443, (), (graph.GatewayPassage(("v.example",), CONDUIT),))
    assert chains(port) == [(("v.example",), "tls", "gateway/8443/v.example")]
    found = decoded.named(parts(port), "filters", "gateway/8443/v.example")["typed_config"]
    assert [one["name"] for one in found["weighted_clusters"]["clusters"]] == ["outbound/shop/pets-v1/82"]


@pytest.mark.parametrize(
    ("tls", "in_clear", "transports", "silence"),
    [(None, True, [""], None), (TLS, False, [""], None), (TLS, True, ["tls", "raw_buffer"], "1s")],
)
def test_tcp_is_inspected_only_where_both_may_come(tls, in_clear, transports, silence) -> None:
    port = graph.GatewayPort(5432, tcp=graph.GatewayTcp(CONDUIT, tls, in_clear))
    assert [transport for _, transport, _ in chains(port)] == transports
    assert decoded.named(parts(port), "listeners", "gateway/5432").get("listener_filters_timeout") == silence


def test_connections_that_go_nowhere_are_counted_by_the_reason() -> None:
    port = graph.GatewayPort(5432, tcp=graph.GatewayTcp(graph.Conduit(reason="no-rule")))
    found = decoded.named(parts(port), "filters", "gateway/5432")["typed_config"]
    assert (found["stat_prefix"], found["cluster"]) == ("gateway/5432/no-rule", "nobody")


# ---------------------------------------------------------------------------- TLS


def context(tls: graph.GatewayTls):
    listener = decoded.named(parts(graph.GatewayPort(8443, (host("a", tls),))), "listeners", "gateway/8443")
    return listener["filter_chains"][0]["transport_socket"]["typed_config"]


def test_the_certificate_comes_under_a_name_of_its_own_and_clients_need_none() -> None:
    found = context(TLS)
    common = found["common_tls_context"]
    assert [one["name"] for one in common["tls_certificate_sds_secret_configs"]] == ["gateway/shop/edge"]
    assert common["alpn_protocols"] == ["h2", "http/1.1"]
    assert common["tls_params"]["tls_minimum_protocol_version"] == "TLSv1_2"
    assert "require_client_certificate" not in found


def test_of_a_client_s_certificate_one_name_is_wanted_each_as_the_sort_that_it_is() -> None:
    found = context(MUTUAL)
    assert found["require_client_certificate"] is True
    assert found["disable_stateless_session_resumption"] is True
    assert found["disable_stateful_session_resumption"] is True
    combined = found["common_tls_context"]["combined_validation_context"]
    assert combined["validation_context_sds_secret_config"]["name"] == "gateway/shop/clients/authorities"
    wanted = combined["default_validation_context"]["match_typed_subject_alt_names"]
    assert [(one["san_type"], *one["matcher"].values()) for one in wanted] == [
        ("DNS", {"regex": r"(?i)till\.example\.com"}),
        ("URI", "urn:till:1"),
        ("EMAIL", "a@b.c"),
        ("IP_ADDRESS", "10.0.0.7"),
        ("IP_ADDRESS", "2001:db8::7"),
    ]


def test_a_listener_waits_for_all_that_it_asks_for() -> None:
    port = graph.GatewayPort(
        8443, (host("a", MUTUAL), host("b", None)), (graph.GatewayPassage(("v.example",), CONDUIT),)
    )
    assert {*gateway_doors.door(OWN, port).references} == {
        (resources.ROUTES, "gateway/8443/a.example"),
        (resources.SECRET, "gateway/shop/edge"),
        (resources.SECRET, "gateway/shop/clients/authorities"),
        (resources.FILTER, "gateway/8443/v.example"),
        (resources.ROUTES, "gateway/8443"),
    }


# ---------------------------------------------------------------------------- routes


def test_a_way_in_serves_the_hosts_that_ask_as_much_and_sends_the_others_away() -> None:
    hosts = (host("a"), host("b"), host("c", MUTUAL), host("d", None), host("e", TLS, in_clear=True))
    port = graph.GatewayPort(8443, hosts, (graph.GatewayPassage(("v.example",), CONDUIT),), None, ("w.example",))
    away = {f"{name}.example": "misdirected" for name in "vw"}
    c, d = {"c.example": "misdirected"}, {"d.example": "misdirected"}
    by_tls = {f"{name}.example": name for name in "abe"}
    assert statuses(port, "gateway/8443/a.example") == {**by_tls, **c, **d, **away}
    assert statuses(port, "gateway/8443/c.example") == {
        "c.example": "c", **dict.fromkeys(by_tls, "misdirected"), **d, **away,
    }  # fmt: skip
    assert statuses(port, "gateway/8443") == {
        "d.example": "d", "e.example": "e", "a.example": "misdirected", "b.example": "misdirected", **c, **away,
    }  # fmt: skip


def test_applications_are_told_whose_certificate_was_seen_and_nothing_that_a_client_says() -> None:
    port = graph.GatewayPort(8443, (host("a"), host("c", MUTUAL)))
    proven = decoded.named(parts(port), "routes", "gateway/8443/c.example")
    (added,) = proven["request_headers_to_add"]
    assert added["header"] == {"key": "x-meshloom-client-cert", "value": "%REQ(X-FORWARDED-CLIENT-CERT)%"}
    for name in ("gateway/8443/a.example", "gateway/8443/c.example"):
        assert "x-meshloom-client-cert" in decoded.named(parts(port), "routes", name)["request_headers_to_remove"]


def test_what_is_behind_a_port_does_not_touch_its_listener() -> None:
    one = graph.GatewayPort(8443, (host("a"),), (graph.GatewayPassage(("v.example",), CONDUIT),))
    other = graph.GatewayPort(
        8443,
        (graph.GatewayHost("a", ("a.example",), (), TLS, False),),
        (graph.GatewayPassage(("v.example",), graph.Conduit(reason="no-rule")),),
    )
    ones, others = (
        [item for part in parts(port) for item in part if item.type_url == resources.LISTENER] for port in (one, other)
    )
    assert ones == others
