"""Two replicas at home in one namespace: the same roots, the same tokens; who leads goes, and the other goes on."""

import asyncio
import contextlib
import time

import grpc
import pytest

from mesh.problems import Ref
from meshloom.cluster import home, publishing, roots
from meshloom.identity import claim, tokens
from meshloom.identity.authority import issue
from tests.cluster import replicas, waiting, watched
from tests.cluster.test_authentication import MESH
from tests.features import entrance
from watchers import api_server


@pytest.fixture
async def shop(cluster, api, namespace, monkeypatch):
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    monkeypatch.setattr(publishing, "LOOK_SECONDS", 0.5)
    await watched.written(api, MESH, namespace)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


async def root(api, namespace):
    path = api_server.path("v1", "configmaps", namespace, roots.NAME)

    async def is_there():
        with contextlib.suppress(api_server.ApiError):
            return bool((await api.request("GET", path))["data"][roots.KEY])
        return False

    await waiting.until_told(is_there)
    return (await api.request("GET", path))["data"][roots.KEY].encode()


@contextlib.asynccontextmanager
async def stream(replica, pem, token):
    options = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))
    known = grpc.ssl_channel_credentials(pem)
    async with grpc.aio.secure_channel(f"127.0.0.1:{replica.ads}", known, options=options) as opened:
        yield entrance.Stream(opened, token)


async def test_both_are_known_by_one_root_let_in_the_same_tokens_and_forget_no_revocation(api, shop, log):
    proxy = claim.sidecar(f"{shop}/front-v1", "127.0.9.1", "127.0.0.1", {})
    async with replicas.replica(api, shop, log) as one, replicas.replica(api, shop, log) as two:
        pem = await root(api, shop)
        store = home.namespaced(api, shop).tokens
        key = await asyncio.to_thread(store.signing)
        token = tokens.issued(Ref("VirtualDeployment", shop, "front-v1"), key.id, time.time(), 3600)
        text = tokens.signed(token, key.key)
        async with stream(one, pem, text) as first, stream(two, pem, text) as second:
            assert await first.asked(proxy) == await second.asked(proxy)
            await asyncio.to_thread(store.revoke, token.id)
            for each in (first, second):
                code, words = await each.end()
                assert code is grpc.StatusCode.UNAUTHENTICATED
                assert "revoked" in words
    async with replicas.replica(api, shop, log) as again:
        assert await root(api, shop) == pem
        async with stream(again, pem, text) as third:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await third.ask(proxy)
            assert (await third.end())[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_where_the_one_that_leads_ends_the_other_keeps_the_roots_public(cluster, api, shop, log):
    async with contextlib.AsyncExitStack() as second:
        async with replicas.replica(api, shop, log):
            await log.until("leads: holds the lease")
            pem = await root(api, shop)
            await second.enter_async_context(replicas.replica(api, shop, log))
            assert len(log.holding("leads: holds the lease")) == 1
            log.lines.clear()
        await log.until("leads: holds the lease")
        cluster.kubectl("-n", shop, "delete", "configmap", roots.NAME)
        assert await root(api, shop) == pem
