"""What the proxy is told about its application, over the socket that it alone can reach."""

import http.client
import os
import pathlib
import socket
import stat
from collections.abc import Iterator

import pytest

from meshloom.container import answering, orders
from meshloom.injector import targets
from meshloom.injector.targets import Target
from tests.meshloom.container import answers


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def asked(path: str, target: Target | None, **more: str) -> tuple[int, bytes]:
    connection = Connection(path)
    connection.request("GET", "/healthproxy", headers={**dict(targets.headers(target) if target else ()), **more})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


@pytest.fixture
def application() -> Iterator[answers.Application]:
    with answers.running() as running:
        yield running


@pytest.fixture
def live(application: answers.Application) -> Target:
    return Target("http", "localhost", application.server_address[1], "/live")


@pytest.fixture
def path(tmp_path: pathlib.Path, live: Target) -> Iterator[str]:
    at = str(tmp_path / "probes.sock")
    with answering.served(orders.Orders(("envoy",), ("127.0.0.1", 9901), 1.0, ("127.0.0.1",), {live: 5.0}, at)):
        yield at


def test_a_recorded_target_is_asked(path, live):
    assert asked(path, live) == (200, b"ok\n")


def test_anything_else_is_not(path, live, application):
    application.asked.clear()
    for other in (live._replace(path="/ill"), live._replace(port=22), live._replace(host="127.0.0.1"), None):
        status, words = asked(path, other)
        assert status == 404
        assert b"not recorded at injection" in words
    assert application.asked == []


def test_the_host_that_kubelet_puts_in_is_not_the_applications(path, live, application):
    asked(path, live, host="127.0.0.1:15010")
    asked(path, live, host="pets.example.com")
    first, second = (headers["host"] for _, headers, _ in application.asked)
    assert (first, second) == (f"127.0.0.1:{live.port}", "pets.example.com")


def test_nobody_else_may_open_the_socket(path):
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_socket_that_was_left_is_replaced(tmp_path, live):
    at = str(tmp_path / "probes.sock")
    (tmp_path / "probes.sock").touch()
    with answering.served(orders.Orders(("envoy",), ("127.0.0.1", 9901), 1.0, ("127.0.0.1",), {live: 5.0}, at)):
        assert asked(at, live)[0] == 200


def test_without_probes_there_is_none(tmp_path):
    at = str(tmp_path / "probes.sock")
    with answering.served(orders.Orders(("envoy",), ("127.0.0.1", 9901), 1.0, ("127.0.0.1",), {}, at)):
        assert not os.path.exists(at)
