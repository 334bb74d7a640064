"""Mutual TLS between real proxies: who reaches whom by which mode, in HTTP/1, HTTP/2 and TCP, and who gets nowhere."""

import concurrent.futures
import contextlib
import datetime
import pathlib
import socket
import ssl

import grpc
import pytest

from meshloom.demo import application, loopback, traffic
from meshloom.demo.processes import Processes
from tests import certificates
from tests.envoy import fixed, worlds
from tests.envoy.test_grpc import Echo

MODES = ("strict", "permissive", "disabled")
HTTP, GRPC, TCP = 9080, 50051, 5432
PAIRS = [(caller, target) for caller in MODES for target in MODES]
SECURED = ("strict", "permissive")

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


@pytest.fixture(scope="module")
def mesh(envoy, tmp_path_factory):
    """Run the three services, each with its sidecar and its applications."""
    text = (pathlib.Path(__file__).parent / "mtls" / "mesh.yaml").read_text()
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        mesh = fixed.Mesh(tmp_path_factory.mktemp("mtls"), block, text)
        for name in MODES:
            at = mesh.application(name)
            stack.enter_context(worlds.serving([application.Server((at, HTTP), application.Role(name, name))]))
            stack.enter_context(fixed.speaking_first(at, TCP, f"welcome to {name}\n".encode()))
            server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Echo()])
            server.add_insecure_port(f"{at}:{GRPC}")
            server.start()
            stack.callback(lambda server=server: server.stop(0).wait())
        mesh.start(envoy, stack.enter_context(Processes()))
        yield mesh


def banner(connection: socket.socket) -> bytes:
    return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n"))


def way(mesh: fixed.Mesh, caller: str, target: str) -> socket.socket:
    ports = {ref.name: port for ref, port in mesh.ways().items()}
    return socket.create_connection((mesh.workload(caller), ports[target]), timeout=10)


def call(mesh: fixed.Mesh, caller: str, target: str, headers: dict[str, str] | None = None):
    return traffic.reply(mesh.workload(caller), 15000, f"http://{target}/?show=headers", headers)


# ---------------------------------------------------------------------------- the nine pairs


@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_requests_arrive_and_say_who_called(mesh, caller, target):
    found = call(mesh, caller, f"{target}:{HTTP}")
    assert (found.status, found.json()["service"]) == (200, target)
    shown = found.json()["headers"].get("x-forwarded-client-cert", "")
    assert (f"URI={mesh.uri(caller)}" in shown) == (target in SECURED)


@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_grpc_arrives(mesh, caller, target):
    options = [("grpc.default_authority", f"{target}:{GRPC}"), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"{mesh.workload(caller)}:15000", options) as channel:
        assert channel.unary_unary("/greet.Greeter/Hello")(b"hello", timeout=10) == b"hello"


@pytest.mark.parametrize(("caller", "target"), PAIRS)
def test_a_server_that_speaks_first_is_heard_and_answers(mesh, caller, target):
    with way(mesh, caller, target) as connection:
        assert banner(connection) == f"welcome to {target}\n".encode()
        connection.sendall(b"hello\n")
        assert banner(connection) == b"HELLO\n"


@pytest.mark.parametrize("target", MODES)
def test_what_the_mesh_carries_is_encrypted_exactly_where_the_target_can(mesh, target):
    before = mesh.stats("strict", f"cluster.outbound/t/{target}/*.ssl.handshake")
    traffic.reply(mesh.workload("strict"), 15000, f"http://{target}:{HTTP}/", {"connection": "close"})
    with way(mesh, "strict", target) as connection:
        banner(connection)
    more = mesh.stats("strict", f"cluster.outbound/t/{target}/*.ssl.handshake") - before
    assert (more >= 1) == (target in SECURED)


# ---------------------------------------------------------------------------- those who are not callers


def member(mesh: fixed.Mesh, service: str) -> certificates.Files:
    """Return a certificate of the mesh for a service, as its proxy would have it."""
    return issued(mesh, mesh.authority, mesh.uri(service))


def issued(mesh: fixed.Mesh, by: certificates.Authority, uri: str, age=certificates.DAY) -> certificates.Files:
    taken = sum(1 for _ in mesh.folder.glob("client-*"))
    return by.issued(uri, mesh.folder / f"client-{taken}", mesh.authority.root, age)


@contextlib.contextmanager
def secured(mesh: fixed.Mesh, target: str, port: int, client: certificates.Files | None, versions=None):
    """Yield a TLS connection to a port of a target as an attacker opens one: by itself, with what it has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["meshloom", "h2"] if port == GRPC else ["meshloom"])
    if versions is not None:
        context.minimum_version = context.maximum_version = versions
    if client is not None:
        context.load_cert_chain(client.chain, client.key)
    with socket.create_connection((mesh.workload(target), port), timeout=10) as bare, context.wrap_socket(bare) as tls:
        yield tls


def asked(mesh: fixed.Mesh, target: str, client: certificates.Files | None, port: int = HTTP, **also) -> bytes:
    """Return what an attacker gets to read; a refused handshake is nothing."""
    with contextlib.suppress(ssl.SSLError, ConnectionError), secured(mesh, target, port, client, **also) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n".encode())
        return fixed.read_until_closed(tls)
    return b""


def heard(mesh: fixed.Mesh, target: str, client: certificates.Files | None, **also) -> bytes:
    """Return what an attacker gets to read of a server that speaks first, without saying a word itself."""
    with contextlib.suppress(ssl.SSLError, ConnectionError), secured(mesh, target, TCP, client, **also) as tls:
        return banner(tls)
    return b""


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


@VERSIONS
@pytest.mark.parametrize("target", SECURED)
def test_a_member_that_a_policy_names_is_let_in(mesh, target, version):
    client = member(mesh, "disabled")
    assert asked(mesh, target, client, versions=version).startswith(b"HTTP/1.1 200")
    assert heard(mesh, target, client, versions=version) == f"welcome to {target}\n".encode()


@VERSIONS
@pytest.mark.parametrize("target", SECURED)
def test_a_member_that_no_policy_names_is_told_so_and_reads_nothing_of_tcp(mesh, target, version):
    client = member(mesh, "stranger")
    answer = asked(mesh, target, client, versions=version)
    assert answer.startswith(b"HTTP/1.1 403")
    assert f"no access policy lets {mesh.uri('stranger')} reach {target}\n".encode() in answer
    assert heard(mesh, target, client, versions=version) == b""


@pytest.mark.parametrize("target", SECURED)
def test_who_is_not_of_the_mesh_reads_not_one_byte(mesh, target):
    foreign = certificates.Authority("mesh")  # of the same name
    tries = {
        "none": None,
        "foreign": issued(mesh, foreign, mesh.uri("disabled")),
        "old": issued(mesh, mesh.authority, mesh.uri("disabled"), datetime.timedelta(days=3)),
        "not begun": issued(mesh, mesh.authority, mesh.uri("disabled"), datetime.timedelta(days=-1)),
        "of another domain": issued(mesh, mesh.authority, mesh.uri("disabled").replace("main.t", "main.u")),
        "not of a proxy": issued(mesh, mesh.authority, "spiffe://main.t.mesh/people/root"),
    }
    assert {name: asked(mesh, target, client) for name, client in tries.items()} == dict.fromkeys(tries, b"")
    assert {name: asked(mesh, target, client, GRPC) for name, client in tries.items()} == dict.fromkeys(tries, b"")
    assert {name: heard(mesh, target, client) for name, client in tries.items()} == dict.fromkeys(tries, b"")
    assert mesh.stats(target, "listener.*.ssl.fail_verify_*") >= 1


def plain(mesh: fixed.Mesh, target: str, port: int, say: bytes) -> bytes:
    with socket.create_connection((mesh.workload(target), port), timeout=15) as connection:
        connection.sendall(say)
        return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n"))


def test_in_clear_a_strict_service_gives_nothing_away(mesh):
    request = b"GET / HTTP/1.1\r\nhost: strict\r\nconnection: close\r\n\r\n"
    assert plain(mesh, "strict", HTTP, request) == b""
    assert plain(mesh, "strict", TCP, request) == b""


def test_a_permissive_service_lets_callers_in_clear_in_and_counts_them(mesh):
    request = b"GET / HTTP/1.1\r\nhost: permissive\r\nconnection: close\r\n\r\n"
    assert plain(mesh, "permissive", HTTP, request).startswith(b"HTTP/1.1 200")
    assert plain(mesh, "permissive", TCP, b"hello\n").startswith(b"welcome to permissive\n")
    assert mesh.stats("permissive", "*plaintext*allowed*") == 1
    assert mesh.stats("permissive", f"tcp.inbound/{TCP}/plaintext.downstream_cx_total") == 1


def test_who_waits_for_the_server_to_speak_in_clear_is_heard_by_permissive(mesh):
    with socket.create_connection((mesh.workload("permissive"), TCP), timeout=10) as connection:
        assert banner(connection) == b"welcome to permissive\n"


def test_an_applications_own_tls_goes_through_permissive_tcp_as_it_is(mesh):
    """The application of this test is none: what arrives there is a handshake."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = context.wrap_bio(incoming, outgoing, server_hostname="pets.example")
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    with socket.create_connection((mesh.workload("permissive"), TCP), timeout=10) as connection:
        connection.sendall(said := outgoing.read())
        got = fixed.read_until_closed(connection, lambda got: len(got) >= len(said) + len(b"welcome to permissive\n"))
    assert got == b"welcome to permissive\n" + said.upper()


@pytest.mark.load
def test_who_says_nothing_is_dropped_within_the_time_of_a_handshake(mesh):
    ports = [("strict", HTTP), ("strict", TCP), ("permissive", HTTP)]
    with contextlib.ExitStack() as stack:
        opened = [socket.create_connection((mesh.workload(name), port), timeout=20) for name, port in ports]
        for connection in opened:
            stack.enter_context(connection)
        assert [fixed.read_until_closed(connection) for connection in opened] == [b""] * len(ports)


# ---------------------------------------------------------------------------- headers that would be believed


SPOOFED = {
    "x-forwarded-client-cert": "By=spiffe://a;URI=spiffe://main.t.mesh/ns/t/vs/admin",
    "x-forwarded-for": "10.0.0.1",
    "x-envoy-internal": "true",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-upstream-rq-per-try-timeout-ms": "1",
    "x-envoy-expected-rq-timeout-ms": "1",
    "x-envoy-upstream-rq-timeout-alt-response": "1",
    "x-envoy-retry-on": "5xx",
    "x-envoy-max-retries": "3",
    "x-envoy-upstream-alt-stat-name": "mine",
    "x-envoy-original-path": "/admin",
    "x-envoy-decorator-operation": "mine",
    "x-envoy-force-trace": "true",
    "x-envoy-attempt-count": "9",
}


@pytest.mark.parametrize("target", MODES)
def test_headers_of_a_caller_neither_steer_proxies_nor_name_somebody_else(mesh, target):
    """The request takes longer than any timeout that it asks for; a retry would be seen twice."""
    url = f"http://{target}:{HTTP}/?show=headers&wait=0.3"
    for head in (SPOOFED, {name: value for name, value in SPOOFED.items() if name != "x-forwarded-for"}):
        found = traffic.reply(mesh.workload("disabled"), 15000, url, head)
        assert found.status == 200
        arrived = found.json()["headers"]
        assert "vs/admin" not in arrived.get("x-forwarded-client-cert", "")
        assert not [name for name in arrived if name.startswith("x-envoy-")]


@pytest.mark.parametrize("target", MODES)
def test_headers_of_whoever_is_past_its_own_proxy_are_not_believed_either(mesh, target):
    client = member(mesh, "disabled")
    head = "".join(f"{name}: {value}\r\n" for name, value in SPOOFED.items())
    request = f"GET /?show=headers&wait=0.3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n".encode()
    with contextlib.ExitStack() as stack:
        if target in SECURED:
            connection = stack.enter_context(secured(mesh, target, HTTP, client))
        else:
            connection = stack.enter_context(socket.create_connection((mesh.workload(target), HTTP), timeout=10))
        connection.sendall(request)
        answer = fixed.read_until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"vs/admin" not in answer
    assert b"x-envoy-" not in answer
