"""Gateway pods get the Secrets that their own IngressGatewayDeployment lists, of its namespace; on a real API server.

No controllers run there: what a Deployment would make, the test makes.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from mesh import resources
from meshloom.cluster import statuses
from meshloom.identity import claim
from meshloom.identity.authority import issue
from tests import secrets
from tests.cluster import accounts, replicas, servers, telling, waiting, watched
from tests.features import entrance
from watchers import api_server
from xds import resource_types

TLS = "tls: {mode: TLS, serverCertificate: {kubeSecretTlsCertificate: {secretName: %s}}}"
FRONT = f"""
Mesh: shop/main
mtls: {{minimum: DISABLED}}
---
IngressGateway: shop/door
mesh: {{ref: {{name: main}}}}
hosts:
- {{name: a, hostnames: [a.example], listeners: [{{protocol: HTTP, port: 8080}}]}}
- {{name: b, hostnames: [b.example], listeners: [{{protocol: HTTP, port: 8443, {TLS % "edge"}}}]}}
- {{name: c, hostnames: [c.example], listeners: [{{protocol: HTTP, port: 8444, {TLS % "other"}}}]}}
"""
PODS = """
IngressGatewayDeployment: shop/%s
ingressGateway: {ref: {namespace: GATE, name: door}}
deployment: {autoscaling: {minPods: 1, maxPods: 1}}
ports: [{port: 8080}, {port: 8443}, {port: 8444}]
secrets: [%s]
"""
KIND = "IngressGatewayDeployment"
SHOWN = {
    name: secrets.authority().pair(secrets.dns(name)) for name in ("near/edge", "near/other", "far/edge", "far/other")
}


class Edge:
    """A gateway in one namespace, deployed there and in another, and a control plane."""

    def __init__(self, api: api_server.ApiServer, near: str, far: str, replica: replicas.Replica) -> None:
        self.api, self.near, self.far, self.replica = api, near, far, replica

    async def secret(self, where: str, name: str, of: secrets.Pair) -> None:
        """Write a Secret."""
        body = {**secrets.document(f"{where}/{name}", of), "metadata": {"name": name}}
        path = api_server.path("v1", "secrets", where)
        with contextlib.suppress(api_server.ApiError):
            await self.api.request("DELETE", f"{path}/{name}")
        await self.api.request("POST", path, body=body)

    async def deploy(self, where: str, name: str, *listed: str) -> None:
        """Write a deployment of the gateway that lists these Secrets."""
        named = ", ".join(f"{{secretName: {one}}}" for one in listed)
        await watched.written(self.api, (PODS % (name, named)).replace("GATE", self.near), where)

    async def told(self, where: str, kind: str, name: str) -> Any:
        return (await telling.listed(self.api, where, kind))[name]

    async def made(self, where: str, name: str) -> str:
        """Make what a gateway's Deployment would, and return the token of its pod."""
        uid = (await self.told(where, KIND, name))["metadata"]["uid"]
        owner = _owner(resources.API_VERSION, KIND, name, uid)
        selector = {"matchLabels": {"app": name}}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "none"}]}}
        for kind, plural in (("Deployment", "deployments"), ("ReplicaSet", "replicasets")):
            metadata = {"name": f"{name}-made", "ownerReferences": [owner]}
            spec = {"selector": selector, "template": template}
            body = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
            there = await self.api.request("POST", api_server.path("apps/v1", plural, where), body=body)
            owner = _owner("apps/v1", kind, f"{name}-made", there["metadata"]["uid"])
        pod = await accounts.pod(self.api, where, f"{name}-1", name, (owner,))
        return await accounts.token(self.api, where, (f"{name}-1", pod))

    @contextlib.asynccontextmanager
    async def stream(self, token: str) -> AsyncIterator["Got"]:
        """Open the stream of a gateway's pod as soon as it is known whose it is."""
        config = await self.api.request("GET", api_server.path("v1", "configmaps", self.near, "meshloom-root"))
        known = grpc.ssl_channel_credentials(config["data"]["root.pem"].encode())
        options = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.replica.ads}", known, options=options) as channel:
            yield await waiting.until_told(lambda: self._got(channel, token))

    async def _got(self, channel: grpc.aio.Channel, token: str) -> "Got | None":
        stream = entrance.Stream(channel, token)
        names = [f"gateway/{where}/{name}" for where in (self.near, self.far) for name in ("edge", "other")]
        with contextlib.suppress(grpc.aio.AioRpcError):
            await stream.ask(claim.gateway(f"{self.near}/door", "0.0.0.0"))
            await stream.send(resource_types.SECRET, *names)
            await stream.send(resource_types.LISTENER)
            if (first := await stream.receive()) is not grpc.aio.EOF:
                got = Got(stream)
                await got.take(first)
                return got
        return None


def _owner(version: str, kind: str, name: str, uid: str) -> dict[str, object]:
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}


class Got:
    """What a pod has got."""

    def __init__(self, stream: entrance.Stream) -> None:
        self.stream = stream
        self.listeners: dict[str, bytes] = {}
        self.secrets: dict[str, bytes] = {}

    async def take(self, response: Any) -> None:
        kinds = {resource_types.LISTENER: self.listeners, resource_types.SECRET: self.secrets}
        for each in response.resources:
            if each.resource:
                kinds.get(response.type_url, {})[each.name] = each.SerializeToString()
        for name in response.removed_resources:
            kinds.get(response.type_url, {}).pop(name, None)
        await self.stream.ack(response)

    async def until(self, *listeners: int) -> None:
        """Take what comes until these ports are listened on, and no others."""
        while {*self.listeners} != {f"gateway/{port}" for port in listeners}:
            response = await self.stream.receive()
            assert response is not grpc.aio.EOF, await self.stream.end()
            await self.take(response)

    def keys(self) -> set[str]:
        """Return whose keys there are."""
        return {name for name, pair in SHOWN.items() if any(pair.key in body for body in self.secrets.values())}


@pytest.fixture
async def edge(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, log: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Edge]:
    monkeypatch.setattr(statuses, "RETURN", 0.0)
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    far = f"{namespace}-edge-{os.getpid()}"
    cluster.kubectl("create", "namespace", far)
    for where in (namespace, far):
        await accounts.account(api, where)
    await watched.written(api, FRONT, namespace)
    async with replicas.replica(api, namespace, log, far) as replica:
        await replicas.known(api, namespace)
        yield Edge(api, namespace, far, replica)
    cluster.kubectl("delete", "namespace", namespace, far, "--wait=false")


async def test_each_deployment_gets_what_it_lists_of_its_own_namespace_and_says_what_it_lacks(edge: Edge) -> None:
    for name, pair in SHOWN.items():
        where, _, secret = name.partition("/")
        await edge.secret(edge.near if where == "near" else edge.far, secret, pair)
    await edge.deploy(edge.near, "near", "other")
    await edge.deploy(edge.far, "far", "edge")
    far, near = await edge.made(edge.far, "far"), await edge.made(edge.near, "near")
    async with edge.stream(far) as got:
        await got.until(8080, 8443)
        assert got.keys() == {"far/edge"}, "also where those of others are asked for by name"
        assert f"gateway/{edge.far}/edge".encode() in got.listeners["gateway/8443"]
    async with edge.stream(near) as got:
        await got.until(8080, 8444)
        assert got.keys() == {"near/other"}
    words = (
        f"Secret other, which a listener of IngressGateway {edge.near}/door names, is not among the secrets, so that the "
        "listener is not served"
    )
    await waiting.until_told(lambda: says(edge, edge.far, "far", words))
    gateway = await edge.told(edge.near, "IngressGateway", "door")
    assert telling.conditions(gateway)["Configured"] == "True"


async def test_what_is_listed_later_is_served_then_and_what_goes_is_taken_back(edge: Edge) -> None:
    await edge.secret(edge.far, "edge", SHOWN["far/edge"])
    await edge.deploy(edge.far, "far", "edge")
    async with edge.stream(await edge.made(edge.far, "far")) as got:
        await got.until(8080, 8443)
        await edge.deploy(edge.far, "far", "edge", "other")
        words = f"Secret {edge.far}/other does not exist, so that listeners of IngressGateway {edge.near}/door"
        await waiting.until_told(lambda: says(edge, edge.far, "far", words))
        await edge.secret(edge.far, "other", SHOWN["far/other"])
        await got.until(8080, 8443, 8444)
        assert got.keys() == {"far/edge", "far/other"}
        await edge.deploy(edge.far, "far", "other")
        await got.until(8080, 8444)
        renewed = secrets.authority().pair(secrets.dns("renewed"))
        await edge.api.request(
            "PATCH",
            api_server.path("v1", "secrets", edge.far, "other"),
            body={"data": secrets.document("a/b", renewed)["data"]},
            content_type=api_server.MERGE_PATCH,
        )
        before = dict(got.listeners)
        while not any(renewed.key in body for body in got.secrets.values()):
            await got.take(await got.stream.receive())
        assert got.listeners == before


async def says(edge: Edge, where: str, name: str, words: str) -> bool:
    """Return whether a deployment's condition says this."""
    found = await edge.told(where, KIND, name)
    return "Active" in telling.conditions(found) and words in telling.message(found, "Active")
