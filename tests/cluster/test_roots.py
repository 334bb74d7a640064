"""The roots of the control plane: where there can be proxies, and nowhere else; in the webhook before in any namespace."""

import asyncio
import base64
import contextlib

import pytest

from mesh import inventory, resolve, workloads
from meshloom.admission import configuration
from meshloom.cluster import publishing, roots, webhook_certificate
from meshloom.identity import entrance
from tests import written
from tests.cluster import waiting
from watchers import api_server

OLD, BOTH = b"-----BEGIN CERTIFICATE-----\nold\n", b"-----BEGIN CERTIFICATE-----\nold\nnew\n"
GATEWAY = (
    "IngressGatewayDeployment: {space}/door\ningressGateway: {{ref: {{name: door}}}}\n"
    "deployment: {{autoscaling: {{minPods: 1, maxPods: 1}}}}\nports: []"
)


def space(name: str, label: str = "", **metadata: str) -> workloads.Namespace:
    labels = {roots.INJECTION: label} if label else {}
    return workloads.Namespace.model_validate(
        {"kind": "Namespace", "metadata": {"name": name, "labels": labels, **metadata}}
    )


def seen(*spaces: workloads.Namespace, gateways: tuple[str, ...] = ()) -> resolve.Resolution:
    there = [written.objects(GATEWAY.format(space=name))[0] for name in gateways]
    return resolve.resolve(inventory.inventory_of((*spaces, *there)))


class World:
    """A publisher, with as many namespaces as a test wants."""

    def __init__(self, cluster, api, own):
        self.cluster, self.api, self.own = cluster, api, own
        self.now = [1000.0]
        self.publisher = publishing.Publisher(api, own, lambda: self.now[0])

    async def held(self, namespace):
        try:
            return await self.api.request("GET", api_server.path("v1", "configmaps", namespace, roots.NAME))
        except api_server.ApiError as fault:
            if fault.is_absent:
                return None
            raise

    async def until_held(self, namespace, pem):
        async def is_held():
            found = await self.held(namespace)
            return (found["data"][roots.KEY].encode() if found else None) == pem

        await waiting.until_told(is_held)

    @contextlib.asynccontextmanager
    async def leading(self, pem):
        self.publisher.take(entrance.Own(b"", b"", pem))
        task = asyncio.create_task(self.publisher.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def world(cluster, api, namespace, monkeypatch):
    monkeypatch.setattr(publishing, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(publishing, "AGAIN_SECONDS", 0.2)
    return World(cluster, api, namespace)


@pytest.fixture
def spaces(cluster, namespace):
    names = [f"{namespace}-{name}" for name in ("one", "two", "three")]
    for name in names:
        cluster.kubectl("create", "namespace", name)
    yield names
    cluster.kubectl("delete", "namespace", *names, "--wait=false")


def test_roots_are_wanted_where_pods_can_be_injected_and_where_gateways_run():
    found = seen(
        space("a", "enabled"),
        space("b", "disabled"),
        space("c"),
        space("d", "Enabled"),
        space("e", "enabled", deletionTimestamp="2030-01-01T00:00:00Z"),
        space("f"),
        gateways=("f", "e"),
    )
    assert roots.wanted(found.inventory, "own") == {"a", "b", "f", "own"}


def test_since_when_roots_are_public_is_believed_only_of_the_same_roots():
    since = roots.published_since
    assert since(roots.Held("x", "12"), "x") == 12
    for found in (None, roots.Held("y", "12"), roots.Held("x", ""), roots.Held("x", "nan"), roots.Held("x", "soon")):
        assert since(found, "x") == float("inf")


async def test_each_namespace_with_proxies_has_them_and_the_others_have_not(world, spaces):
    one, two, three = spaces
    world.publisher.passed(seen(space(one, "enabled"), space(two), gateways=(three,)), ())
    async with world.leading(OLD):
        for name in (one, three, world.own):
            await world.until_held(name, OLD)
        assert await world.held(two) is None
        world.publisher.passed(seen(space(one), space(two, "enabled"), gateways=(three,)), ())
        await world.until_held(two, OLD)
        await world.until_held(one, None)


async def test_what_is_not_ours_is_left_alone(world, spaces):
    one, two, _ = spaces
    world.cluster.kubectl("-n", two, "create", "configmap", roots.NAME, "--from-literal=root.pem=theirs")
    world.publisher.passed(seen(space(one, "enabled")), ())
    async with world.leading(OLD):
        await world.until_held(one, OLD)
        await world.until_held(world.own, OLD)
        assert (await world.held(two))["data"] == {"root.pem": "theirs"}


async def test_what_somebody_changes_or_deletes_is_put_right(world, spaces):
    one = spaces[0]
    world.publisher.passed(seen(space(one, "enabled")), ())
    async with world.leading(OLD):
        await world.until_held(world.own, OLD)
        world.cluster.kubectl("-n", one, "delete", "configmap", roots.NAME)
        await world.until_held(one, OLD)
        world.cluster.kubectl("-n", one, "patch", "configmap", roots.NAME, "-p", '{"data":{"root.pem":"x"}}')
        await world.until_held(one, OLD)


async def test_since_when_is_written_last_and_stays_while_nothing_changes(world, spaces):
    one = spaces[0]
    world.publisher.passed(seen(space(one, "enabled")), ())

    async def since():
        return (await world.held(world.own))["metadata"]["annotations"][roots.SINCE]

    async with world.leading(OLD):
        await world.until_held(world.own, OLD)
        assert await since() == "1000"
        world.now[0] = 2000.0
        world.publisher.passed(seen(space(one, "enabled"), space(spaces[1], "enabled")), ())
        await world.until_held(spaces[1], OLD)
        assert await since() == "1000", "another namespace does not make the roots any younger"
        world.publisher.take(entrance.Own(b"", b"", BOTH))
        await world.until_held(world.own, BOTH)
        assert (await world.held(one))["data"][roots.KEY].encode() == BOTH
        assert await since() == "2000"


async def test_the_webhook_has_new_roots_before_they_count_as_public(world):
    document = configuration.configured({"url": "https://127.0.0.1:1/validate"})
    for webhook in document["webhooks"]:
        webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": "nowhere"}}
    document["webhooks"].append({**document["webhooks"][0], "name": "somebody.elses.webhook", "matchConditions": []})
    await world.api.request("POST", webhook_certificate.PATH.rpartition("/")[0], body=document)
    try:
        async with world.leading(OLD):
            await world.until_held(world.own, OLD)
        found = await world.api.request("GET", webhook_certificate.PATH)
        bundles = [webhook["clientConfig"].get("caBundle") for webhook in found["webhooks"]]
        assert bundles == [base64.b64encode(OLD).decode()] * 2 + [None]
        assert webhook_certificate.patch(found, OLD) == []
    finally:
        await world.api.request("DELETE", webhook_certificate.PATH)


async def test_who_may_not_write_says_why(cluster, namespace):
    async with api_server.connected(api_server.Access(str(cluster.kubeconfig_of("nobody")))) as api:
        publisher = publishing.Publisher(api, namespace)
        publisher.take(entrance.Own(b"", b"", OLD))
        fault = await publisher.brought_up_to_date()
    assert "forbidden" in fault
