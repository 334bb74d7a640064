"""A workload outside of the cluster: it joins by a token, and callers find it by a slice that somebody wrote."""

import asyncio
import contextlib
import pathlib
import re
import time

import grpc
import pytest
import yaml

from mesh.problems import Ref
from meshloom.identity import claim, tokens
from meshloom.identity.authority import issue
from tests.cluster import replicas, watched
from tests.features import entrance
from watchers import api_server
from xds import resource_types

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "workloads-outside-the-cluster.md"
WRITTEN, REAL = "127.88.4.30", "192.0.2.30"
"""The address in the document, which an API server would refuse, and one that it takes."""
CLUSTER = "outbound/{}/prices-v1/9080"


def documents(namespace):
    """Return the demo's mesh and the objects of the document, in another namespace."""
    objects = re.search(r"<<'END'\n(.*?)^END$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    text = f"{(ROOT / 'demo' / 'mesh.yaml').read_text()}\n---\n{objects[1]}".replace(WRITTEN, REAL)
    moved = re.sub(r"namespace: shop\b", f"namespace: {namespace}", text)
    return [document for document in yaml.safe_load_all(moved) if document]


class Outside:
    """A namespace with the demo's mesh, and a control plane; nothing runs in it."""

    def __init__(self, api, namespace, replica):
        self.api, self.namespace, self.replica = api, namespace, replica

    def proxy(self, name):
        return claim.sidecar(f"{self.namespace}/{name}", REAL, "127.0.0.1", {})

    async def token(self, name):
        key = await asyncio.to_thread(self.replica.resident.home.tokens.signing)
        owner = Ref("VirtualDeployment", self.namespace, name)
        return tokens.signed(tokens.issued(owner, key.id, time.time(), 3600), key.key)

    @contextlib.asynccontextmanager
    async def stream(self, name):
        """Yield a stream of a proxy that shows a token, and the names of the clusters that it gets."""
        path = api_server.path("v1", "configmaps", self.namespace, "meshloom-root")
        root = (await self.api.request("GET", path))["data"]["root.pem"]
        known = grpc.ssl_channel_credentials(root.encode())
        options = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.replica.ads}", known, options=options) as channel:
            stream = entrance.Stream(channel, await self.token(name))
            yield stream, await stream.asked(self.proxy(name))

    async def ready(self, is_ready):
        """Say of the machine whether it is to be used, as a person does."""
        path = api_server.path("discovery.k8s.io/v1", "endpointslices", self.namespace, "prices-outside")
        body = {"endpoints": [{"addresses": [REAL], "conditions": {"ready": is_ready}}]}
        await self.api.request("PATCH", path, body=body, content_type=api_server.MERGE_PATCH)


@pytest.fixture
async def outside(cluster, api, namespace, log, monkeypatch):
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    for document in documents(namespace):
        await watched.applied(api, document)
    async with replicas.replica(api, namespace, log) as replica:
        found = Outside(api, namespace, replica)
        await replicas.known(found.api, found.namespace)
        yield found
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


async def test_a_machine_joins_by_a_token_and_callers_find_it_by_a_slice_written_by_hand(outside):
    async with outside.stream("prices-v1") as (_, clusters):
        assert "inbound/9080" in clusters
    name = CLUSTER.format(outside.namespace)
    async with outside.stream("storefront-v1") as (stream, clusters):
        assert name in clusters
        await stream.send(resource_types.ENDPOINTS, name)
        found = await endpoints(stream)
        assert (found.name, REAL.encode() in found.resource) == (name, True)
        await outside.ready(False)
        assert REAL.encode() not in (await endpoints(stream)).resource
        await outside.ready(True)
        assert REAL.encode() in (await endpoints(stream)).resource


async def endpoints(stream):
    """Return the next endpoints that come; with a cluster come secrets, too."""
    while True:
        response = await stream.receive()
        await stream.ack(response)
        if response.type_url == resource_types.ENDPOINTS:
            (found,) = response.resources
            return found
