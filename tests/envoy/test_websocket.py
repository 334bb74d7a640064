"""WebSockets: through sidecars, through tunnels and from outside; no timeout of requests ends one that is open."""

import contextlib
import socket
import time

import pytest

from tests.envoy import talkers, worlds

PORT = 8083
LONGER_THAN_THE_TIMEOUTS_S = 1.0  # which are 400 ms at each hop

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


@pytest.fixture(scope="module", autouse=True)
def _application(world):
    """Run what takes WebSockets behind its sidecar."""
    (pair,) = (pair for pair in world.cast().pairs if pair.deployment.name == "two-v1")
    with talkers.serving(pair.application, PORT, talkers.websockets):
        yield


def by_proxy(world: worlds.World, caller: int = worlds.CALLER) -> talkers.Answer:
    """Ask the caller's sidecar as a client that takes it for an HTTP proxy."""
    connection = socket.create_connection((world.block.address(caller), 15000), timeout=20)
    return talkers.upgraded(connection, f"http://two:{PORT}/hurried", f"two:{PORT}")


def by_tunnel(world: worlds.World) -> talkers.Answer:
    """Ask through CONNECT, as most clients of WebSockets do under a proxy."""
    tunnel = talkers.tunnel(world.block.address(worlds.CALLER), f"two:{PORT}")
    assert tunnel.status == 200
    return talkers.upgraded(tunnel.connection, "/hurried", f"two:{PORT}")


def by_gateway(world: worlds.World) -> talkers.Answer:
    """Ask from outside."""
    connection = socket.create_connection((world.block.address(worlds.GATEWAY), 8880), timeout=20)
    return talkers.upgraded(connection, "/hurried-sockets", "shop.example.com")


def said(connection: socket.socket, words: str) -> str:
    """Say something through a WebSocket; return what comes back."""
    connection.sendall(f"{words}\n".encode())
    return talkers.line(connection)


def test_websockets_stay_open_beyond_the_timeouts_of_requests(world):
    answers = [by_proxy(world), by_tunnel(world), by_gateway(world)]
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(answer.connection) for answer in answers]
        assert [(answer.status, answer.headers["upgrade"]) for answer in answers] == [(101, "websocket")] * 3
        assert [said(each, "at once") for each in opened] == ["at once"] * 3
        time.sleep(LONGER_THAN_THE_TIMEOUTS_S)
        assert [said(each, "still there") for each in opened] == ["still there"] * 3


def test_a_websocket_that_no_policy_allows_is_refused(world):
    answer = by_proxy(world, worlds.STRANGER)
    assert answer.status == 403
    assert answer.body() == f"no access policy lets t/stranger reach two:{PORT}"
