"""Probes of an application, asked of real servers on loopback."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from meshloom.container import probing
from meshloom.injector.targets import Target
from tests.meshloom.container import answers


@pytest.fixture(scope="module")
def application() -> Iterator[answers.Application]:
    with answers.running() as running:
        yield running


def answer(application, path="/live", scheme="http", host="localhost", seconds=5.0, headers=()):
    target = Target(scheme, host, application.server_address[1], path)
    return probing.answer(target, seconds, headers, "127.0.0.1")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/live", 200),
        ("/live?deep=$(X)&y=%20", 200),
        ("/ill", 500),
        ("/nothing", 404),
        ("/moved", 200),
        ("/moved-to-ill", 500),
        ("/round", 508),
        ("/elsewhere", 200),
        ("/metadata", 200),
    ],
)
def test_an_application_is_as_well_as_it_says(application, path, status):
    assert answer(application, path).status == status


def test_nobody_else_is_asked_wherever_the_application_sends_us(application):
    application.asked.clear()
    answer(application, "/metadata")
    assert [path for path, _, _ in application.asked] == ["/metadata"]


def test_headers_of_the_probe_are_kept_and_those_of_the_way_are_not(application):
    application.asked.clear()
    told = [("X-Probe", "liveness"), ("Host", "pets"), ("Mesh-User-Port", "1"), ("x-envoy-internal", "1"), ("TE", "x")]
    answer(application, headers=told)
    [(_, headers, _)] = application.asked
    assert (headers["x-probe"], headers["host"]) == ("liveness", "pets")
    assert not {"mesh-user-port", "x-envoy-internal", "te"} & {*headers}


def test_without_a_host_of_its_own_the_probe_names_the_pod(application):
    application.asked.clear()
    answer(application)
    [(_, headers, _)] = application.asked
    assert headers["host"] == f"127.0.0.1:{application.server_address[1]}"


def test_the_application_is_called_from_where_nothing_is_captured(application):
    application.asked.clear()
    answer(application)
    [(_, _, caller)] = application.asked
    assert caller == "127.0.0.6"


def test_a_failure_says_what_the_application_said(application):
    assert answer(application, "/ill").body == b"words"


def test_tcp_is_a_connection_and_nothing_else(application):
    assert answer(application, "", "tcp").status == 200


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https", "tcp", "grpc"])
def test_nobody_there_is_a_failure(scheme):
    found = probing.answer(Target(scheme, "localhost", closed_port(), "/"), 5.0, (), "127.0.0.1")
    assert found.status == 503
    assert b"refused" in found.body


@pytest.mark.parametrize("scheme", ["https", "grpc"])
def test_an_application_that_speaks_otherwise_is_a_failure(application, scheme):
    assert answer(application, "/live", scheme).status == 503


@pytest.mark.parametrize("scheme", ["http", "https", "grpc"])
def test_silence_ends_when_the_time_of_the_probe_is_over(scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target(scheme, "localhost", server.getsockname()[1], "/")
        begun = time.monotonic()
        assert probing.answer(target, 0.3, (), "127.0.0.1").status in (503, 504)
        assert time.monotonic() - begun < 5


def test_an_answer_that_drips_ends_when_the_time_of_the_probe_is_over():
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip() -> None:
            with server.accept()[0] as connection:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000:
                    if over.wait(0.05):
                        return
                    try:
                        connection.send(bytes([byte]))
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        target = Target("http", "localhost", server.getsockname()[1], "/")
        begun = time.monotonic()
        status = probing.answer(target, 0.4, (), "127.0.0.1").status
        over.set()
        thread.join(10)
        assert status in (503, 504)
        assert time.monotonic() - begun < 5
