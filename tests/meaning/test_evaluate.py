"""Handshakes, access and answers, on configurations written by hand."""

import dataclasses
from fractions import Fraction

import pytest

from tests.meaning import evaluate, rbac, routes
from tests.meaning.payloads import Answered, Arrived, Bytes, Certificate, Closed, Hello, Place, Request, tunnel
from tests.meaning.understood import NotUnderstoodError

URI = "spiffe://m/ns/a/vs/b"
PLAIN, SOCKET = Request("a"), Request("a", headers=(("upgrade", "websocket"),))
INTERNAL = {"envoy_internal_address": {"server_listener_name": "inner"}}
MEMBER, STRANGER = Certificate("m", (URI,)), Certificate("m", ("spiffe://m/other",))
FORGED = Certificate("elsewhere", (URI,))
SECRETS = {"identity": MEMBER, "authorities": frozenset({"m"})}
HERE, APPLICATION, OTHER = Place("1.1.1.1", 80), Place("1.1.1.2", 80), Place("1.1.1.3", 80)
HTTP = "type.googleapis.com/envoy.extensions.filters.http"
NETWORK = "type.googleapis.com/envoy.extensions.filters.network"
CLOSED = {"typed_config": {"@type": f"{HTTP}.rbac.v3.RBAC", "rules": {}}, "name": "rbac"}
ROUTER = {"typed_config": {"@type": f"{HTTP}.router.v3.Router"}, "name": "router"}


def policy(*principals):
    return {"policies": {"p": {"permissions": [{"any": True}], "principals": [*principals]}}}


NAMED = {"authenticated": {"principal_name": {"exact": URI}}}


def socket(kind="Downstream", **fields):
    trust = {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": URI}}]}
    common = {
        "tls_certificate_sds_secret_configs": [{"name": "identity"}],
        "combined_validation_context": {
            "default_validation_context": trust,
            "validation_context_sds_secret_config": {"name": "authorities"},
        },
    }
    url = f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}TlsContext"
    return {"typed_config": {"@type": url, "common_tls_context": common, **fields}}


def address(place):
    return {"socket_address": {"address": place.address, "port_value": place.port}}


def cluster(name, *places, **fields):
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(place)}} for place in places]}]
    return {"name": name, "load_assignment": {"endpoints": endpoints}, **fields}


def tcp(**fields):
    return {"name": "tcp", "typed_config": {"@type": f"{NETWORK}.tcp_proxy.v3.TcpProxy", "cluster": "app", **fields}}


def manager(*filters, **fields):
    url = f"{NETWORK}.http_connection_manager.v3.HttpConnectionManager"
    rds = {"route_config_name": "r"}
    return {"name": "hcm", "typed_config": {"@type": url, "rds": rds, "http_filters": [*filters, ROUTER], **fields}}


TO_APPLICATION = (cluster("app", APPLICATION),)


def network(chains, hosts=(), clusters=TO_APPLICATION, **listener):
    made = {"l": {"address": address(HERE), "filter_chains": chains, **listener}}
    table = routes.table({"virtual_hosts": hosts})
    proxy = evaluate.Proxy("p", made, {"r": table}, {one["name"]: one for one in clusters}, {}, SECRETS)
    return evaluate.network([proxy], {APPLICATION: "app", OTHER: "other"})


def sole(chances):
    ((outcome, chance),) = chances.items()
    assert chance == 1
    return outcome


# ---------------------------------------------------------------------------- handshakes


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (Hello(Bytes(), certificate=MEMBER), None),
        (Hello(Bytes(), certificate=STRANGER), "client certificate is not trusted"),
        (Hello(Bytes(), certificate=FORGED), "client certificate is not trusted"),
        (Hello(Bytes()), "no client certificate"),
        (Hello(Bytes(), certificate=MEMBER, takes=lambda _: False), "server certificate is not trusted"),
        (Bytes(), "no handshake"),
    ],
)
def test_only_a_certificate_that_is_trusted_opens_a_connection(payload, why):
    chain = {"transport_socket": socket(require_client_certificate=True), "filters": [tcp()]}
    expected = Closed(why) if why else Arrived("app", 80, Bytes())
    assert sole(evaluate.sent(network([chain]), HERE, payload)) == expected


def test_a_proxy_takes_nobody_for_its_upstream_but_who_is_named():
    upstream = cluster("app", OTHER, transport_socket=socket("Upstream"))
    arrived = sole(evaluate.sent(network([{"filters": [tcp()]}], clusters=[upstream]), HERE, Bytes()))
    assert [arrived.payload.takes(shown) for shown in (MEMBER, STRANGER, FORGED)] == [True, False, False]
    assert arrived.payload.certificate == MEMBER


def test_who_waits_for_the_server_is_closed_by_an_inspector_unless_it_goes_on():
    url = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    inspected = {"listener_filters": [{"typed_config": {"@type": url}}]}
    chains = [{"filters": [tcp()]}]
    waiting = network(chains, **inspected), network(chains, **inspected, continue_on_listener_filters_timeout=True)
    outcomes = [sole(evaluate.sent(each, HERE, Bytes(is_first=False))) for each in waiting]
    assert outcomes == [Closed("listener filters time out"), Arrived("app", 80, Bytes(is_first=False))]


def test_nobody_listens_where_nobody_is():
    assert sole(evaluate.sent(network([]), Place("9.9.9.9", 80), Bytes())) == Closed("nobody listens")


# ---------------------------------------------------------------------------- access


@pytest.mark.parametrize(
    ("principal", "let_in"),
    [
        ({"any": True}, {"clear", "tls", "named", "stranger"}),
        (NAMED, {"named"}),
        ({"authenticated": {}}, {"tls", "named", "stranger"}),
        ({"not_id": {"authenticated": {}}}, {"clear"}),
    ],
)
def test_a_principal_is_who_it_says(principal, let_in):
    peers = {
        "clear": rbac.Peer(),
        "tls": rbac.Peer(True),
        "named": rbac.Peer(True, MEMBER),
        "stranger": rbac.Peer(True, STRANGER),
    }
    assert {name for name, peer in peers.items() if rbac.lets_in({"rules": policy(principal)}, peer)} == let_in


def test_without_policies_nobody_is_let_in_and_without_rules_everybody():
    assert [rbac.lets_in(access, rbac.Peer()) for access in ({"rules": {}}, {}, {"shadow_rules": {}})] == [
        False,
        True,
        True,
    ]


def test_what_rbac_cannot_say_yet_is_refused():
    with pytest.raises(NotUnderstoodError):
        rbac.lets_in({"rules": {"action": "DENY"}}, rbac.Peer())


def test_the_access_filter_of_connections_asks_nobody_who_waits_for_the_server():
    filters = [{"typed_config": {"@type": f"{NETWORK}.rbac.v3.RBAC", "rules": {}}, "name": "rbac"}, tcp()]
    outcomes = [sole(evaluate.sent(network([{"filters": filters}]), HERE, Bytes(first))) for first in (True, False)]
    assert outcomes == [Closed("rbac_access_denied"), Arrived("app", 80, Bytes(False))]


@pytest.mark.parametrize(("at", "status"), [("route", 200), ("host", 200), ("nowhere", 403)])
def test_a_route_says_more_to_a_filter_than_its_virtual_host_and_that_more_than_the_listener(at, status):
    own = {"typed_per_filter_config": {"rbac": {"rbac": {"rules": policy({"any": True})}}}}
    none = {"typed_per_filter_config": {"rbac": {"rbac": {"rules": {}}}}} if at == "route" else {}
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}, **(own if at == "route" else {})}
    host = {"domains": ["*"], "routes": [route], **(own if at == "host" else none)}
    made = network([{"filters": [manager(CLOSED)]}], [host])
    assert sole(evaluate.sent(made, HERE, Request("a"))).status == status


# ---------------------------------------------------------------------------- requests


def routed(action, request=PLAIN, clusters=TO_APPLICATION, **fields):
    hosts = [{"domains": ["a"], "routes": [{"match": {"prefix": "/"}, "route": action}]}]
    return evaluate.sent(network([{"filters": [manager(**fields)]}], hosts, clusters), HERE, request)


CONNECT = [{"upgrade_type": "CONNECT", "connect_config": {}}]


@pytest.mark.parametrize(
    ("route", "manager_", "expected"),
    [
        ({"upgrade_configs": CONNECT}, {}, Arrived("app", 80, Bytes())),
        ({"upgrade_configs": CONNECT}, {"upgrade_configs": CONNECT}, Arrived("app", 80, Bytes())),
        ({}, {"upgrade_configs": [{"upgrade_type": "websocket"}]}, Answered(403, "upgrade_failed")),
    ],
)
def test_a_tunnel_is_opened_where_a_route_or_its_manager_allows_it(route, manager_, expected):
    action = {"match": {"connect_matcher": {}}, "route": {"cluster": "app", **route}}
    made = network([{"filters": [manager(**manager_)]}], [{"domains": ["a"], "routes": [action]}])
    assert sole(evaluate.sent(made, HERE, tunnel("a", Bytes()))) == expected


def test_a_websocket_passes_where_it_is_allowed():
    found = sole(routed({"cluster": "app"}, SOCKET, upgrade_configs=[{"upgrade_type": "websocket"}]))
    assert found == Arrived("app", 80, SOCKET)


def test_a_listener_inside_of_a_proxy_is_found_by_its_name():
    inside = {"name": "in", "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": INTERNAL}}]}]}}
    made = network([{"filters": [tcp(cluster="in")]}], clusters=[inside, *TO_APPLICATION])
    (proxy, _) = made.bound[HERE]
    listeners = {**proxy.listeners, "inner": {"internal_listener": {}, "filter_chains": [{"filters": [tcp()]}]}}
    both = evaluate.network([dataclasses.replace(proxy, listeners=listeners)], made.applications)
    assert sole(evaluate.sent(both, HERE, Bytes())) == Arrived("app", 80, Bytes())


def test_weights_are_chances():
    both = [cluster("one", APPLICATION), cluster("two", OTHER)]
    shares = [{"name": "one", "weight": 90}, {"name": "two", "weight": 10}, {"name": "three"}]
    found = routed({"weighted_clusters": {"clusters": shares}}, clusters=both)
    assert {outcome.at: chance for outcome, chance in found.items()} == {
        "app": Fraction(9, 10),
        "other": Fraction(1, 10),
    }


@pytest.mark.parametrize(
    ("clusters", "details"),
    [
        ([], "cluster_not_found"),
        ([cluster("app")], "no_healthy_upstream"),
        ([cluster("app", Place("9.9.9.9", 1))], "nobody listens"),
    ],
)
def test_a_request_that_cannot_be_sent_on_is_answered_503(clusters, details):
    assert sole(routed({"cluster": "app"}, clusters=clusters)) == Answered(503, details)


@pytest.mark.parametrize(
    ("codec", "version", "is_spoken"),
    [("AUTO", 1, True), ("AUTO", 2, True), ("HTTP1", 2, False), ("HTTP2", 1, False), ("HTTP2", 2, True)],
)
def test_a_codec_reads_its_own_version(codec, version, is_spoken):
    found = sole(routed({"cluster": "app"}, Request("a", version=version), codec_type=codec))
    assert isinstance(found, Arrived) is is_spoken


@pytest.mark.parametrize(
    ("fields", "request_", "expected"),
    [
        ({}, Request("a:80"), 404),
        ({"strip_any_host_port": True}, Request("a:80"), "/"),
        ({"strip_trailing_host_dot": True}, Request("a."), "/"),
        ({"normalize_path": True}, Request("a", "/b/../c/./d"), "/c/d"),
        ({"normalize_path": True}, Request("a", "/b/.."), "/"),
        ({"merge_slashes": True}, Request("a", "//b//c/?x=//"), "/b/c/?x=//"),
        ({"path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"}, Request("a", "/a%2fb"), 307),
        (
            {"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}},
            Request("a", headers=(("a_b", ""),)),
            400,
        ),
        ({}, Request("a", headers=(("upgrade", "websocket"),)), 403),
    ],
)
def test_a_request_is_put_into_the_form_that_is_asked_for(fields, request_, expected):
    found = sole(routed({"cluster": "app"}, request_, **fields))
    assert (found.payload.path if isinstance(found, Arrived) else found.status) == expected


def test_what_a_proxy_says_itself_is_said_in_its_own_words():
    def mapper(expression, text):
        cel = {"extension_filter": {"typed_config": {"expression": expression}}}
        return {"filter": cel, "body_format_override": {"text_format_source": {"inline_string": text}}}

    mappers = [
        mapper("response.code == 404 && response.code_details == 'other'", "no"),
        mapper("response.code_details.startsWith('route_')", "%REQ(:AUTHORITY)% %DOWNSTREAM_PEER_URI_SAN%"),
    ]
    found = sole(routed({"cluster": "app"}, Request("b"), local_reply_config={"mappers": mappers}))
    assert found == Answered(404, "route_not_found", "b -")
