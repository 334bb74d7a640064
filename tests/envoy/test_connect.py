"""Every protocol through CONNECT, and past it: one deployment of ten listeners, TLS of applications' own, and denials."""

import collections
import concurrent.futures
import contextlib
import http.client
import pathlib
import socket
import ssl

import grpc
import h2.config
import h2.connection
import h2.events
import pytest

from meshloom.demo import application, loopback
from meshloom.demo.processes import Processes
from tests.envoy import fixed, talkers, worlds

MESH = pathlib.Path(__file__).parent / "mtls" / "protocols.yaml"
HTTP, GRPC, TCP, TLS = (9080, 9081), (9082, 9083, 50051, 50052), (5432, 5433), (8443, 8444)

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


class Echo(grpc.GenericRpcHandler):
    """Answers every call with its own message."""

    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(lambda message, context: message)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return talkers.OwnTls(tmp_path_factory.mktemp("own") / "files")


@pytest.fixture(scope="module")
def mesh(envoy, tmp_path_factory, own):
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        mesh = fixed.Mesh(tmp_path_factory.mktemp("protocols"), block, MESH.read_text())
        at = mesh.application("many")
        role = application.Role("many", "many")
        stack.enter_context(worlds.serving([application.Server((at, port), role) for port in HTTP]))
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Echo()])
        for port in GRPC:
            server.add_insecure_port(f"{at}:{port}")
        server.start()
        stack.callback(lambda: server.stop(0).wait())
        for port in TCP:
            stack.enter_context(fixed.speaking_first(at, port, f"many {port}\n".encode()))
        for port in TLS:
            stack.enter_context(talkers.serving(at, port, own.talk(f"many {port}")))
        for name in ("vault-one", "vault-two", "open"):
            stack.enter_context(talkers.serving(mesh.application(name), 8443, own.talk(name)))
        mesh.start(envoy, stack.enter_context(Processes()))
        yield mesh


def opened(mesh: fixed.Mesh, authority: str, version: str = "HTTP/1.1") -> socket.socket:
    """Return a connection through a tunnel that the sidecar of `web` opens."""
    answer = talkers.tunnel(mesh.workload("web"), authority, version)
    assert answer.status == 200
    return answer.connection


# ---------------------------------------------------------------------------- the ten listeners of one deployment


@pytest.mark.parametrize("port", HTTP)
def test_requests_go_through_a_tunnel_and_are_routed_one_by_one(mesh, port):
    client = http.client.HTTPConnection(mesh.workload("web"), 15000, timeout=20)
    client.set_tunnel("many", port)
    with contextlib.closing(client):
        for path in ("/one", "/two"):
            client.request("GET", path)
            answer = client.getresponse()
            assert (answer.status, f'"path": "{path}"' in answer.read().decode()) == (200, True)


@pytest.mark.parametrize("port", GRPC)
def test_grpcio_calls_under_http_proxy(mesh, monkeypatch, port):
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy", "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://{mesh.workload('web')}:15000")
    with grpc.insecure_channel(f"many:{port}") as channel:
        assert channel.unary_unary("/any/Thing")(b"hello", timeout=20) == b"hello"


@pytest.mark.parametrize("port", TCP)
def test_a_server_that_speaks_first_is_heard_through_a_tunnel(mesh, port):
    with opened(mesh, f"many:{port}") as connection:
        assert talkers.line(connection) == f"many {port}"
        connection.sendall(b"loud\n")
        assert talkers.line(connection) == "LOUD"


@pytest.mark.parametrize("port", TLS)
def test_tls_of_an_application_goes_through_a_tunnel_unopened(mesh, own, port):
    assert own.said(opened(mesh, f"many:{port}")) == f"many {port}"


# ---------------------------------------------------------------------------- who may have which tunnel opened


@pytest.mark.parametrize("authority", ["vault.example:8443", "a.vault.example:8443", "x.y.vault.example:8443"])
def test_the_authority_says_which_service_is_meant_wildcards_too(mesh, own, authority):
    assert own.said(opened(mesh, authority)).startswith("vault-")


def test_tunnels_are_split_by_weight(mesh, own):
    found = collections.Counter(own.said(opened(mesh, "vault.example:8443")) for _ in range(100))
    assert found.keys() == {"vault-one", "vault-two"}
    assert 12 <= found["vault-two"] <= 49  # 30 are meant; further off is less likely than 1 in 10,000


@pytest.mark.parametrize("authority", ["many:9080", "many:5432", "many:8443", "vault.example:8443", "example.org:443"])
def test_a_tunnel_that_no_policy_allows_is_refused_with_the_words_of_a_request(mesh, authority):
    answer = talkers.tunnel(mesh.workload("stranger"), authority)
    assert (answer.status, answer.headers["x-meshloom-denied-by"]) == (403, "t/stranger")
    assert answer.body() == f"no access policy lets t/stranger reach {authority}"


def test_what_is_said_inside_of_a_tunnel_reaches_no_more_than_what_is_said_outside(mesh):
    with opened(mesh, "many:9080") as connection:
        answer = talkers.asked(connection, "GET / HTTP/1.1", "Host: stranger:9080")
        assert answer.status == 403
        assert answer.body() == "no access policy lets t/web reach stranger:9080"


@pytest.mark.parametrize(("authority", "status"), [("many:5432", 200), ("stranger:9080", 403)])
def test_a_tunnel_inside_of_a_tunnel_reaches_no_more_either(mesh, authority, status):
    with opened(mesh, "many:9080") as connection:
        assert talkers.asked(connection, f"CONNECT {authority} HTTP/1.1", f"Host: {authority}").status == status


@pytest.mark.parametrize(
    ("authority", "words"),
    [
        (
            "many:1",
            "VirtualService t/many does not listen on this port; name one of: 5432, 5433, 8443, 8444, 9080, 9081",
        ),
        ("a.vault.example:1", "VirtualService t/vault does not listen on this port; name one of: 8443"),
    ],
)
def test_a_tunnel_to_a_port_that_is_not_served_is_told_which_are(mesh, authority, words):
    answer = talkers.tunnel(mesh.workload("web"), authority)
    assert answer.status == 404
    assert answer.body().startswith(words)


def test_a_request_to_a_port_of_tls_is_told_to_connect(mesh):
    with socket.create_connection((mesh.workload("web"), 15000), timeout=20) as connection:
        answer = talkers.asked(connection, "GET http://vault.example:8443/ HTTP/1.1", "Host: vault.example:8443")
        assert (answer.status, "reach it by CONNECT" in answer.body()) == (404, True)


# ---------------------------------------------------------------------------- how tunnels are asked for


def test_programs_that_connect_by_the_older_http_are_served(mesh, own):
    assert own.said(opened(mesh, "vault.example:8443", "HTTP/1.0")).startswith("vault-")


def test_a_tunnel_is_opened_over_http_2_too(mesh):
    settings = h2.config.H2Configuration(client_side=True)
    connection = h2.connection.H2Connection(settings)
    connection.initiate_connection()
    connection.send_headers(1, [(":method", "CONNECT"), (":authority", "many:5432")])
    with socket.create_connection((mesh.workload("web"), 15000), timeout=20) as wire:
        wire.sendall(connection.data_to_send())
        heard = b""
        while b"\n" not in heard:
            events = connection.receive_data(wire.recv(65536))
            heard += b"".join(event.data for event in events if isinstance(event, h2.events.DataReceived))
            wire.sendall(connection.data_to_send())
    assert heard == b"many 5432\n"


# ---------------------------------------------------------------------------- TLS_PASSTHROUGH without CONNECT


def test_tls_goes_by_a_way_of_its_own(mesh, own):
    ports = {ref.name: port for ref, port in mesh.ways().items()}
    found = {own.said(socket.create_connection((mesh.workload("web"), ports["vault"]), timeout=20)) for _ in range(20)}
    assert found == {"vault-one", "vault-two"}


@pytest.mark.parametrize("caller", ["web", "stranger"])
def test_a_permissive_port_takes_bare_tls_from_outside_and_members_by_policy(mesh, own, caller):
    assert own.said(socket.create_connection((mesh.workload("open"), 8443), timeout=20)) == "open"
    answer = talkers.tunnel(mesh.workload(caller), "open:8443")
    with answer.connection:
        assert answer.status == (200 if caller == "web" else 403)


def test_a_strict_port_takes_nobody_from_outside(mesh, own):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        own.said(socket.create_connection((mesh.workload("vault-one"), 8443), timeout=20))
