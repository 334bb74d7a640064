"""Health checks of gRPC, answered by the library of gRPC."""

import socket
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

from meshloom.container import grpc_health

LONG = "a.service.of.a.long.name." * 12
STATUSES = {b"": 1, b"pets.v1.Pets": 1, b"ill": 2, b"unknown": 0, LONG.encode(): 1}


class Health(grpc.GenericRpcHandler):
    """The health service, its messages taken apart by hand."""

    def service(self, details):
        if details.method != "/grpc.health.v1.Health/Check":
            return None
        return grpc.unary_unary_rpc_method_handler(self.check)

    def check(self, request: bytes, context):
        name = asked(request)
        if name not in STATUSES:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return b"\x08" + bytes([STATUSES[name]]) if STATUSES[name] else b""


def asked(request: bytes) -> bytes:
    """Return the service that a HealthCheckRequest names."""
    if not request:
        return b""
    assert request[0] == 0x0A
    at, length, shift = 1, 0, 0
    while True:
        length |= (request[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not request[at - 1] & 0x80:
            break
    assert len(request) == at + length
    return request[at:]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(2), [Health()])
    found = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield found
    server.stop(None)


def status(port, service):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        return grpc_health.status(connection, f"127.0.0.1:{port}", service)


@pytest.mark.parametrize(("service", "found"), [(name.decode(), found) for name, found in STATUSES.items()])
def test_a_service_has_the_status_that_the_server_says(port, service, found):
    assert status(port, service) == found


def test_an_unknown_service_has_none(port):
    with pytest.raises(grpc_health.NoAnswerError, match="no health"):
        status(port, "nobody")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not HTTP/2"),
        (b"", "closed the connection"),
        (b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08", "closed the request"),
        (b"\x00\x00\x00\x04\x01\x00\x00\x00\x00" * 200, "does not end"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(said, words):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(grpc_health.NoAnswerError, match=words):
            grpc_health.status(ours, "localhost", "")
