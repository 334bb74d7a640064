"""Two replicas over TLS: a proxy that moves from one to the other is sent its leaf key, and nothing else."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import structlog

from meshloom.identity import claim
from meshloom.identity.authority import issue
from tests.cluster import accounts, replicas, servers, waiting, watched
from tests.meshloom import ads, running, shop
from translator import names
from watchers import api_server
from xds.wire import discovery_pb2

SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
ROUTES = ("inbound/9080", "outbound")
BINDING = """
VirtualDeploymentBinding: shop/front-v1
virtualDeployment: {ref: {name: front-v1}}
target: {service: {ref: {name: front}}}
"""


class Pod(ads.Client):
    """A proxy in a pod, which also asks for its secrets."""

    def __init__(self, namespace: str, token: str) -> None:
        proxy = claim.sidecar(f"{namespace}/front-v1", "127.0.9.1", "127.0.0.1", {})
        super().__init__(proxy, ROUTES, delta=True)
        self.token = token

    @contextlib.asynccontextmanager
    async def moved_to(self, replica: replicas.Replica, roots: bytes) -> AsyncIterator["Pod"]:
        """Be connected to this replica until the block ends, with all that was received before."""
        known = grpc.ssl_channel_credentials(roots)
        options = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))
        async with (
            grpc.aio.secure_channel(f"127.0.0.1:{replica.ads}", known, options=options) as channel,
            self.answering(channel, ads.CLUSTER, ads.LISTENER, ads.ROUTES, SECRET),
        ):
            yield self

    def _stream(self, channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall:
        return channel.stream_stream(
            ads.SERVICE + "DeltaAggregatedResources",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=discovery_pb2.DeltaDiscoveryResponse.FromString,
        )(wait_for_ready=True, metadata=(("authorization", f"Bearer {self.token}"),))

    def _first(self, type_url: str) -> Any:
        asked = super()._first(type_url)
        if type_url == SECRET:
            asked.resource_names_subscribe.extend((names.IDENTITY, names.AUTHORITIES))
        return asked

    def told(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return what was received, type by type."""
        return [(one.type_url.rpartition(".")[2], one.names) for one in self.received]


@pytest.fixture
async def mesh(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Yield a namespace with a mesh whose calls are mutual TLS."""
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    await accounts.account(api, namespace)
    await watched.applied(api, watched.service(namespace, "front", 9080))
    text = "---".join((shop.MESH, shop.PETS, shop.weights(90, 10), BINDING)).replace("DISABLED", "STRICT")
    await watched.written(api, text, namespace)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@contextlib.asynccontextmanager
async def replica(api: api_server.ApiServer, namespace: str) -> AsyncIterator[replicas.Replica]:
    """Run a replica until the block ends."""
    log, before = running.Log(), structlog.get_config()
    structlog.configure(processors=[log])
    try:
        async with replicas.replica(api, namespace, log) as started:
            yield started
    finally:
        structlog.configure(**before)


async def roots(api: api_server.ApiServer, namespace: str) -> bytes:
    """Return the roots that pods know the control plane by, once they are public."""
    path = api_server.path("v1", "configmaps", namespace, "meshloom-root")

    async def are_there() -> bool:
        with contextlib.suppress(api_server.ApiError):
            return bool((await api.request("GET", path))["data"])
        return False

    await waiting.until_told(are_there)
    return str((await api.request("GET", path))["data"]["root.pem"]).encode()


async def test_a_rolling_restart_over_tls_sends_nothing_again_but_the_leaf_key(
    api: api_server.ApiServer, mesh: str
) -> None:
    uid = await accounts.pod(api, mesh, "front-1", "front")
    pod = Pod(mesh, await accounts.token(api, mesh, ("front-1", uid)))
    async with replica(api, mesh) as first:
        known = await roots(api, mesh)
        async with pod.moved_to(first, known):
            await pod.complete()
            await pod.until(lambda pod: len(pod.held.get(SECRET, {})) == 2)
    held = {type_url: dict(versions) for type_url, versions in pod.held.items()}
    pod.received.clear()
    async with replica(api, mesh) as second, pod.moved_to(second, known):
        await pod.until(lambda pod: pod.held[SECRET][names.IDENTITY] != held[SECRET][names.IDENTITY])
        await watched.written(api, shop.weights(20, 80), mesh)
        await pod.until(lambda pod: pod.held[ads.ROUTES]["outbound"] != held[ads.ROUTES]["outbound"])
    assert pod.told() == [("Secret", (names.IDENTITY,)), ("RouteConfiguration", ("outbound",))]
    assert pod.held[SECRET][names.AUTHORITIES] == held[SECRET][names.AUTHORITIES]
