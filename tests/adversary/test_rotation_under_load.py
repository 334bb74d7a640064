"""Certificates are renewed a hundred times, and the root is replaced, while traffic flows: no request fails.

Requests come over kept connections and over new ones, through sidecars and past them, in HTTP/1.1, HTTP/2 and TCP; each
new connection has its own handshake, with the certificates of that moment on both sides.
"""

import concurrent.futures
import contextlib
import logging
import re
import signal
import socket
import threading
import time

import grpc
import pytest
from cryptography import x509

from meshloom.demo import application
from meshloom.demo.waiting import wait_until
from tests.adversary import adversaries, planes, renewing
from tests.envoy import fixed, worlds
from tests.envoy.test_grpc import Echo

RENEWALS = 100
BANNER = b"welcome\n"
BETWEEN = 0.02
FIGURES = logging.getLogger(__name__)

pytestmark = pytest.mark.envoy


@pytest.fixture
def mesh(envoy, tmp_path):
    with (
        planes.running(tmp_path, ("-m", "tests.adversary.renewing", "serve")) as plane,
        contextlib.ExitStack() as stack,
    ):
        at = plane.application("pets")
        role = application.Role("pets", "pets-v1")
        stack.enter_context(worlds.serving([application.Server((at, planes.HTTP), role)]))
        stack.enter_context(fixed.speaking_first(at, planes.TCP, BANNER))
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Echo()])
        server.add_insecure_port(f"{at}:{planes.GRPC}")
        server.start()
        stack.callback(lambda: server.stop(0).wait())
        for name in ("pets", "web"):
            plane.start_proxy(name, envoy, drain=2)
        yield plane


class Load:
    """Does something again and again, beside the test, and counts how often it came out wrong."""

    def __init__(self, once):
        self._once, self._ending = once, threading.Event()
        self.done, self.failed = 0, []

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()

    def _run(self):
        while not self._ending.wait(BETWEEN):
            try:
                found = self._once()
            except Exception as fault:  # which is what is looked for
                found = f"{type(fault).__name__}: {fault}"
            self.done += 1
            if found is not None:
                self.failed.append((self.done, found))


def expecting(ask):
    """Return what asks by HTTP, and says what is wrong with the answer."""

    def once():
        status, text = ask()
        return None if status == 200 else f"{status} {text}"

    return once


def loads(plane, stack):
    """Return the loads by name."""

    def by_sidecar():
        return socket.create_connection((plane.workload("web"), planes.OUTBOUND), 20)

    authority, deep = f"pets:{planes.HTTP}", f"pets:{planes.GRPC}"
    kept1 = adversaries.Http1(stack.enter_context(by_sidecar()), authority, f"http://{authority}")
    kept2 = adversaries.Http2(stack.enter_context(by_sidecar()), deep)

    def past(port, client, *alpn):
        with adversaries.dialled(plane, "pets", port, plane.context("web", *alpn)) as connection:
            return client(connection, f"pets:{port}").get()

    def tcp():
        with socket.create_connection((plane.workload("web"), planes.WAY), timeout=20) as connection:
            got = line(connection)
            connection.sendall(b"hello\n")
            got += line(connection)
        return None if got == BANNER + b"HELLO\n" else got

    old = stack.enter_context(socket.create_connection((plane.workload("web"), planes.WAY), timeout=20))
    assert line(old) == BANNER

    def kept_tcp():
        old.sendall(b"hello\n")
        return None if (got := line(old)) == b"HELLO\n" else got

    return {
        "HTTP/1.1": expecting(kept1.get),
        "HTTP/2": expecting(kept2.get),
        "TCP": kept_tcp,
        "TCP, new connections": tcp,
        "HTTP/1.1, new connections": expecting(lambda: past(planes.HTTP, adversaries.Http1)),
        "HTTP/2, new connections": expecting(lambda: past(planes.GRPC, adversaries.Http2, "h2")),
    }


def line(connection):
    return fixed.read_until_closed(connection, lambda got: got.endswith(b"\n"))


def shown(plane):
    """Return the serial number of the certificate that pets shows now."""
    with adversaries.dialled(plane, "pets", planes.HTTP, plane.context("web")) as connection:
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).serial_number


def renewed(plane, seen):
    """Have all certificates renewed, and wait until pets shows one that nobody has seen, and web has its own."""
    before = plane.stats("web", r"sds\.identity\.update_success")
    plane.process.signal(signal.SIGUSR1)
    wait_until(lambda: shown(plane) not in seen, "pets to show a new certificate", 20, [plane.process])
    wait_until(lambda: plane.stats("web", r"sds\.identity\.update_success") > before, "web to have one too", 20)
    return shown(plane)


def steps(plane):
    """Return what the authority has done to its roots so far."""
    return re.findall(r'"of": "main\.t\.mesh".*"event": "root\.(\w+)"', plane.log())


@pytest.mark.load
def test_no_request_fails_while_certificates_are_renewed_and_the_root_is_replaced(mesh):
    first, seen, start = mesh.issuer("web").certificate, set(), time.monotonic()
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(Load(once)) for name, once in loads(mesh, stack).items()}
        wait_until(lambda: all(each.done > 5 for each in running.values()), "traffic to flow", 20)
        for _ in range(RENEWALS // 2):
            seen.add(renewed(mesh, seen))
        FIGURES.info(f"{len(seen)} renewals in {time.monotonic() - start:.1f} s")
        mesh.process.signal(signal.SIGUSR2)
        while len(seen) < RENEWALS or "dropped" not in steps(mesh):
            seen.add(renewed(mesh, seen))
        for each in running.values():
            wait_until(lambda each=each, until=each.done + 5: each.done >= until, "traffic to flow on", 20)
    took = time.monotonic() - start
    FIGURES.info(
        f"{len(seen)} renewals in {took:.1f} s; requests: { {name: each.done for name, each in running.items()} }"
    )
    assert {name: each.failed for name, each in running.items() if each.failed} == {}
    assert steps(mesh) == ["spreading", "signing", "dropped"]
    assert mesh.issuer("web").certificate != first
    assert len(seen) >= RENEWALS
    assert took > renewing.LEAF_LIFE, "the old root was trusted as long as a certificate by it could be in use"
    assert "Traceback" not in mesh.log()
