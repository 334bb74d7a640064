"""Connections that a gateway hands on unread: TCP with and without TLS, and TLS that it does not open, by name."""

import contextlib
import json
import ssl

import pytest

from meshloom.demo.waiting import wait_until
from tests import secrets
from tests.envoy import edges, fixed, worlds
from tests.envoy.edges import CLIENTS, HTTPS, INSIDE, STRANGERS
from tests.envoy.test_gateway_tls import der

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)

CLEAR, EITHER, TLS, MUTUAL, DENIED = (
    edges.TCP_CLEAR,
    edges.TCP_EITHER,
    edges.TCP_TLS,
    edges.TCP_MUTUAL,
    edges.TCP_DENIED,
)


@pytest.fixture(scope="module")
def world(envoy, variant, tmp_path_factory):
    with edges.running(tmp_path_factory.mktemp("edge"), envoy, variant) as world:
        yield world


def heard(world: edges.World, port: int, client: secrets.Pair | None = None, *, is_tls: bool = True) -> str:
    """Return what a server that speaks first says to somebody who says nothing, empty where nobody is connected."""
    with refused(), dialled(world, port, client, is_tls) as connection:
        return world.banner(connection)
    return ""


def refused() -> contextlib.AbstractContextManager[None]:
    return contextlib.suppress(ssl.SSLError, ConnectionError)


def dialled(world: edges.World, port: int, client: secrets.Pair | None, is_tls: bool):
    return world.opened(port, None, client) if is_tls else world.dial(port)


@pytest.mark.parametrize("port", [CLEAR, EITHER])
def test_in_clear_a_server_that_speaks_first_is_heard(world, port):
    assert heard(world, port, is_tls=False) == "one"


@pytest.mark.parametrize(
    ("port", "client"), [(EITHER, None), (TLS, None), (MUTUAL, CLIENTS.pair())], ids=["either", "tls", "mutual"]
)
def test_tls_ends_at_the_gateway_and_what_is_inside_arrives(world, port, client):
    with world.opened(port, None, client) as tls:
        assert world.banner(tls) == "one"
        tls.sendall(b"hello\n")
        assert world.banner(tls) == "HELLO"


@pytest.mark.parametrize(
    ("port", "client", "is_tls"),
    [(MUTUAL, None, True), (MUTUAL, STRANGERS.pair(), True), (MUTUAL, None, False), (TLS, None, False)],
    ids=["no certificate", "another authority", "mutual in clear", "tls in clear"],
)
def test_who_is_not_let_in_hears_nothing(world, port, client, is_tls):
    said = b""
    with refused(), dialled(world, port, client, is_tls) as connection:
        connection.sendall(b"hello, who is there?\n" * 10)
        said = fixed.read_until_closed(connection)
    assert said in (b"", b"\x15\x03\x01\x00\x02\x02F")  # or the alert of TLS that talk is not


def test_what_no_policy_allows_is_closed_and_counted(world):
    assert heard(world, DENIED, is_tls=False) == ""
    counter = f"tcp.gateway/{DENIED}/no-access-policy.downstream_cx_no_route"
    assert world.stats(counter, of=worlds.GATEWAY) >= 1


@pytest.mark.parametrize("name", ["vault.example.com", "a.b.vault.example.com", "VAULT.example.com"])
def test_tls_that_is_not_opened_reaches_the_service_of_its_name_as_it_is(world, name):
    seen = world.get(name, path="/")
    assert (seen.status, seen.certificate) == (200, der(INSIDE))
    assert json.loads(seen.said.partition(b"\r\n\r\n")[2])["service"] == "vault"


def test_weights_and_certificates_leave_open_connections_alone(world):
    before = world.stats("listener_manager.listener_modified", of=worlds.GATEWAY)
    with world.dial(CLEAR) as clear, world.opened(TLS, None) as tls, world.opened(HTTPS, "vault.example.com") as vault:
        assert [world.banner(one) for one in (clear, tls)] == ["one", "one"]
        text = world.read("mesh.yaml")
        world.write(
            "mesh.yaml",
            text.replace("{ref: {name: one}}, weight: 100", "{ref: {name: one}}, weight: 0").replace(
                "{ref: {name: two}}, weight: 0", "{ref: {name: two}}, weight: 100"
            ),
        )
        world.put("edge", edges.SERVERS.pair().values)
        for port, is_tls in ((CLEAR, False), (TLS, True)):
            wait_until(lambda port=port, is_tls=is_tls: heard(world, port, is_tls=is_tls) == "two", "two", 20, [])
        assert world.stats("listener_manager.listener_modified", of=worlds.GATEWAY) == before
        for one in (clear, tls):
            one.sendall(b"still there\n")
            assert world.banner(one) == "STILL THERE"
        vault.sendall(b"GET / HTTP/1.1\r\nhost: vault\r\nconnection: close\r\n\r\n")
        assert fixed.read_until_closed(vault).startswith(b"HTTP/1.1 200")


def test_a_host_that_comes_and_goes_leaves_the_connections_of_others_alone(world):
    text = world.read("mesh.yaml")
    host = "    - name: vault\n"
    assert host in text
    with edges.Steady(world, "shop.example.com") as steady, world.opened(HTTPS, "vault.example.com") as vault:
        world.write("mesh.yaml", text.replace('"*.vault.example.com"', '"*.vault.example.com", new.example.com'))
        wait_until(lambda: world.get("new.example.com").status == 200, "the new name", 20, [])
        wait_until(lambda: len(steady.kept) > 100, "the kept connection to go on", 20, [])
        vault.sendall(b"GET / HTTP/1.1\r\nhost: vault\r\nconnection: close\r\n\r\n")
        assert fixed.read_until_closed(vault).startswith(b"HTTP/1.1 200")
    assert {*steady.kept} == {200}
    assert {seen.status for seen in steady.fresh} == {200}
