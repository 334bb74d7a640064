"""Pods made anew, on a real API server: through its Eviction API, within budgets, and not more than their makers can bear.

No controllers run there: what they would do, making pods and telling of them, tests do.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import yaml

from mesh import documents, inventory, resolve
from meshloom.cluster import evictions, leader
from meshloom.eviction import turns
from meshloom.injector import contract, standards, wishes
from meshloom.injector.terms import Terms
from meshloom.install import grants
from tests.cluster import accounts, servers, waiting
from tests.meshloom.eviction import given
from watchers import api_server

NOW = "2026-01-01T00:00:00Z"


class Counted:
    """Counts, as metrics would."""

    def __init__(self) -> None:
        self.turns: Counter[str] = Counter()
        self.pods = (0, 0)

    def turned(self, outcome: str) -> None:
        self.turns[outcome] += 1

    def due(self, count: int, kept: int) -> None:
        self.pods = (count, kept)


class World:
    """A namespace with a StatefulSet, and a duty that sees to its pods."""

    def __init__(self, api: api_server.ApiServer, program: api_server.ApiServer, namespace: str) -> None:
        """`program` may do what is granted to the control plane, and nothing else. `labels` are of the namespace, too."""
        self.api, self.namespace, self.counted = api, namespace, Counted()
        chosen = wishes.Evictions(per_minute=6000)
        self.duty = evictions.Evictions(program, chosen, leader.Place("meshloom-system", "one"))
        self.duty.counted(self.counted)
        self.duty.agree(given.TERMS)
        self.labels: dict[str, str] = {}

    def path(self, plural: str, name: str = "", subresource: str = "") -> str:
        version = {"statefulsets": "apps/v1", "poddisruptionbudgets": "policy/v1"}.get(plural, "v1")
        return api_server.path(version, plural, self.namespace, name, subresource)

    async def set(self, replicas: int, available: int, template: Mapping[str, Any] | None = None) -> None:
        """Have a StatefulSet of so many pods, of which so many are available."""
        made = {
            "metadata": {"labels": {"app": "pets"}},
            "spec": {"containers": [{"name": "app", "image": "app"}], **(template or {})},
        }
        spec = {"serviceName": "pets", "selector": {"matchLabels": {"app": "pets"}}, "template": made}
        body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "pets"}}
        at = self.path("statefulsets", "pets")
        told = await self.api.applied(at, {**body, "spec": {**spec, "replicas": replicas}})
        status = {"observedGeneration": told["metadata"]["generation"], "replicas": replicas}
        await self.status(
            "statefulsets", "pets", {**status, "readyReplicas": available, "availableReplicas": available}
        )

    async def pod(self, name: str, image: str = "", *, is_ready: bool = True, is_owned: bool = True) -> str:
        """Make a pod, with a proxy of this image if there is one; return its uid."""
        said = {contract.BINDING: f"{self.namespace}/pets-v1", contract.DEPLOYMENT_ID: given.ID, contract.IMAGE: image}
        owner = {
            **given.STATEFUL,
            "uid": (await self.api.request("GET", self.path("statefulsets", "pets")))["metadata"]["uid"],
        }
        metadata: dict[str, Any] = {"name": name, "labels": {"app": "pets"}, "annotations": said if image else {}}
        metadata |= {"ownerReferences": [owner]} if is_owned else {}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        spec = {"containers": [{"name": "app", "image": "app"}]}
        made = await self.api.request("POST", self.path("pods"), body={**body, "spec": spec})
        ready = {"type": "Ready", "status": "True" if is_ready else "False", "lastTransitionTime": NOW}
        await self.status("pods", name, {"phase": "Running", "conditions": [ready]})
        return str(made["metadata"]["uid"])

    async def status(self, plural: str, name: str, status: Mapping[str, Any]) -> None:
        at = self.path(plural, name, "status")
        await self.api.request("PATCH", at, body={"status": status}, content_type=api_server.MERGE_PATCH)

    async def budget(self, allowed: int) -> None:
        """Have a PodDisruptionBudget that lets so many pods go."""
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "pets"}}}
        body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "pets"}, "spec": spec}
        told = await self.api.applied(self.path("poddisruptionbudgets", "pets"), body)
        counts = {"disruptionsAllowed": allowed, "currentHealthy": 1 + allowed, "desiredHealthy": 1, "expectedPods": 1}
        await self.status(
            "poddisruptionbudgets", "pets", {"observedGeneration": told["metadata"]["generation"], **counts}
        )

    async def pods(self) -> dict[str, Any]:
        return {one["metadata"]["name"]: one for one in (await self.api.request("GET", self.path("pods")))["items"]}

    async def see(self) -> None:
        """Let the duty see what there is."""
        mesh = list(yaml.safe_load_all(given.MESH.replace("shop", self.namespace)))
        mesh[0]["metadata"]["labels"] |= self.labels
        pods = [{**one, "apiVersion": "v1", "kind": "Pod"} for one in (await self.pods()).values()]
        found = [item for one in (*mesh, *pods) if (item := documents.parsed(one).resource)]
        self.duty.passed(resolve.resolve(inventory.inventory_of(found)), ())

    async def until(self, *names: str) -> None:
        """Wait until these pods are there, and no others, while the duty sees what there is."""

        async def asked() -> bool:
            await self.see()
            return (await self.pods()).keys() == set(names)

        await waiting.until_told(asked)
        await self.see()

    @contextlib.asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.duty.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything come soon that comes after a while."""
    monkeypatch.setattr(turns, "SETTLE", 0.2)
    monkeypatch.setattr(turns, "FIRST", 0.1)
    monkeypatch.setattr(turns, "LONGEST", 0.2)
    monkeypatch.setattr(evictions, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(evictions, "SPREAD", 0.0)


@pytest.fixture
async def world(cluster: servers.Cluster, api: api_server.ApiServer, namespace: str) -> AsyncIterator[World]:
    await accounts.account(api, namespace, "default")
    user = f"program-{namespace}"
    rules = [each.rule() for each in grants.EVERYWHERE]
    metadata, authority = {"name": user}, "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{authority}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": f"{authority}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": authority, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": authority, "kind": "User", "name": user}],
    }
    await api.applied(api_server.path(f"{authority}/v1", "clusterroles", "", user), role)
    await api.applied(api_server.path(f"{authority}/v1", "rolebindings", namespace, user), binding)
    async with api_server.connected(api_server.Access(str(cluster.kubeconfig_of(user)))) as program:
        yield World(api, program, namespace)


async def test_pods_go_one_by_one_each_when_the_one_before_is_replaced(world: World) -> None:
    await world.set(2, 2)
    first, second = await world.pod("pets-0"), await world.pod("pets-1")
    async with world.leading():
        await world.until("pets-1")
        await waiting.until(lambda: world.counted.turns["waiting"] > 0)
        assert (await world.pods())["pets-1"]["metadata"]["uid"] == second
        assert await world.pod("pets-0", given.TERMS.image) != first
        await world.until("pets-0")
        await world.pod("pets-1", given.TERMS.image)
        await world.see()
        await waiting.until(lambda: world.counted.pods == (0, 0))
    assert world.counted.turns["evicted"] == 2


async def test_a_budget_holds_an_eviction_back_until_it_allows_it(world: World) -> None:
    await world.set(1, 1)
    await world.pod("pets-0", "meshloom-proxy:1")
    await world.budget(0)
    world.duty.agree(given.TERMS)
    async with world.leading():
        await world.see()
        await waiting.until(lambda: world.counted.turns["held"] > 0)
        assert (await world.pods()).keys() == {"pets-0"}
        await world.budget(1)
        await world.until()
    assert world.counted.turns["evicted"] == 1


async def test_one_that_serves_nobody_does_not_wait_for_others(world: World) -> None:
    await world.set(3, 1)
    await world.pod("pets-0")
    await world.pod("pets-1", is_ready=False)
    async with world.leading():
        await world.until("pets-0")
        await waiting.until(lambda: world.counted.turns["waiting"] > 0)
    assert world.counted.turns["evicted"] == 1


async def test_nobody_is_evicted_for_a_template_that_gets_no_proxy(world: World) -> None:
    await world.set(1, 1, {"hostNetwork": True})
    await world.pod("pets-0")
    async with world.leading():
        await world.see()
        await waiting.until(lambda: world.counted.turns["useless"] > 0)
    assert (await world.pods()).keys() == {"pets-0"}


async def test_nobody_is_evicted_who_would_not_be_let_in_again(world: World) -> None:
    """The namespace of the mesh enforces a standard that no pod with a proxy meets."""
    await world.set(1, 1)
    await world.pod("pets-0")
    world.labels = {standards.LABEL: "baseline"}
    async with world.leading():
        await world.see()
        await waiting.until(lambda: world.counted.turns["useless"] > 0)
        assert (await world.pods()).keys() == {"pets-0"}
    assert world.counted.turns["evicted"] == 0


async def test_who_made_the_pod_is_told(world: World) -> None:
    await world.set(1, 1)
    await world.pod("pets-0")
    at = world.path("events")

    async def told() -> bool:
        return bool((await world.api.request("GET", at))["items"])

    async with world.leading():
        await world.until()
        await waiting.until_told(told)
    [event] = (await world.api.request("GET", at))["items"]
    assert (event["reason"], event["type"], event["involvedObject"]["kind"]) == (
        "EvictedNoProxy",
        "Normal",
        "StatefulSet",
    )
    assert event["message"].startswith(f"evicted Pod {world.namespace}/pets-0, which has no proxy")


async def test_a_pod_that_nobody_makes_anew_is_marked_as_long_as_it_is_outdated(world: World) -> None:
    await world.set(0, 0)
    await world.pod("alone", "meshloom-proxy:1", is_owned=False)

    async def mark() -> str | None:
        await world.see()
        found = (await world.pods())["alone"]["metadata"]["annotations"].get(contract.OUTDATED)
        return str(found) if found is not None else None

    async def is_marked() -> bool:
        return await mark() == "true"

    async def is_unmarked() -> bool:
        return await mark() is None

    async with world.leading():
        await waiting.until_told(is_marked)
        assert world.counted.pods == (0, 1)
        world.duty.agree(Terms("meshloom-proxy:1", given.TERMS.ads))
        await waiting.until_told(is_unmarked)
    assert not world.counted.turns


async def test_nothing_is_done_by_who_does_not_lead(world: World) -> None:
    await world.set(1, 1)
    await world.pod("pets-0")
    await world.see()
    async with world.leading():
        pass
    await world.see()
    assert (await world.pods()).keys() == {"pets-0"}
    assert not world.counted.turns


async def test_what_has_the_name_of_another_pod_by_now_stays(world: World) -> None:
    await world.set(1, 1)
    await world.pod("pets-0")
    await world.see()
    await world.api.request("DELETE", world.path("pods", "pets-0"))
    uid = await world.pod("pets-0", given.TERMS.image)
    async with world.leading():
        await waiting.until(lambda: world.counted.turns["waiting"] > 0)
    assert (await world.pods())["pets-0"]["metadata"]["uid"] == uid
