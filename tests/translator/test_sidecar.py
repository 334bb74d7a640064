"""What a sidecar has of its own: how its application is called, and the words of its denials."""

import pytest

from mesh import graph, mtls
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import compile as compiler
from translator import names

PETS = graphs.sidecar("shop/pets-v1")
LISTENERS = (graphs.listener(80), graphs.listener(9090, Protocol.GRPC, timeout=0, idle=1500))


def bundle(
    mode: mtls.Mode = mtls.Mode.STRICT,
    callers: graph.Callers | None = None,
    listeners: tuple[graph.Listener, ...] = LISTENERS,
    proxy=PETS,
):
    of = graphs.mesh_graph(
        [graphs.service("shop/pets", {}, mode=mode)],
        [graphs.deployment("shop/pets-v1", "shop/pets", *listeners, hostname="pets")],
        callers={"shop/pets": callers} if callers else None,
    )
    return compiler.compiled(of, [proxy]).bundles[proxy]


def manager(parts, name: str):
    return decoded.connection_manager(decoded.named(parts, "listeners", name))


def policies(parts):
    (host,) = decoded.named(parts, "routes", "inbound/80")["virtual_hosts"]
    return host["typed_per_filter_config"]["envoy.filters.http.rbac"]["rbac"]["rules"].get("policies", {})


def callers(*owners, all_services: bool = False) -> graph.Callers:
    return graph.Callers(graphs.DOMAIN, all_services, tuple(map(graphs.caller, owners)))


def test_it_listens_on_the_workload_address_and_nowhere_else():
    bound = [item for item in decoded.bundle(bundle())["listeners"] if "internal_listener" not in item]
    sockets = [item["address"]["socket_address"] for item in bound]
    assert [(item["address"], item["port_value"]) for item in sockets] == [
        ("127.0.1.1", 80),
        ("127.0.1.1", 9090),
        ("127.0.1.1", 15000),
    ]


def test_it_sends_to_the_application_address_and_mapped_ports():
    parts = bundle(proxy=graphs.sidecar("shop/pets-v1", "127.0.1.1", "::1", (80, 8080)))
    found = {
        port: decoded.named(parts, "clusters", f"inbound/{port}")["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
        for port in (80, 9090)
    }
    sockets = {port: item["endpoint"]["address"]["socket_address"] for port, item in found.items()}
    assert sockets == {80: {"address": "::1", "port_value": 8080}, 9090: {"address": "::1", "port_value": 9090}}


def test_the_protocol_of_the_listener_is_spoken_on_both_sides():
    parts = bundle()
    assert manager(parts, "inbound/80")["codec_type"] == "HTTP1"
    assert manager(parts, "inbound/9090")["codec_type"] == "HTTP2"
    for port, option in ((80, "http_protocol_options"), (9090, "http2_protocol_options")):
        (options,) = decoded.named(parts, "clusters", f"inbound/{port}")["typed_extension_protocol_options"].values()
        assert options["explicit_http_config"] == {option: {}}


def test_the_timeouts_of_the_listener_are_written_out():
    (host,) = decoded.named(bundle(), "routes", "inbound/9090")["virtual_hosts"]
    action = {"cluster": "inbound/9090", "timeout": "0s", "idle_timeout": "1.500s"}
    assert host["routes"] == [{"match": {"prefix": "/"}, "route": action}]


def test_routes_come_by_ads_and_are_not_waited_for_without_end():
    for name in ("outbound", "inbound/80"):
        rds = manager(bundle(), name)["rds"]
        assert rds["route_config_name"] == name
        assert rds["config_source"] == {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "15s"}


@pytest.mark.parametrize("mode", [mtls.Mode.STRICT, mtls.Mode.PERMISSIVE])
def test_the_listener_lets_nobody_in_and_the_routes_say_who_may(mode):
    parts = bundle(mode, callers(graphs.vs("shop/web")))
    for found in decoded.connection_managers(decoded.named(parts, "listeners", "inbound/80")):
        guard, last = found["http_filters"]
        assert guard["name"] == "envoy.filters.http.rbac"
        assert guard["typed_config"]["rules"] == {}
        assert last["name"] == "envoy.filters.http.router"
    assert policies(parts)["identities"]["principals"] == [
        {"authenticated": {"principal_name": {"exact": "spiffe://main.shop.mesh/ns/shop/vs/web"}}}
    ]


def test_without_rules_nobody_is_let_in():
    assert policies(bundle()) == {}


def test_all_services_are_one_pattern_and_gateways_are_none_of_them():
    found = policies(bundle(callers=callers(graphs.ig("shop/edge"), all_services=True)))
    assert found["all-services"]["principals"] == [
        {
            "authenticated": {
                "principal_name": {"safe_regex": {"regex": "spiffe://main[.]shop[.]mesh/ns/[^/]+/vs/[^/]+"}}
            }
        }
    ]
    assert found["identities"]["principals"] == [
        {"authenticated": {"principal_name": {"exact": "spiffe://main.shop.mesh/ns/shop/ig/edge"}}}
    ]


def test_permissive_lets_callers_in_clear_in_and_counts_them_apart():
    assert policies(bundle(mtls.Mode.PERMISSIVE)) == {
        "plaintext": {"permissions": [{"any": True}], "principals": [{"not_id": {"authenticated": {}}}]}
    }


def test_disabled_judges_nobody():
    parts = bundle(mtls.Mode.DISABLED)
    assert [item["name"] for item in manager(parts, "inbound/80")["http_filters"]] == ["envoy.filters.http.router"]
    (host,) = decoded.named(parts, "routes", "inbound/80")["virtual_hosts"]
    assert "typed_per_filter_config" not in host


@pytest.mark.parametrize(
    ("listener", "caller", "condition"),
    [
        ("outbound", "shop/pets", "response.code == 403 && response.code_details == 'direct_response'"),
        ("inbound/80", "%DOWNSTREAM_PEER_URI_SAN%", "response.code_details.startsWith('rbac_access_denied')"),
    ],
)
def test_a_denial_says_who_may_not_reach_what_and_which_proxy_says_so(listener, caller, condition):
    (mapper,) = manager(bundle(), listener)["local_reply_config"]["mappers"]
    assert mapper["filter"]["extension_filter"]["typed_config"]["expression"] == condition
    assert mapper["body_format_override"]["text_format_source"] == {
        "inline_string": f"no access policy lets {caller} reach %REQ(:AUTHORITY)%\n"
    }
    (header,) = mapper["headers_to_add"]
    assert header["header"] == {"key": names.DENIED_BY, "value": "shop/pets"}


def test_nothing_of_the_routes_of_outbound_calls_speaks_of_the_caller():
    of = graphs.mesh_graph(
        [graphs.service("shop/a", {}), graphs.service("shop/b", {})],
        [graphs.deployment("shop/a", "shop/a"), graphs.deployment("shop/b", "shop/b")],
    )
    one, other = graphs.sidecar("shop/a"), graphs.sidecar("shop/b", "127.0.1.2")
    bundles = compiler.compiled(of, [one, other]).bundles
    assert {id(part) for part in bundles[one]} & {id(part) for part in bundles[other]}
