"""Deletion on a real API server: it waits for who refers to an object, and for nothing else."""

from collections.abc import Mapping
from typing import Any

import pytest

from meshloom.cluster import finalizers, statuses
from tests.cluster import servers, telling, test_status, waiting
from watchers import api_server

GUARDED = {"Mesh": "main", "VirtualService": "pets", "VirtualDeployment": "pets-v1", "IngressGateway": "door"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies get no time to return, for there are none."""
    monkeypatch.setattr(statuses, "RETURN", 0.0)


async def found(api: api_server.ApiServer, namespace: str, kind: str) -> Mapping[str, Any] | None:
    return (await telling.listed(api, namespace, kind)).get(GUARDED.get(kind, "pets"))


async def until_guarded(api: api_server.ApiServer, namespace: str) -> None:
    async def guarded() -> bool:
        objects = [(kind, await found(api, namespace, kind)) for kind in GUARDED]
        return all(one and finalizers.own(kind) in one["metadata"].get("finalizers", []) for kind, one in objects)

    await waiting.until_told(guarded)


async def until_gone(api: api_server.ApiServer, namespace: str) -> None:
    async def gone() -> bool:
        return not await telling.everything(api, namespace)

    await waiting.until_told(gone)


async def test_a_mesh_stays_until_nobody_refers_to_it_and_says_who_does(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    test_status.applied(cluster, namespace, *test_status.the_shop(namespace))
    async with telling.telling(api, namespace):
        await until_guarded(api, namespace)
        await test_status.until_ready(api, namespace)
        cluster.kubectl("delete", "mesh/main", "-n", namespace, "--wait=false")

        async def waits() -> bool:
            mesh = await found(api, namespace, "Mesh")
            assert mesh is not None, "it is gone, though others refer to it"
            return telling.message(mesh, "DependenciesActive").startswith("is still referred to by")

        await waiting.until_told(waits)
        mesh = await found(api, namespace, "Mesh")
        assert mesh is not None
        assert f"VirtualService {namespace}/pets" in telling.message(mesh, "DependenciesActive")
        others = "accesspolicies,ingressgateways,virtualservices"
        cluster.kubectl("delete", others, "--all", "-n", namespace, "--wait=false")

        async def stays() -> bool:
            service = await found(api, namespace, "VirtualService")
            return service is not None and "is still referred to by" in telling.message(service, "DependenciesActive")

        await waiting.until_told(stays)

        async def gone() -> bool:
            return await found(api, namespace, "Mesh") is None

        await waiting.until_told(gone)
        rest = "virtualdeploymentbindings,virtualserviceroutetables,ingressgatewayroutetables,ingressgatewaydeployments"
        cluster.kubectl("delete", f"{rest},virtualdeployments", "--all", "-n", namespace, "--wait=false")
        await until_gone(api, namespace)


async def test_everything_that_is_deleted_at_once_goes_at_once(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    test_status.applied(cluster, namespace, *test_status.the_shop(namespace))
    kinds = (
        "meshes,virtualservices,virtualdeployments,ingressgateways,accesspolicies,virtualserviceroutetables,"
        "ingressgatewayroutetables,virtualdeploymentbindings,ingressgatewaydeployments"
    )
    async with telling.telling(api, namespace):
        await until_guarded(api, namespace)
        cluster.kubectl("delete", kinds, "--all", "-n", namespace, "--wait=false")
        await until_gone(api, namespace)


async def test_finalizers_of_the_original_are_taken_away_and_those_of_others_are_not(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    documents = [one for one in test_status.the_shop(namespace) if one["kind"] in ("Mesh", "AccessPolicy")]
    for one in documents:
        metadata = one["metadata"]
        assert isinstance(metadata, dict)
        metadata["finalizers"] = [finalizers.own(str(one["kind"])), finalizers.COMMON]
    test_status.applied(cluster, namespace, *documents)
    cluster.kubectl("patch", "accesspolicy/main", "-n", namespace, "--type=json", "-p", ADDED)
    async with telling.telling(api, namespace):
        cluster.kubectl("delete", "mesh/main", "accesspolicy/main", "-n", namespace, "--wait=false")

        async def left() -> bool:
            policies = await telling.listed(api, namespace, "AccessPolicy")
            return policies["main"]["metadata"]["finalizers"] == ["example.com/other"]

        await waiting.until_told(left)

        async def gone() -> bool:
            return await found(api, namespace, "Mesh") is None

        await waiting.until_told(gone)
    cluster.kubectl(
        "patch", "accesspolicy/main", "-n", namespace, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}'
    )


ADDED = '[{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/other"}]'
