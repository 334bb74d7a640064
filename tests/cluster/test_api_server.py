"""The connection to a real API server."""

import asyncio
import contextlib
import pathlib
import socket
import time

import pytest
from aiohttp import client_proto

from tests.cluster import relay, servers
from watchers import api_server, lifelines

MAPS = "configmaps"


def test_paths_are_those_of_the_api() -> None:
    assert api_server.path("v1", "namespaces") == "/api/v1/namespaces"
    assert api_server.path("v1", "pods", "shop", "a", "status") == "/api/v1/namespaces/shop/pods/a/status"
    crossing = api_server.path("apps/v1", "deployments", "shop", "../x")
    assert crossing == "/apis/apps/v1/namespaces/shop/deployments/..%2Fx"


async def test_what_is_applied_is_there_and_can_be_read(api: api_server.ApiServer, namespace: str) -> None:
    written = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"key": "value"}}
    made = await api.applied(api_server.path("v1", MAPS, namespace, "one"), written)
    assert made["metadata"]["managedFields"][0]["manager"] == "meshloom"
    read = await api.request("GET", api_server.path("v1", MAPS, namespace, "one"))
    assert read["data"] == {"key": "value"}


async def test_what_is_not_there_is_an_error_in_words(api: api_server.ApiServer, namespace: str) -> None:
    with pytest.raises(api_server.ApiError) as fault:
        await api.request("GET", api_server.path("v1", MAPS, namespace, "absent"))
    assert (fault.value.status, fault.value.reason) == (404, "NotFound")
    assert fault.value.is_absent
    assert str(fault.value) == 'configmaps "absent" not found'


async def test_a_watch_tells_line_by_line_what_happens(api: api_server.ApiServer, namespace: str) -> None:
    at = api_server.path("v1", MAPS, namespace)
    asked = {"watch": "true", "resourceVersion": (await api.request("GET", at))["metadata"]["resourceVersion"]}
    async with contextlib.aclosing(api.lines(at, asked, silence=30)) as lines:
        body = {"metadata": {"name": "seen"}, "data": {"long": "x" * 300_000}}
        await api.request("POST", at, body=body)
        assert await anext(lines) == b"", "the server has agreed to the watch"
        line = await anext(lines)
    assert line.startswith(b'{"type":"ADDED"')
    assert len(line) > 300_000


async def test_a_watch_in_which_nothing_is_said_for_too_long_is_ended(
    api: api_server.ApiServer, namespace: str
) -> None:
    at = api_server.path("v1", MAPS, namespace)
    version = (await api.request("GET", at))["metadata"]["resourceVersion"]
    begun = time.monotonic()
    with pytest.raises(api_server.ApiError) as fault:
        async for _ in api.lines(at, {"watch": "true", "resourceVersion": version}, silence=0.5):
            pass
    assert fault.value.reason == api_server.UNREACHABLE
    assert "0.5 s" in str(fault.value)
    assert time.monotonic() - begun < 10


async def test_whoever_has_no_rights_is_told_so(cluster: servers.Cluster, namespace: str) -> None:
    access = api_server.Access(str(cluster.kubeconfig_of("nobody")))
    async with api_server.connected(access) as api:
        with pytest.raises(api_server.ApiError) as fault:
            await api.request("GET", api_server.path("v1", "secrets", namespace))
    assert (fault.value.status, fault.value.reason) == (403, "Forbidden")


async def test_a_server_that_is_not_there_is_unreachable(cluster: servers.Cluster, tmp_path: pathlib.Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(cluster.kubeconfig.read_text().replace(str(cluster.port), "1"))
    async with api_server.connected(api_server.Access(str(elsewhere))) as api:
        with pytest.raises(api_server.ApiError) as fault:
            await api.request("GET", "/version")
    assert (fault.value.status, fault.value.reason) == (0, api_server.UNREACHABLE)


async def test_a_kubeconfig_that_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(api_server.ApiError, match=r"kubeconfig .*absent does not exist; name the file"):
        async with api_server.connected(api_server.Access(str(tmp_path / "absent"))):
            pass


async def test_a_token_that_was_replaced_in_the_kubeconfig_is_taken_up(
    cluster: servers.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_server, "RELOAD_SECONDS", 0.0)
    written = cluster.kubeconfig_with("expired", "replaced")
    async with api_server.connected(api_server.Access(str(written))) as api:
        with pytest.raises(api_server.ApiError) as fault:
            await api.request("GET", "/api/v1/namespaces/default")
        assert fault.value.status == 401
        written.write_bytes(cluster.kubeconfig.read_bytes())
        with pytest.raises(api_server.ApiError):
            await api.request("GET", "/api/v1/namespaces/default")
        assert (await api.request("GET", "/api/v1/namespaces/default"))["kind"] == "Namespace"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Return the sockets of all connections, as they are made."""
    found: list[socket.socket] = []

    def noted(address: tuple[int, ...]) -> socket.socket:
        found.append(kept_alive(address))
        return found[-1]

    kept_alive = lifelines._kept_alive
    monkeypatch.setattr(lifelines, "_kept_alive", noted)
    return found


async def test_the_system_asks_whether_the_other_side_lives(
    cluster: servers.Cluster, made: list[socket.socket]
) -> None:
    async with api_server.connected(cluster.access) as other:
        await other.request("GET", "/version")
        (one,) = made
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


async def test_a_request_that_is_given_up_leaves_no_connection_open_though_the_server_says_no_goodbye(
    cluster: servers.Cluster, tmp_path: pathlib.Path, made: list[socket.socket]
) -> None:
    async with relay.relayed(cluster, tmp_path) as (way, access):
        async with api_server.connected(access) as api:
            await api.request("GET", "/version")
            way.stall()
            asking = asyncio.create_task(api.request("GET", "/version"))
            await asyncio.wait_for(way.held.wait(), 20)
            await given_up(asking)
        assert [one.fileno() for one in made] == [-1]


async def test_a_request_that_is_given_up_just_as_its_connection_stands_leaves_none_open(
    cluster: servers.Cluster, tmp_path: pathlib.Path, made: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relay.relayed(cluster, tmp_path) as (way, access):
        async with api_server.connected(access) as api:

            def stands(self: client_proto.ResponseHandler, transport: asyncio.BaseTransport) -> None:
                connection_made(self, transport)
                way.stall()
                asking.cancel()

            connection_made = client_proto.ResponseHandler.connection_made
            monkeypatch.setattr(client_proto.ResponseHandler, "connection_made", stands)
            asking = asyncio.create_task(api.request("GET", "/version"))
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert [one.fileno() for one in made] == [-1]


async def given_up(asking: "asyncio.Task[object]") -> None:
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
