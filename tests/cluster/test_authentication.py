"""Pods prove who they are by ServiceAccount tokens that a real API server gave and judges."""

import asyncio
import contextlib
import time

import grpc
import pytest

from meshloom.cluster import token_reviews
from meshloom.identity import claim, proofs
from meshloom.identity.authority import issue
from tests.cluster import accounts, replicas, waiting, watched
from tests.features import entrance
from watchers import api_server

MESH = """
Mesh: shop/main
mtls: {minimum: DISABLED}
---
VirtualService: shop/front
mesh: {ref: {name: main}}
hosts: [front]
---
VirtualDeployment: shop/front-v1
virtualService: {ref: {name: front}}
listener: [{protocol: HTTP, port: 9080}]
serviceDiscovery: {type: DNS, hostname: 127.0.9.1}
---
VirtualDeployment: shop/front-v2
virtualService: {ref: {name: front}}
listener: [{protocol: HTTP, port: 9080}]
serviceDiscovery: {type: DNS, hostname: 127.0.9.2}
---
VirtualDeploymentBinding: shop/front-v1
virtualDeployment: {ref: {name: front-v1}}
target: {service: {ref: {name: front}}}
"""
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "front"},
    "spec": {"selector": {"app": "front"}, "ports": [{"port": 80, "targetPort": 9080}]},
}
UNKNOWN, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED


class Shop:
    """A namespace with a bound pod, and a control plane."""

    def __init__(self, api, namespace, replica, uid):
        self.api, self.namespace, self.replica, self.uid = api, namespace, replica, uid

    def proxy(self, name="front-v1"):
        return claim.sidecar(f"{self.namespace}/{name}", "127.0.9.1", "127.0.0.1", {})

    async def token(self, **asked):
        return await accounts.token(self.api, self.namespace, **{"bound": ("front-1", self.uid), **asked})

    @contextlib.asynccontextmanager
    async def channel(self):
        config = await self.api.request("GET", api_server.path("v1", "configmaps", self.namespace, "meshloom-root"))
        known = grpc.ssl_channel_credentials(config["data"]["root.pem"].encode())
        options = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.replica.ads}", known, options=options) as opened:
            yield opened

    async def refusal(self, token, name="front-v1"):
        """Return the code and the words with which a token is refused."""
        async with self.channel() as channel:
            stream = entrance.Stream(channel, token)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await stream.ask(self.proxy(name))
            return await stream.end()

    async def is_let_in(self, token):
        async with self.channel() as channel:
            stream = entrance.Stream(channel, token)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await stream.ask(self.proxy())
                return (await stream.receive()) is not grpc.aio.EOF
        return False


@pytest.fixture
async def shop(cluster, api, namespace, log, monkeypatch):
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    await accounts.account(api, namespace)
    await api.request("POST", api_server.path("v1", "services", namespace), body=SERVICE)
    await watched.written(api, MESH, namespace)
    uid = await accounts.pod(api, namespace, "front-1", "front")
    async with replicas.replica(api, namespace, log) as replica:
        made = Shop(api, namespace, replica, uid)
        await replicas.known(made.api, made.namespace)
        yield made
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


async def test_a_pod_gets_the_configuration_of_its_deployment_and_of_no_other(shop):
    token = await shop.token()
    await waiting.until_told(lambda: shop.is_let_in(token))
    async with shop.channel() as channel:
        names = await entrance.Stream(channel, token).asked(shop.proxy())
    assert names
    code, message = await shop.refusal(token, "front-v2")
    assert code is DENIED
    assert f"the pod {shop.namespace}/front-1 is not bound to it" in message


async def test_other_tokens_are_refused(cluster, shop):
    foreign = await shop.token(audience="another")
    assert (await shop.refusal(foreign))[0] is UNKNOWN
    assert (await shop.refusal(await shop.token(bound=None)))[0] is UNKNOWN, "it is of no pod"
    token = await shop.token()
    assert (await shop.refusal(token[:-4] + "AAAA"))[0] is UNKNOWN
    key = (cluster.folder / "accounts.key").read_bytes()
    now = int(time.time())
    still_valid = accounts.signed_anew(token, key, exp=now + 300)
    await waiting.until_told(lambda: shop.is_let_in(still_valid))
    code, message = await shop.refusal(accounts.signed_anew(token, key, iat=now - 900, nbf=now - 900, exp=now - 300))
    assert code is UNKNOWN
    assert token[:20] not in message


async def test_a_pod_that_is_bound_to_nothing_is_refused(shop):
    uid = await accounts.pod(shop.api, shop.namespace, "other-1", "other")
    assert (await shop.refusal(await shop.token(bound=("other-1", uid))))[0] is DENIED


async def test_a_pod_whose_binding_moves_is_of_the_other_deployment_at_once(shop):
    token = await shop.token()
    await waiting.until_told(lambda: shop.is_let_in(token))
    async with shop.channel() as channel:
        stream = entrance.Stream(channel, token)
        await stream.asked(shop.proxy())
        bindings = "virtualdeploymentbindings"
        path = api_server.path("servicemesh.oci.oracle.com/v1beta1", bindings, shop.namespace, "front-v1")
        body = {"spec": {"virtualDeployment": {"ref": {"name": "front-v2"}}}}
        await shop.api.request("PATCH", path, body=body, content_type=api_server.MERGE_PATCH)
        assert (await stream.end())[0] is DENIED
        assert await entrance.Stream(channel, token).asked(shop.proxy("front-v2"))


async def test_the_stream_of_a_pod_that_is_deleted_ends_and_its_token_is_worth_nothing(shop):
    token = await shop.token()
    await waiting.until_told(lambda: shop.is_let_in(token))
    async with shop.channel() as channel:
        stream = entrance.Stream(channel, token)
        await stream.asked(shop.proxy())
        path = api_server.path("v1", "pods", shop.namespace, "front-1")
        await shop.api.request("DELETE", path, {"gracePeriodSeconds": "0"})
        assert (await stream.end())[0] is DENIED
    assert (await shop.refusal(token))[0] in (UNKNOWN, DENIED)


async def test_a_proof_ends_with_its_token(shop):
    reviews = token_reviews.TokenReviews(shop.api)
    found = await reviews.review(await shop.token(), "meshloom")
    assert found.pod == proofs.Pod(shop.namespace, "front-1", shop.uid)
    assert 500 < found.until - time.time() <= 600


async def test_who_is_no_reviewer_says_so_to_nobody_but_the_log(cluster, shop):
    async with api_server.connected(api_server.Access(str(cluster.kubeconfig_of("nobody")))) as api:
        with pytest.raises(proofs.ReviewError):
            await token_reviews.TokenReviews(api).review(await shop.token(), "meshloom")
