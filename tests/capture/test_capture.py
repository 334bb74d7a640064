"""Applications that know nothing of proxies, led through them by the kernel."""

import contextlib
import functools
import socket
import ssl

import pytest

from meshloom.demo.waiting import wait_until
from tests.capture import worlds
from tests.capture.worlds import BEHIND_OUTSIDER, CLOSED, EXCLUDED, OPEN, OUTSIDER, PASSED, PROXY, SERVICES, World

FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
WEB = "spiffe://main.shop.mesh/ns/shop/vs/web"
NO_DESTINATION = "tcp.outbound/no-allowed-destination.downstream_cx_no_route"


def own(world: World, name: str, family: int) -> str:
    """Return an address of a namespace."""
    space = world.spaces[name]
    return (space.four, space.six)[family]


def banner(connection: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionError):
        while not got.endswith(b"\n") and (more := connection.recv(4096)):
            got += more
    return got


def echoed(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    return banner(connection)


def version(world: World, host: str, port: int, name: str = "", caller: str = "web") -> str:
    reply = world.get(caller, host, port, name)
    return reply.json()["version"] if reply.status == 200 else f"{reply.status} {reply.text}"


# ---------------------------------------------------------------------------- requests


@FAMILIES
def test_a_request_to_the_address_of_a_service_follows_its_routes(world, family):
    host = SERVICES["pets"][family]
    assert version(world, host, 8080, "pets") == "pets-v1"
    assert version(world, host, 8080, "pets.shop:8080") == "pets-v1"
    assert version(world, host, 8080) == "pets-v1"  # the address itself is asked for


def test_weights_decide_and_their_edit_is_followed(world):
    host = SERVICES["pets"][0]
    world.write("routes.yaml", [worlds.weights(0, 100)])
    wait_until(lambda: version(world, host, 8080, "pets") == "pets-v2", "the new weights")
    world.write("routes.yaml", [worlds.weights(50, 50)])
    wait_until(lambda: version(world, host, 8080, "pets") == "pets-v1", "the other half")
    assert {version(world, host, 8080, "pets") for _ in range(40)} == {"pets-v1", "pets-v2"}
    world.write("routes.yaml", [worlds.weights(100, 0)])
    wait_until(lambda: {version(world, host, 8080, "pets") for _ in range(8)} == {"pets-v1"}, "the old weights")


@FAMILIES
def test_proxies_prove_to_each_other_who_they_are(world, family):
    reply = world.get("web", SERVICES["pets"][family], 8080, "pets", "/?show=headers")
    assert f"URI={WEB}" in reply.json()["headers"]["x-forwarded-client-cert"]


@FAMILIES
@pytest.mark.parametrize("target", ["pets-v1", "pets-v2", "web"])
def test_who_has_no_sidecar_gets_nowhere(world, family, target):
    reply = world.get(OUTSIDER, own(world, target, family), 8080, "pets")
    assert reply.status == 0, reply


def test_who_is_not_allowed_is_told_so_by_its_own_sidecar(world):
    reply = world.get("web", SERVICES["db"][0], 8080, "db")
    assert (reply.status, reply.headers["x-meshloom-denied-by"]) == (403, "shop/web")
    assert reply.text == "no access policy lets shop/web reach db\n"


@FAMILIES
def test_who_may_call_nobody_is_closed_and_counted(world, family):
    before = world.stats("db", NO_DESTINATION)
    assert world.get("db", SERVICES["pets"][family], 8080, "pets").status == 0
    assert world.stats("db", NO_DESTINATION) == before + 1


@FAMILIES
def test_a_service_that_calls_itself_through_its_service_is_its_own_caller(world, family):
    reply = world.get("web", SERVICES["web"][family], 8080, "web", "/?show=headers")
    assert (reply.status, reply.json()["version"]) == (200, "web")
    assert f"URI={WEB}" in reply.json()["headers"]["x-forwarded-client-cert"]


@FAMILIES
def test_loopback_and_the_own_address_are_the_applications_own(world, family):
    for host in (("127.0.0.1", "::1")[family], own(world, "web", family)):
        reply = world.get("web", host, 8080, path="/?show=headers")
        assert "x-forwarded-client-cert" not in reply.json()["headers"]


@FAMILIES
def test_a_headless_service_is_called_by_name_and_by_the_address_of_a_pod(world, family):
    host = own(world, "cache", family)
    assert version(world, host, 9090, "cache") == "cache"
    assert version(world, host, 9090) == "cache"


# ---------------------------------------------------------------------------- connections


@FAMILIES
def test_tcp_beside_http_on_one_port_is_told_by_its_address(world, family):
    with world.dial("web", own(world, "cache", family), 8080) as connection:
        assert banner(connection) == b"cache:8080\n"
    assert version(world, SERVICES["pets"][family], 8080, "pets") == "pets-v1"


@FAMILIES
def test_two_services_of_tcp_share_a_port(world, family):
    for host, said in ((SERVICES["db"][family], b"db:5432\n"), (own(world, "cache", family), b"cache:5432\n")):
        with world.dial("web", host, 5432) as connection:
            assert banner(connection) == said
            assert echoed(connection, b"hello\n") == b"hello\n"


@FAMILIES
def test_a_port_of_tcp_elsewhere_is_nobodys(world, family):
    before = world.stats("web", NO_DESTINATION)
    with world.dial("web", own(world, OUTSIDER, family), 5432) as connection:
        assert banner(connection) == b""
    assert world.stats("web", NO_DESTINATION) == before + 1


def test_an_edit_of_one_service_leaves_the_connections_of_others(world):
    """Pets gets a port and then loses it; connections of its callers to others, and those that others opened, go on."""
    before = worlds.objects(world.spaces)
    more = [_with_port(item) if item["metadata"]["name"].startswith("pets-") else item for item in before]
    flows = [world.dial("web", host, 5432) for host in (SERVICES["db"][0], own(world, "cache", 0))]
    with contextlib.ExitStack() as stack:
        for flow in flows:
            stack.enter_context(flow)
            assert banner(flow)
        for items, is_there in ((more, 1), (before, 0)):
            world.write("mesh.yaml", items)
            wait_until(functools.partial(_has_port, world, is_there=bool(is_there)), "the port of pets")
            wait_until(lambda: world.stats("web", "listener_manager.total_listeners_draining") == 0, "what drains")
            for flow in flows:
                assert echoed(flow, b"still here\n") == b"still here\n"


def _with_port(item):
    listeners = [*item["spec"]["listener"], {"protocol": "HTTP", "port": 8081}]
    return {**item, "spec": {**item["spec"], "listener": listeners}}


def _has_port(world: World, *, is_there: bool) -> bool:
    return _listens(world, "outbound/8081") is is_there


def _listens(world: World, name: str) -> bool:
    listeners = world.spaces["web"].do(lambda: worlds.traffic.reply("127.0.0.1", 9901, "/listeners?format=json"))
    return name in [one["name"] for one in listeners.json()["listener_statuses"]]


# ---------------------------------------------------------------------------- out of the mesh


def handshake(world: World, name: str, family: int) -> bytes:
    """Return what is said after a handshake with this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = world.dial("web", own(world, OUTSIDER, family), 443)
    with contextlib.suppress(OSError), connection, context.wrap_socket(connection, server_hostname=name) as inside:
        return banner(inside)
    return b""


@FAMILIES
def test_handshakes_leave_by_the_names_in_them(world, family):
    assert handshake(world, "api.example.test", family) == b"api.example.test\n"
    assert handshake(world, "other.example.test", family) == b"other.example.test\n"
    before = world.stats("web", "tcp.outbound/443/no-allowed-host.downstream_cx_no_route")
    assert handshake(world, "api.example.org", family) == b""
    assert world.stats("web", "tcp.outbound/443/no-allowed-host.downstream_cx_no_route") == before + 1


@FAMILIES
def test_requests_leave_by_the_host_they_name_wherever_they_were_sent(world, family):
    for host in (own(world, OUTSIDER, family), SERVICES["pets"][family]):
        assert version(world, host, 8000, "api.example.test:8000") == OUTSIDER
        assert version(world, host, 8000, "other.example.test:8000").startswith("403 no access policy lets shop/web")


@FAMILIES
def test_addresses_outside_are_reached_at_the_ports_of_their_rule(world, family):
    with world.dial("web", own(world, OUTSIDER, family), 5433) as connection:
        assert banner(connection) == b"outsider:5433\n"
        assert echoed(connection, b"hello\n") == b"hello\n"
    with world.dial("web", own(world, OUTSIDER, family), 5434) as connection:
        assert banner(connection) == b""
    with world.dial("web", own(world, "db", family), 5433) as connection:
        assert banner(connection) == b""


# ---------------------------------------------------------------------------- what is not captured


def test_the_user_of_the_proxy_is_not_captured_and_others_are(world):
    host = own(world, OUTSIDER, 0)
    assert version(world, host, CLOSED).startswith("0 ")
    assert world.get("web", host, CLOSED, uid=PROXY).json()["version"] == OUTSIDER


@FAMILIES
def test_excluded_ports_are_left_alone_in_their_direction(world, family):
    assert version(world, own(world, OUTSIDER, family), EXCLUDED) == OUTSIDER
    assert version(world, own(world, OUTSIDER, family), OPEN).startswith("0 ")
    assert version(world, own(world, "web", family), OPEN, caller=OUTSIDER) == "web"


def test_excluded_networks_are_left_alone(world):
    assert version(world, BEHIND_OUTSIDER, CLOSED) == OUTSIDER


@FAMILIES
def test_a_port_that_passes_the_proxy_is_open_and_one_that_nobody_named_is_shut(world, family):
    before = world.stats("web", "tcp.inbound/no-such-port.downstream_cx_no_route")
    assert version(world, own(world, "web", family), PASSED, caller=OUTSIDER) == "web"
    assert version(world, own(world, "web", family), CLOSED, caller=OUTSIDER).startswith("0 ")
    assert world.stats("web", "tcp.inbound/no-such-port.downstream_cx_no_route") == before + 1


@FAMILIES
@pytest.mark.parametrize("port", [15000, 15001])
def test_the_ports_of_the_proxy_are_no_way_in(world, family, port):
    assert world.get(OUTSIDER, own(world, "web", family), port, "pets").status == 0


@FAMILIES
def test_statistics_and_health_are_shown_to_everybody(world, family):
    host = own(world, "web", family)
    assert world.get(OUTSIDER, host, 15010, path="/health").status == 200
    assert world.get("pets-v1", host, 15006, path="/stats/prometheus").status == 200


# ---------------------------------------------------------------------------- the program


def test_apply_twice_is_apply_once_and_remove_leaves_nothing(world):
    nothing = rules(world, OUTSIDER)
    world.capture(OUTSIDER, "apply", *worlds.WISHES)
    once = rules(world, OUTSIDER)
    assert world.capture(OUTSIDER, "apply", *worlds.WISHES).stdout.count("already") == 2
    assert rules(world, OUTSIDER) == once
    assert world.capture(OUTSIDER, "show", *worlds.WISHES).returncode == 0
    assert world.capture(OUTSIDER, "show", check=False).returncode == 1
    world.capture(OUTSIDER, "remove")
    assert rules(world, OUTSIDER) == nothing


def rules(world: World, name: str) -> list[str]:
    """Return the chains and rules of a namespace, without what they have counted."""
    saved = [world.spaces[name].run(tool, "-t", "nat").stdout for tool in ("iptables-save", "ip6tables-save")]
    lines = [line for text in saved for line in text.splitlines()]
    return [line.partition(" [")[0] for line in lines if line.startswith((":MESHLOOM", "-"))]
