"""How connections are received: the ways in by mode and protocol, and who may shake hands."""

import pytest

from mesh import graph, mtls
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import compile as compiler

PETS = graphs.sidecar("shop/pets-v1")
HTTP, GRPC, TCP = graphs.listener(80), graphs.listener(81, Protocol.GRPC), graphs.listener(82, Protocol.TCP, idle=1500)
TLS = graphs.listener(83, Protocol.TLS_PASSTHROUGH)
MEMBERS = {"safe_regex": {"regex": "spiffe://main[.]shop[.]mesh/ns/[^/]+/(vs|ig)/[^/]+"}}
SECURED = (mtls.Mode.PERMISSIVE, mtls.Mode.STRICT)


def callers(*owners, all_services: bool = False, audit: bool = False) -> graph.Callers:
    enforcement = graph.Enforcement.AUDIT if audit else graph.Enforcement.ENFORCE
    return graph.Callers(graphs.DOMAIN, all_services, tuple(map(graphs.caller, owners)), enforcement)


NOBODY = callers()


def bundle(mode: mtls.Mode, given: graph.Callers = NOBODY):
    of = graphs.mesh_graph(
        [graphs.service("shop/pets", {}, mode=mode)],
        [graphs.deployment("shop/pets-v1", "shop/pets", HTTP, GRPC, TCP, TLS, hostname="pets")],
        callers={"shop/pets": given},
    )
    return compiler.compiled(of, [PETS]).bundles[PETS]


def listener(port: int, mode: mtls.Mode, given: graph.Callers = NOBODY):
    return decoded.named(bundle(mode, given), "listeners", f"inbound/{port}")


def tls(chain):
    return chain["transport_socket"]["typed_config"]


def peers(chain) -> list[object]:
    context = tls(chain)["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    assert all(item["san_type"] == "URI" for item in context["match_typed_subject_alt_names"])
    return [item["matcher"] for item in context["match_typed_subject_alt_names"]]


def exact(*uris: str) -> list[object]:
    return [{"exact": f"spiffe://main.shop.mesh/{uri}"} for uri in uris]


@pytest.mark.parametrize("port", [80, 81, 82, 83])
def test_strict_has_one_way_in_and_asks_for_a_certificate(port):
    found = listener(port, mtls.Mode.STRICT)
    (chain,) = found["filter_chains"]
    assert "filter_chain_match" not in chain
    assert "listener_filters" not in found
    assert tls(chain)["require_client_certificate"] is True


@pytest.mark.parametrize("port", [80, 81, 82, 83])
def test_disabled_has_one_way_in_and_that_is_in_clear(port):
    found = listener(port, mtls.Mode.DISABLED)
    (chain,) = found["filter_chains"]
    assert "transport_socket" not in chain
    assert "listener_filters" not in found


@pytest.mark.parametrize(
    ("port", "silence", "goes_on"),
    [(80, "10s", None), (81, "10s", None), (82, "1s", True), (83, "10s", None)],
    ids=["http", "grpc", "tcp", "tls"],
)
def test_permissive_tells_the_mesh_by_what_it_offers_and_takes_all_else_as_it_is(port, silence, goes_on):
    found = listener(port, mtls.Mode.PERMISSIVE)
    secured, clear = found["filter_chains"]
    assert secured["filter_chain_match"] == {"application_protocols": ["meshloom"]}
    assert tls(secured)["require_client_certificate"] is True
    assert not {"filter_chain_match", "transport_socket"} & clear.keys()
    (inspector,) = found["listener_filters"]
    assert inspector["name"] == "envoy.filters.listener.tls_inspector"
    assert (found["listener_filters_timeout"], found.get("continue_on_listener_filters_timeout")) == (silence, goes_on)


@pytest.mark.parametrize("mode", SECURED)
@pytest.mark.parametrize("port", [80, 81, 82, 83])
def test_a_handshake_has_ten_seconds_and_no_session_spares_it(port, mode):
    chain = listener(port, mode)["filter_chains"][0]
    assert chain["transport_socket_connect_timeout"] == "10s"
    assert tls(chain)["disable_stateless_session_resumption"] is True
    assert tls(chain)["disable_stateful_session_resumption"] is True


@pytest.mark.parametrize(("port", "listed"), [(80, None), (81, ["h2"]), (82, None), (83, None)])
def test_servers_never_list_what_the_mesh_is_told_by(port, listed):
    (chain,) = listener(port, mtls.Mode.STRICT)["filter_chains"]
    assert tls(chain)["common_tls_context"].get("alpn_protocols") == listed


@pytest.mark.parametrize("mode", SECURED)
def test_every_member_may_send_requests_to_be_judged_by_the_routes(mode):
    assert peers(listener(80, mode, callers(graphs.vs("shop/web")))["filter_chains"][0]) == [MEMBERS]


@pytest.mark.parametrize("mode", SECURED)
@pytest.mark.parametrize("port", [82, 83])
def test_who_may_open_a_connection_of_bytes_is_told_by_the_handshake(port, mode):
    named = callers(graphs.vs("shop/web"), graphs.ig("shop/edge"), all_services=True)
    everyone = {"safe_regex": {"regex": "spiffe://main[.]shop[.]mesh/ns/[^/]+/vs/[^/]+"}}
    assert peers(listener(port, mode, named)["filter_chains"][0]) == [
        everyone,
        *exact("ns/shop/vs/web", "ns/shop/ig/edge"),
    ]


@pytest.mark.parametrize("port", [82, 83])
def test_without_rules_nobody_shakes_hands(port):
    assert peers(listener(port, mtls.Mode.STRICT)["filter_chains"][0]) == exact("nobody")


def test_a_tcp_connection_goes_to_the_application_and_ends_when_nothing_is_said():
    (chain,) = listener(82, mtls.Mode.DISABLED)["filter_chains"]
    (only,) = chain["filters"]
    proxy = only["typed_config"]
    assert (proxy["cluster"], proxy["idle_timeout"], proxy["stat_prefix"]) == ("inbound/82", "1.500s", "inbound/82")


def test_connections_in_clear_are_counted_apart_where_there_are_others():
    secured, clear = listener(82, mtls.Mode.PERMISSIVE)["filter_chains"]
    assert secured["filters"][-1]["typed_config"]["stat_prefix"] == "inbound/82"
    (only,) = clear["filters"]
    assert only["typed_config"]["stat_prefix"] == "inbound/82/plaintext"


def test_a_rule_touches_the_ports_of_bytes_and_the_routes_and_no_other_listener():
    before = {(item.type_url, item.name): item for part in bundle(mtls.Mode.STRICT) for item in part}
    after = bundle(mtls.Mode.STRICT, callers(graphs.vs("shop/web")))
    changed = {item.name for part in after for item in part if before[item.type_url, item.name] != item}
    assert changed == {"inbound/80", "inbound/81", "inbound/82", "inbound/83"}
    listeners = [item for part in after for item in part if item.type_url.endswith("Listener")]
    assert [item.name for item in listeners if before[item.type_url, item.name] != item] == ["inbound/82", "inbound/83"]


# ---------------------------------------------------------------------------- audit


def rbac(given: graph.Callers, mode: mtls.Mode = mtls.Mode.STRICT):
    (host,) = decoded.named(bundle(mode, given), "routes", "inbound/80")["virtual_hosts"]
    return host["typed_per_filter_config"]["envoy.filters.http.rbac"]["rbac"]


def test_in_audit_requests_are_watched_by_the_rules_that_would_be_enforced():
    watched, enforced = (rbac(callers(graphs.vs("shop/web"), audit=audit)) for audit in (True, False))
    assert "rules" not in watched
    assert watched["shadow_rules"] == enforced["rules"]
    assert watched["track_per_rule_stats"] is enforced["track_per_rule_stats"] is True


def test_in_audit_the_door_of_the_listener_stays_closed_for_whom_no_route_speaks():
    (chain,) = listener(80, mtls.Mode.STRICT, callers(audit=True))["filter_chains"]
    guard, _ = chain["filters"][0]["typed_config"]["http_filters"]
    assert guard["typed_config"]["rules"] == {}


def test_in_audit_every_member_opens_tcp_connections():
    assert peers(listener(82, mtls.Mode.STRICT, callers(audit=True))["filter_chains"][0]) == [MEMBERS]


@pytest.mark.parametrize("audit", [True, False])
def test_tcp_connections_are_counted_by_whether_a_policy_allows_them(audit):
    (chain,) = listener(82, mtls.Mode.STRICT, callers(graphs.vs("shop/web"), audit=audit))["filter_chains"]
    watch, _ = chain["filters"]
    config = watch["typed_config"]
    assert "rules" not in config
    principals = config["shadow_rules"]["policies"]["identities"]["principals"]
    assert principals == [{"authenticated": {"principal_name": exact("ns/shop/vs/web")[0]}}]
