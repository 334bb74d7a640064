"""TLS at a gateway: which host is shown by which certificate, who is let in, and what a new certificate disturbs."""

import json
import ssl

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from meshloom.demo.waiting import wait_until
from tests import secrets
from tests.envoy import edges, worlds
from tests.envoy.edges import CLIENTS, EDGE, HTTPS, MIXED, OFFICE, STRANGERS

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)

SHOP, EITHER, CLEAR, OFFICE_HOST = "shop.example.com", "either.example.com", "open.example.com", "office.example.com"
TILL = CLIENTS.pair(secrets.uri("urn:till:1"), secrets.dns("x.example.com"), subject="till")
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


@pytest.fixture(scope="module")
def world(envoy, variant, tmp_path_factory):
    with edges.running(tmp_path_factory.mktemp("edge"), envoy, variant) as world:
        yield world


def der(pair: secrets.Pair) -> bytes:
    return x509.load_pem_x509_certificate(pair.chain).public_bytes(serialization.Encoding.DER)


# ---------------------------------------------------------------------------- modes


@pytest.mark.parametrize(
    ("name", "port", "client", "shown"),
    [
        (SHOP, HTTPS, None, EDGE),
        ("a.b.shop.example.com", HTTPS, None, EDGE),
        ("SHOP.example.com", HTTPS, None, EDGE),
        (EITHER, HTTPS, None, EDGE),
        (EITHER, MIXED, TILL, EDGE),
        (OFFICE_HOST, HTTPS, TILL, OFFICE),
        (OFFICE_HOST, MIXED, CLIENTS.pair(), OFFICE),
    ],
)
def test_a_host_is_served_over_tls_with_its_own_certificate(world, name, port, client, shown):
    seen = world.get(name, port=port, client=client)
    assert (seen.status, seen.certificate, seen.protocol) == (200, der(shown), "http/1.1")


@pytest.mark.parametrize(
    ("host", "port", "status"),
    [(CLEAR, HTTPS, 200), (EITHER, HTTPS, 200), (EITHER, MIXED, 200), (SHOP, HTTPS, 421), (OFFICE_HOST, MIXED, 421)],
)
def test_in_clear_only_those_hosts_are_served_that_allow_it(world, host, port, status):
    assert world.in_clear(host, port) == status


@pytest.mark.parametrize("name", [None, "nobody.example.com", CLEAR])
def test_a_name_that_no_host_has_for_tls_is_not_answered(world, name):
    assert world.get(name, SHOP) == edges.Seen()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(world, version):
    context = edges.dialling(version=version)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # or this side would refuse them first
    with world.dial(HTTPS) as bare, pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        context.wrap_socket(bare, server_hostname=SHOP)


def test_a_listener_without_its_secret_is_not_open_and_the_log_says_why(world):
    with pytest.raises(ConnectionRefusedError):
        world.dial(edges.LOST)
    assert "Secret t/lost does not exist, so this listener is not served" in world.log()


def test_grpc_comes_in_by_http_2(world):
    address = f"{world.block.address(worlds.GATEWAY)}:{HTTPS}"
    options = [("grpc.ssl_target_name_override", SHOP), ("grpc.default_authority", SHOP)]
    known = grpc.ssl_channel_credentials(EDGE.root)
    with grpc.secure_channel(address, known, options) as channel:
        assert channel.unary_unary("/greet.Greeter/Hello")(b"hello", timeout=10) == b"hello"


# ---------------------------------------------------------------------------- clients that prove who they are


@VERSIONS
@pytest.mark.parametrize(
    "name",
    [
        secrets.dns("till.example.com"),
        secrets.dns("TILL.example.com"),
        secrets.uri("urn:till:1"),
        secrets.email("till@example.com"),
        secrets.address("10.0.0.7"),
        secrets.address("2001:db8::7"),
    ],
    ids=lambda name: f"{type(name).__name__}-{name.value}",
)
def test_a_client_with_one_of_the_names_is_let_in(world, name, version):
    assert world.get(OFFICE_HOST, client=CLIENTS.pair(name), version=version).status == 200


WRONG = {
    "no certificate": None,
    "another authority": STRANGERS.pair(secrets.uri("urn:till:1")),
    "no name": CLIENTS.pair(),
    "another name": CLIENTS.pair(secrets.uri("urn:till:10")),
    "a part of a name": CLIENTS.pair(secrets.dns("a.till.example.com")),
    "a wildcard": CLIENTS.pair(secrets.dns("*.example.com")),
    "a name of another sort": CLIENTS.pair(secrets.uri("https://till.example.com"), secrets.dns("urn.till.1")),
    "a common name alone": CLIENTS.pair(subject="till.example.com"),
    "expired": CLIENTS.pair(secrets.uri("urn:till:1"), starts=-3 * secrets.DAY, lasts=2 * secrets.DAY),
    "not yet": CLIENTS.pair(secrets.uri("urn:till:1"), starts=secrets.DAY),
    "the server's own": OFFICE,
}


@VERSIONS
@pytest.mark.parametrize("client", WRONG.values(), ids=WRONG)
def test_every_other_client_is_refused(world, client, version):
    assert world.get(OFFICE_HOST, client=client, version=version).said == b""


@pytest.mark.parametrize(("name", "port"), [(EITHER, MIXED), (OFFICE_HOST, MIXED)])
def test_where_names_do_not_count_the_authority_does(world, name, port):
    assert world.get(name, port=port, client=CLIENTS.pair()).status == 200
    assert world.get(name, port=port, client=STRANGERS.pair()).said == b""
    assert world.get(name, port=port).said == b""


def header(seen: edges.Seen, name: str) -> str | None:
    return json.loads(seen.said.partition(b"\r\n\r\n")[2])["headers"].get(name)


LIE = "x-meshloom-client-cert: URI=urn:till:99\r\nx-forwarded-client-cert: URI=urn:till:99\r\n"


def test_the_application_learns_whose_certificate_was_seen(world):
    said = header(world.get(OFFICE_HOST, client=TILL, more=LIE), "x-meshloom-client-cert")
    assert said is not None
    assert 'Subject="CN=till"' in said
    assert "URI=urn:till:1" in said
    assert "DNS=x.example.com" in said
    assert "urn:till:99" not in said


@pytest.mark.parametrize("name", [SHOP, EITHER])
def test_who_has_shown_none_cannot_say_so(world, name):
    seen = world.get(name, more=LIE)
    assert header(seen, "x-meshloom-client-cert") is None
    assert header(seen, "x-forwarded-client-cert") is None


# ---------------------------------------------------------------------------- the name asked for and the host


@pytest.mark.parametrize(
    ("name", "host", "client", "status"),
    [
        (SHOP, EITHER, None, 200),  # as much is asked of clients there
        (EITHER, SHOP, None, 200),
        (SHOP, OFFICE_HOST, None, 421),
        (SHOP, f"{OFFICE_HOST}:8443", None, 421),
        (SHOP, "OFFICE.example.com.", None, 421),
        (SHOP, CLEAR, None, 421),
        (SHOP, "vault.example.com", None, 421),
        (SHOP, "nobody.example.com", None, 404),
        (OFFICE_HOST, SHOP, TILL, 421),
        (OFFICE_HOST, OFFICE_HOST, TILL, 200),
    ],
)
def test_a_host_is_not_reached_by_a_name_that_asks_for_less(world, name, host, client, status):
    assert world.get(name, host, client=client).status == status


def test_rules_are_bound_to_host_and_port_and_rewrite_as_in_clear(world):
    found = world.get(OFFICE_HOST, client=TILL, path="/till/a")
    assert found.status == 200
    assert b'"path": "/a?show=headers"' in found.said
    assert world.get(SHOP, path="/till/a").status == 404
    assert world.get(OFFICE_HOST, client=TILL, path="/till/a", port=MIXED).status == 404


# ---------------------------------------------------------------------------- new certificates


def test_a_new_certificate_is_shown_at_once_and_no_request_fails_and_no_connection_ends(world):
    new = edges.SERVERS.pair(secrets.dns(SHOP))
    before = world.stats("listener_manager.listener_modified", of=worlds.GATEWAY)
    with edges.Steady(world, SHOP) as steady:
        for pair in (new, EDGE, new):
            world.put("edge", pair.values)
            wait_until(lambda pair=pair: steady.last.certificate == der(pair), "the new certificate", 20, [])
        enough = len(steady.kept) + 20
        wait_until(lambda: len(steady.kept) > enough, "the kept connection to go on", 20, [])
    assert {seen.status for seen in steady.fresh} == {200}
    assert {*steady.kept} == {200}
    assert world.stats("listener_manager.listener_modified", of=worlds.GATEWAY) == before

    broken = {**EDGE.values, "tls.key": OFFICE.key}
    world.put("edge", broken)
    wait_until(lambda: "gateways go on with the last good one" in world.log(), "the log to say so", 20, [])
    assert world.get(SHOP).certificate == der(new)
    world.put("edge", EDGE.values)
    wait_until(lambda: world.get(SHOP).certificate == der(EDGE), "the certificate that is good again", 20, [])


def test_an_authority_that_is_replaced_lets_its_clients_in_and_those_of_the_old_no_more(world):
    stranger = STRANGERS.pair(secrets.uri("urn:till:1"))
    world.put("clients", {"ca.crt": STRANGERS.root})
    wait_until(lambda: world.get(OFFICE_HOST, client=stranger).status == 200, "the new authority", 20, [])
    assert world.get(OFFICE_HOST, client=TILL).said == b""
    world.put("clients", {"ca.crt": CLIENTS.root})
    wait_until(lambda: world.get(OFFICE_HOST, client=TILL).status == 200, "the old authority again", 20, [])
