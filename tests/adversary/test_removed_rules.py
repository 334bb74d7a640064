"""A rule of access is removed: open connections carry no request a second later, and TCP is closed after the drain.

Envoys here drain for 2 seconds, so that the suite is fast; those that people start do so for 45 (`--drain-time-s`).
"""

import concurrent.futures
import contextlib
import logging
import pathlib
import re
import socket
import threading
import time
from dataclasses import dataclass, field

import grpc
import pytest

from meshloom.demo import application
from meshloom.demo.waiting import wait_until
from tests.adversary import adversaries, planes
from tests.envoy import fixed, worlds
from tests.envoy.test_grpc import Echo

DRAIN = 2.0
LIMIT = 1.0
SLACK = 3.0
"""Seconds by which a drain may end late: Envoy looks for what to close by timers of its own."""

BETWEEN = 0.01
RULE = re.compile(r"^ +- \{action: ALLOW, source: \{virtualService: \{ref: \{name: web\}\}\}.*\n", re.MULTILINE)
ALLOWED = (pathlib.Path(__file__).parent / "policy.yaml").read_text()
DENIED = {"web's, of several": RULE.sub("", ALLOWED), "the last": "# nobody\n"}
"""What is left of the policy by which rule is removed."""

BANNER = b"welcome\n"
FIGURES = logging.getLogger(__name__)

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def running(envoy, tmp_path_factory):
    with planes.running(tmp_path_factory.mktemp("rules")) as plane, contextlib.ExitStack() as stack:
        at = plane.application("pets")
        role = application.Role("pets", "pets-v1")
        stack.enter_context(worlds.serving([application.Server((at, planes.HTTP), role)]))
        stack.enter_context(fixed.speaking_first(at, planes.TCP, BANNER))
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Echo()])
        server.add_insecure_port(f"{at}:{planes.GRPC}")
        server.start()
        stack.callback(lambda: server.stop(0).wait())
        for name in ("pets", "web"):
            plane.start_proxy(name, envoy, drain=DRAIN)
        yield plane


@pytest.fixture
def mesh(running):
    """Return the mesh as it is written; what a test removes comes back."""
    wait_until(lambda: status(running, "web") == 200, "web to be allowed", 30)
    yield running
    running.write("policy.yaml", ALLOWED)


def status(plane, name):
    with adversaries.dialled(plane, "pets", planes.HTTP, plane.context(name)) as connection:
        return adversaries.Http1(connection, "pets").get()[0]


@dataclass
class Steady:
    """Requests sent one after the other on one connection, each with when it was sent and how it was answered."""

    client: adversaries.Http1 | adversaries.Http2
    seen: list[tuple[float, int, str]] = field(default_factory=list)

    def __enter__(self):
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()

    def _run(self):
        while not self._ending.wait(BETWEEN):
            sent = time.monotonic()
            try:
                self.seen.append((sent, *self.client.get()))
            except OSError as broken:
                self.seen.append((sent, 0, type(broken).__name__))
                return

    def is_refused(self):
        return any(status != 200 for _, status, _ in self.seen)


@contextlib.contextmanager
def clients(plane):
    """Yield one client for each way in: through the caller's sidecar, and past it with the caller's certificate."""
    with contextlib.ExitStack() as stack:

        def by_sidecar():
            return stack.enter_context(socket.create_connection((plane.workload("web"), planes.OUTBOUND), 20))

        def past(port, *alpn):
            return stack.enter_context(adversaries.dialled(plane, "pets", port, plane.context("web", *alpn)))

        authority, deep = f"pets:{planes.HTTP}", f"pets:{planes.GRPC}"
        yield {
            "HTTP/1.1 by the sidecar": adversaries.Http1(by_sidecar(), authority, f"http://{authority}"),
            "HTTP/2 by the sidecar": adversaries.Http2(by_sidecar(), deep),
            "HTTP/1.1 past it": adversaries.Http1(past(planes.HTTP), authority),
            "HTTP/2 past it": adversaries.Http2(past(planes.GRPC, "h2"), deep),
        }


@pytest.mark.parametrize("rule", DENIED)
def test_a_removed_rule_holds_within_a_second_on_open_connections(mesh, rule):
    denied = mesh.stats("pets", r"http\.inbound/9080\.rbac\.denied")
    opened = mesh.stats("pets", r"listener\..*_9080\.downstream_cx_total")
    with clients(mesh) as found, contextlib.ExitStack() as stack:
        steady = {name: stack.enter_context(Steady(client)) for name, client in found.items()}
        wait_until(lambda: all(len(each.seen) > 20 for each in steady.values()), "requests to flow", 30)
        mesh.write("policy.yaml", DENIED[rule])
        removed = time.monotonic()
        wait_until(lambda: all(each.is_refused() for each in steady.values()), "all to be refused", 30)
        wait_until(lambda: time.monotonic() > removed + LIMIT + 0.5, "the limit to pass", 30)
    for name, each in steady.items():
        assert all(status == 200 for sent, status, _ in each.seen if sent < removed), name
        late = [sent - removed for sent, status, _ in each.seen if status == 200 and sent > removed]
        FIGURES.info(
            f"{rule}, {name}: the last answer {max(late, default=0):.3f} s after, of {len(each.seen)} requests"
        )
        assert max(late, default=0) < LIMIT, (name, max(late))
        after = {(status, text) for sent, status, text in each.seen if sent > removed + LIMIT}
        assert after, "nobody has asked any more"
        assert {status for status, _ in after} == {403}, (name, after)
    past = {
        text for name in ("HTTP/1.1 past it", "HTTP/2 past it") for _, code, text in steady[name].seen if code == 403
    }
    assert past == {
        f"no access policy lets {mesh.identity('web').uri} reach pets:{port}\n" for port in (planes.HTTP, planes.GRPC)
    }
    assert mesh.stats("pets", r"http\.inbound/9080\.rbac\.denied") > denied
    assert mesh.stats("pets", r"listener\..*_9080\.downstream_cx_total") <= opened + 2, "they were the same connections"


@contextlib.contextmanager
def dialled(plane, way):
    """Dial the TCP of pets."""
    if way == "past it":
        with adversaries.dialled(plane, "pets", planes.TCP, plane.context("web")) as connection:
            yield connection
    else:
        with socket.create_connection((plane.workload("web"), planes.WAY), timeout=20) as connection:
            yield connection


def line(connection):
    return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n"))


@pytest.mark.parametrize("rule", DENIED)
@pytest.mark.parametrize("way", ["by the sidecar", "past it"])
def test_a_removed_rule_ends_tcp_connections_after_the_drain(mesh, way, rule):
    wait_until(lambda: heard(mesh, way) == BANNER, "web to be let in", 30)
    with dialled(mesh, way) as connection:
        assert line(connection) == BANNER
        connection.sendall(b"still here\n")
        assert line(connection) == b"STILL HERE\n"
        mesh.write("policy.yaml", DENIED[rule])
        removed = time.monotonic()
        assert fixed.read_until_closed(connection) == b""
        took = time.monotonic() - removed
    FIGURES.info(f"{rule}, TCP {way}: closed after {took:.2f} s, with a drain of {DRAIN:g} s")
    assert took < LIMIT + DRAIN + SLACK
    assert heard(mesh, way) == b"", "a new connection is refused at once"


def heard(plane, way):
    """Return what a new connection gets to read without a word of its own."""
    with contextlib.suppress(OSError), dialled(plane, way) as connection:
        return line(connection)
    return b""
