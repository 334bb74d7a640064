"""TCP through the mesh, by where applications dial: weights, ways that lead nowhere, and a mesh that is only watched."""

import collections
import contextlib
import pathlib
import socket

import pytest

from meshloom.demo import application, loopback, traffic
from meshloom.demo.processes import Processes
from tests.envoy import fixed, worlds

MESHES = pathlib.Path(__file__).parent / "mtls"
PORT = 5432

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


@contextlib.contextmanager
def running(envoy: str, folder: pathlib.Path, name: str):
    """Run a mesh; every application that is discovered says its own name first."""
    with loopback.claimed_block() as block, contextlib.ExitStack() as stack:
        mesh = fixed.Mesh(folder, block, (MESHES / name).read_text())
        for deployment in mesh.sidecars():
            at = mesh.application(deployment)
            stack.enter_context(fixed.speaking_first(at, PORT, f"{deployment}\n".encode()))
            role = application.Role(deployment, deployment)
            stack.enter_context(worlds.serving([application.Server((at, 9080), role)]))
        mesh.start(envoy, stack.enter_context(Processes()))
        yield mesh


@pytest.fixture(scope="module")
def weighted(envoy, tmp_path_factory):
    with running(envoy, tmp_path_factory.mktemp("weights"), "weights.yaml") as mesh:
        yield mesh


@pytest.fixture(scope="module")
def watched(envoy, tmp_path_factory):
    with running(envoy, tmp_path_factory.mktemp("audit"), "audit.yaml") as mesh:
        yield mesh


def dialled(mesh: fixed.Mesh, caller: str, service: str) -> str:
    """Return the name of the application that answers where a caller dials a service, empty where none does."""
    ports = {ref.name: port for ref, port in mesh.ways().items()}
    with socket.create_connection((mesh.workload(caller), ports[service]), timeout=10) as connection:
        connection.sendall(b"hello\n")  # what counts callers looks at their first byte
        return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n")).decode().partition("\n")[0]


def test_connections_are_split_by_weight(weighted):
    found = collections.Counter(dialled(weighted, "web", "db") for _ in range(200))
    assert found.keys() == {"one", "two"}
    assert 20 <= found["two"] <= 64  # 40 are meant; further off is less likely than 1 in 10,000


def test_a_service_that_no_policy_allows_is_closed_and_counted(weighted):
    assert dialled(weighted, "web", "hidden") == ""
    assert weighted.stats("web", "tcp.outbound/t/hidden/tcp/no-access-policy.downstream_cx_no_route") >= 1


@pytest.mark.parametrize("caller", ["named", "stranger"])
def test_in_audit_every_member_is_let_in_and_who_has_no_policy_is_counted(watched, caller):
    counters = ["http.inbound/9080.rbac.shadow_denied", f"inbound/{PORT}.rbac.shadow_denied"]
    before = [watched.stats("target", counter) for counter in counters]
    assert traffic.reply(watched.workload(caller), 15000, "http://target:9080/").status == 200
    assert dialled(watched, caller, "target") == "target"
    more = [watched.stats("target", counter) - old for counter, old in zip(counters, before, strict=True)]
    assert more == ([0, 0] if caller == "named" else [1, 1])


def test_in_audit_what_policies_allow_is_counted_by_policy(watched):
    before = watched.stats("target", "http.inbound/9080.rbac.policy.identities.shadow_allowed")
    assert traffic.reply(watched.workload("named"), 15000, "http://target:9080/").status == 200
    assert watched.stats("target", "http.inbound/9080.rbac.policy.identities.shadow_allowed") == before + 1
