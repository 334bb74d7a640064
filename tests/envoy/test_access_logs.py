"""Access logs of real proxies: what they say of requests and connections, of why some are refused, and what they keep
to themselves.
"""

import contextlib
import json
import pathlib
import socket
import ssl

import pytest

from meshloom.demo import application, loopback, traffic
from meshloom.demo.processes import Processes
from meshloom.demo.waiting import wait_until
from tests import certificates
from tests.envoy import fixed, worlds

HTTP, TCP = 9080, 5432
WEB, PETS, STRANGER = (f"spiffe://main.t.mesh/ns/t/vs/{name}" for name in ("web", "pets", "stranger"))

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


@pytest.fixture(scope="module")
def mesh(envoy, tmp_path_factory):
    text = (pathlib.Path(__file__).parent / "logs" / "mesh.yaml").read_text()
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        mesh = fixed.Mesh(tmp_path_factory.mktemp("logs"), block, text)
        at = mesh.application("pets-v1")
        stack.enter_context(worlds.serving([application.Server((at, HTTP), application.Role("pets", "pets-v1"))]))
        stack.enter_context(fixed.speaking_first(at, TCP, b"welcome\n"))
        mesh.start(envoy, stack.enter_context(Processes()))
        yield mesh


def call(mesh, url, headers=None, by="web-v1"):
    return traffic.reply(mesh.workload(by), 15000, url, headers)


def log(mesh, name):
    return (mesh.folder / f"{name}.log").read_text()


def entries(mesh, name, **fields):
    """Return the entries of a proxy's log with these fields, without what an Envoy 1.36 says null of."""
    found = [json.loads(line) for line in log(mesh, name).splitlines() if line.startswith("{")]
    told = [{key: value for key, value in entry.items() if value is not None} for entry in found]
    return [entry for entry in told if fields.items() <= entry.items()]


def entry(mesh, name, **fields):
    """Wait for an entry with these fields and return it."""
    wait_until(lambda: entries(mesh, name, **fields), f"{name} to log {fields}", 10, [])
    return entries(mesh, name, **fields)[-1]


def told(found, *keys):
    return {key: found.get(key) for key in keys}


@contextlib.contextmanager
def dialled(mesh, client, port):
    """Yield a TLS connection to a port of pets, as a member of the mesh opens one that goes around its own proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["meshloom"])
    context.load_cert_chain(client.chain, client.key)
    with (
        socket.create_connection((mesh.workload("pets-v1"), port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="pets") as tls,
    ):
        yield tls


def member(mesh, service):
    taken = sum(1 for _ in mesh.folder.glob("member-*"))
    return mesh.authority.issued(mesh.uri(service), mesh.folder / f"member-{taken}", mesh.authority.root)


def refused(mesh, client, port):
    """Dial and be refused; return what came."""
    with contextlib.suppress(OSError), dialled(mesh, client, port) as connection:
        return connection.recv(4096)
    return b""


# ---------------------------------------------------------------------------- what is served


def test_both_ends_say_who_called_whom_and_how_it_went(mesh):
    assert call(mesh, f"http://pets:{HTTP}/served").status == 200
    sent = entry(mesh, "web-v1", path="/served")
    assert told(sent, "log", "direction", "mesh", "service", "deployment", "identity", "callee") == {
        "log": "request",
        "direction": "outbound",
        "mesh": "t/main",
        "service": "t/web",
        "deployment": "t/web-v1",
        "identity": WEB,
        "callee": PETS,
    }
    assert told(sent, "method", "authority", "protocol", "status", "details", "attempts", "route") == {
        "method": "GET",
        "authority": f"pets:{HTTP}",
        "protocol": "HTTP/1.1",
        "status": 200,
        "details": "via_upstream",
        "attempts": 1,
        "route": f"t/pets/{HTTP}",
    }
    assert sent["upstream_cluster"] == f"outbound/t/pets-v1/{HTTP}"
    assert sent["upstream_host"] == f"{mesh.workload('pets-v1')}:{HTTP}"
    assert sent["bytes_sent"] > 0 <= sent["duration_ms"]
    got = entry(mesh, "pets-v1", request_id=sent["request_id"])
    assert told(got, "direction", "service", "identity", "caller", "policy", "status", "reason") == {
        "direction": "inbound",
        "service": "t/pets",
        "identity": PETS,
        "caller": WEB,
        "policy": "identities",
        "status": 200,
        "reason": None,
    }


def test_connections_say_who_called_whom_and_how_much(mesh):
    with socket.create_connection((mesh.workload("web-v1"), fixed.WAYS), timeout=10) as connection:
        assert connection.recv(100) == b"welcome\n"
    sent = entry(mesh, "web-v1", log="connection", route=f"outbound/t/pets/{TCP}")
    assert told(sent, "direction", "deployment", "identity", "callee", "bytes_sent") == {
        "direction": "outbound",
        "deployment": "t/web-v1",
        "identity": WEB,
        "callee": PETS,
        "bytes_sent": 8,
    }
    got = entry(mesh, "pets-v1", log="connection", caller=WEB)
    assert told(got, "direction", "service", "identity", "audit", "upstream_cluster") == {
        "direction": "inbound",
        "service": "t/pets",
        "identity": PETS,
        "audit": "allowed",
        "upstream_cluster": f"inbound/{TCP}",
    }


# ---------------------------------------------------------------------------- what is not


def test_a_caller_is_told_in_its_log_why_it_may_not_call(mesh):
    assert call(mesh, f"http://silent:{HTTP}/").status == 403
    found = entry(mesh, "web-v1", authority=f"silent:{HTTP}")
    assert found["status"] == 403
    assert found["denied_by"] == "t/web"
    assert found["reason"].startswith("no access policy lets VirtualService t/web reach this authority")


def test_a_target_logs_whom_no_policy_lets_in(mesh):
    with dialled(mesh, member(mesh, "stranger"), HTTP) as connection:
        connection.sendall(b"GET /around HTTP/1.1\r\nhost: pets\r\n\r\n")
        assert b" 403 " in connection.recv(4096)
    found = entry(mesh, "pets-v1", path="/around")
    assert told(found, "caller", "status", "denied_by", "reason", "policy") == {
        "caller": STRANGER,
        "status": 403,
        "denied_by": "t/pets",
        "reason": "no access policy lets this caller reach VirtualService t/pets",
        "policy": None,
    }


def test_a_refused_handshake_says_who_it_was_said_to_be_and_that_no_policy_lets_it_in(mesh):
    assert refused(mesh, member(mesh, "stranger"), TCP) == b""
    found = entry(mesh, "pets-v1", log="connection", claimed=STRANGER)
    assert found["reason"].startswith("no access policy lets this caller reach VirtualService t/pets")
    assert "CERTIFICATE_VERIFY_FAILED" in found["handshake"]
    assert "caller" not in found


def test_who_is_of_another_mesh_is_nobodys_caller(mesh):
    other = certificates.Authority("other")
    assert refused(mesh, other.issued(WEB, mesh.folder / "other", mesh.authority.root), HTTP) == b""
    found = entry(mesh, "pets-v1", log="connection", claimed=WEB)
    assert found["reason"] == "the handshake failed"
    assert "caller" not in found


def test_a_port_that_is_not_served_is_a_reason(mesh):
    assert call(mesh, "http://pets:99/").status == 404
    assert entry(mesh, "web-v1", authority="pets:99")["reason"] == "no route or port of the service matches"


# ---------------------------------------------------------------------------- what is nobody's business


def test_queries_and_headers_are_not_written(mesh):
    secrets = {"authorization": "Bearer 6c1f-secret", "cookie": "session=6c1f-secret", "x-key": "6c1f-secret"}
    assert call(mesh, f"http://pets:{HTTP}/private?token=6c1f-secret", secrets).status == 200
    for name in ("web-v1", "pets-v1"):
        assert entry(mesh, name, path="/private")
        assert "6c1f-secret" not in log(mesh, name)


@pytest.mark.parametrize(
    "path", ['/"}', '/","status":"200', "/%0a{%22log%22:%22request%22}", "/%START_TIME%", "/\\u0022"]
)
def test_a_hostile_path_stays_one_value_of_one_line(mesh, path):
    call(mesh, f"http://pets:{HTTP}{path}")
    assert entry(mesh, "web-v1", path=path)["authority"] == f"pets:{HTTP}"


def test_without_a_wish_for_a_log_nothing_is_written(mesh):
    assert call(mesh, f"http://pets:{HTTP}/quietly", by="silent-v1").status == 200
    assert entry(mesh, "pets-v1", path="/quietly")["caller"] == "spiffe://main.t.mesh/ns/t/vs/silent"
    assert entries(mesh, "silent-v1") == []
