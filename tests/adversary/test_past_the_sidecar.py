"""Whoever dials a workload's port himself, past the sidecar of whoever he is, meets the target's own proxy."""

import contextlib
import socket
import ssl

import pytest

from meshloom.demo import application
from tests.adversary import adversaries, planes
from tests.envoy import fixed, worlds

BANNER = b"welcome\n"
HTTP, TCP = planes.HTTP, planes.TCP

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def target(envoy, tmp_path_factory):
    """Run pets behind its sidecar, which gets all it has by ADS."""
    with planes.running(tmp_path_factory.mktemp("past")) as plane, contextlib.ExitStack() as stack:
        at = plane.application("pets")
        stack.enter_context(worlds.serving([application.Server((at, HTTP), application.Role("pets", "pets-v1"))]))
        plane.heard = stack.enter_context(fixed.speaking_first(at, TCP, BANNER))
        plane.start_proxy("pets", envoy, drain=2)
        yield plane


def read(plane, port, context, say=b""):
    """Return what an attacker gets to read; a refused handshake is nothing."""
    with contextlib.suppress(ssl.SSLError, ConnectionError), adversaries.dialled(plane, "pets", port, context) as own:
        own.sendall(say)
        return fixed.read_until_closed(own, lambda got: BANNER in got)
    return b""


REQUEST = b"GET / HTTP/1.1\r\nhost: pets\r\nconnection: close\r\n\r\n"
GUISES = ["in clear", "no certificate", "of another mesh", "of a member"]


def guise(plane, what):
    """Return the TLS of an attacker who has this."""
    named = {"no certificate": None, "of another mesh": planes.OTHER, "of a member": "stranger", "allowed": "web"}
    return None if what == "in clear" else plane.context(named[what])


def refusals(plane):
    """Return how often the sidecar of pets has refused: handshakes, and requests and connections by access."""
    tls = plane.stats("pets", r"listener\..*\.ssl\.(connection_error|fail_verify_.*)")
    return tls + plane.stats("pets", r"http\..*rbac\..*denied")


@pytest.mark.parametrize("what", GUISES)
def test_http_is_refused_and_counted(target, what):
    before = refusals(target)
    answer = read(target, HTTP, guise(target, what), REQUEST)
    if what == "of a member":
        assert answer.startswith(b"HTTP/1.1 403")
        assert target.identity("stranger").uri.encode() in answer
    else:
        assert answer == b""
    assert refusals(target) > before


@pytest.mark.parametrize("what", GUISES)
def test_not_one_byte_of_a_server_that_speaks_first_is_read(target, what):
    before = refusals(target), len(target.heard)
    assert read(target, TCP, guise(target, what), b"" if what == "of a member" else REQUEST) == b""
    assert refusals(target) > before[0]
    assert len(target.heard) == before[1], "something has reached the application"


def test_whoever_is_allowed_is_served_so_that_the_others_are_refused_for_who_they_are(target):
    assert read(target, HTTP, guise(target, "allowed"), REQUEST).startswith(b"HTTP/1.1 200")
    assert read(target, TCP, guise(target, "allowed")) == BANNER


@pytest.mark.parametrize("port", [15006, 15010])
def test_what_a_proxy_serves_besides_says_no_secret_and_changes_nothing(target, port):
    for line in (b"POST /quitquitquit", b"GET /config_dump?include_eds", b"GET /certs", b"POST /logging?level=trace"):
        with socket.create_connection((target.workload("pets"), port), timeout=20) as connection:
            connection.sendall(line + b" HTTP/1.1\r\nhost: x\r\n\r\n")
            assert fixed.read_until_closed(connection, lambda got: b"\r\n\r\n" in got).split()[1] in (
                b"403",
                b"404",
                b"405",
            )
    assert read(target, HTTP, guise(target, "allowed"), REQUEST).startswith(b"HTTP/1.1 200")


def test_the_workload_s_address_has_no_other_doors(target):
    """Beside its ports are those for statistics and health and, on this machine, the ways out and the admin interface."""
    own = {HTTP, planes.GRPC, TCP, planes.OUTBOUND, planes.WAY, 9901, 15006, 15010}
    prefix = "".join(f"{int(part):02X}" for part in reversed(target.workload("pets").split(".")))
    with open("/proc/self/net/tcp") as told:
        found = {int(line.split()[1].split(":")[1], 16) for line in told if f" {prefix}:" in line and " 0A " in line}
    assert found == own
