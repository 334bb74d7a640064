"""YAML in, a real ADS socket out: what reaches a proxy when files change, and what never does."""

import pathlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from meshloom.identity import claim
from tests.meshloom import ads, running, shop

FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
DOOR = claim.gateway("shop/door", "127.0.9.9")
ROUTES = ("inbound/9080", "outbound")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return shop.laid_out(tmp_path / "mesh")


@pytest_asyncio.fixture
async def served(folder: pathlib.Path, tmp_path: pathlib.Path) -> AsyncIterator[running.Serving]:
    async with running.serving(folder, tmp_path / "ads.sock") as program:
        yield program


@pytest_asyncio.fixture(params=[True, False], ids=["delta", "sotw"])
async def front(request, served: running.Serving) -> AsyncIterator[ads.Client]:
    """The sidecar of `front-v1`, which holds everything it should."""
    async with ads.Client(FRONT, ROUTES, delta=request.param).connected(served.address) as client:
        await client.complete()
        client.received.clear()
        yield client


def unusual(name: str) -> str:
    """Return a document that changes nothing and is reported: a mark in the log that files were read."""
    return f"apiVersion: example.com/v1\nkind: Mark\nmetadata: {{name: {name}}}\n"


async def test_a_proxy_gets_its_clusters_listeners_and_routes(served):
    async with ads.Client(FRONT, ROUTES, delta=True).connected(served.address) as client:
        await client.complete()
        assert {*client.held[ads.CLUSTER]} == {
            "inbound/9080", "outbound/connect", "outbound/shop/pets-v1/9080", "outbound/shop/pets-v2/9080"
        }  # fmt: skip
        assert {*client.held[ads.LISTENER]} == {"inbound/9080", "outbound", "outbound/connect"}


async def test_a_gateway_gets_what_it_leads_to(served):
    async with ads.Client(DOOR, ("gateway/8880",), delta=True).connected(served.address) as client:
        await client.complete()
        assert {*client.held[ads.CLUSTER]} == {"outbound/shop/front-v1/9080"}


async def test_an_edited_weight_sends_routes_and_nothing_else(front, folder):
    shop.write(folder, "weights.yaml", shop.weights(50, 50))
    await front.until(lambda client: client.received)
    shop.write(folder, "weights.yaml", shop.weights(20, 80))
    await front.until(lambda client: len(client.received) > 1)
    assert {*front.types()} == {"RouteConfiguration"}
    assert [received.names for received in front.received] == [("outbound",)] * 2


async def test_a_file_rewritten_unchanged_sends_zero_bytes(front, folder, served):
    for name in ("mesh.yaml", "pets.yaml", "weights.yaml"):
        text = (folder / name).read_text()
        (folder / name).write_text(f"# rewritten\n{text}")
    (folder / "mark.yaml").write_text(unusual("seen"))
    await served.log.until("Mark default/seen")
    assert not front.received
    shop.write(folder, "weights.yaml", shop.weights(50, 50))
    await front.until(lambda client: client.received)
    assert front.types() == ["RouteConfiguration"], "what came first was the edit"


async def test_a_service_that_comes_and_goes_reaches_only_who_may_call_it(front, folder, served):
    async with ads.Client(DOOR, ("gateway/8880",), delta=True).connected(served.address) as door:
        await door.complete()
        door.received.clear()
        shop.write(folder, "pets.yaml", shop.PETS.replace("127.0.9.3", "127.0.9.4"))
        await front.until(lambda client: client.received)
        assert front.types() == ["Cluster"]
        assert not door.received


async def test_a_broken_file_keeps_the_last_good_and_is_reported_until_it_is_mended(front, folder, served):
    (folder / "weights.yaml").write_text("apiVersion: [\nkind: nonsense: yes\n")
    said = await served.log.until("File weights.yaml:")
    assert said.startswith("error: File weights.yaml:2")
    assert not front.received
    shop.write(folder, "weights.yaml", shop.weights(50, 50))
    await served.log.until("resolved: File weights.yaml:2")
    await front.until(lambda client: client.received)
    assert front.types() == ["RouteConfiguration"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            shop.whole(shop.MESH.split("---")[1])
            .replace("VirtualService", "VirtualServise")
            .replace("front", "fronts"),
            "is not a kind of servicemesh.oci.oracle.com",
        ),
        (shop.whole("AccessPolicy: shop/more\nmesh: {ref: {name: nowhere}}\nrules: []"), "AccessPolicy shop/more"),
        (
            shop.whole("VirtualService: shop/zoo\nmesh: {ref: {name: nowhere}}\nhosts: [zoo]\nmtls: {mode: DISABLED}"),
            "VirtualService shop/zoo spec.mesh: Mesh shop/nowhere does not exist",
        ),
        (
            shop.whole("VirtualService: shop/zoo\nmesh: {ref: {name: main}}\nhosts: [pets]\nmtls: {mode: DISABLED}"),
            "VirtualService shop/zoo spec.hosts[0]",
        ),
    ],
    ids=["unknown kind", "no rules", "dangling reference", "one host twice"],
)
async def test_one_bad_object_is_named_and_the_rest_is_served(front, folder, served, text, expected):
    (folder / "extra.yaml").write_text(text)
    assert await served.log.until(expected)
    shop.write(folder, "weights.yaml", shop.weights(50, 50))
    await front.until(lambda client: client.received)
    assert front.types() == ["RouteConfiguration"]


async def test_weights_of_zero_are_answered_with_503_and_said(front, folder, served):
    shop.write(folder, "weights.yaml", shop.weights(0, 0))
    said = await served.log.until("VirtualServiceRouteTable shop/pets")
    assert "weight" in said
    await front.until(lambda client: client.received)
    assert front.types() == ["RouteConfiguration"]


async def test_a_problem_is_said_once_however_often_the_files_are_read(served, folder):
    shop.write(folder, "weights.yaml", shop.weights(0, 0))
    said = await served.log.until("VirtualServiceRouteTable shop/pets")
    (folder / "mark.yaml").write_text(unusual("one"))
    await served.log.until("Mark default/one")
    (folder / "mark.yaml").write_text(unusual("two"))
    await served.log.until("Mark default/two")
    assert served.log.lines.count(said) == 1


async def test_a_proxy_whose_deployment_is_gone_keeps_what_it_has_until_it_is_back(front, folder, served):
    text = (folder / "mesh.yaml").read_text()
    shop.write(
        folder, "mesh.yaml", shop.MESH.replace("VirtualDeployment: shop/front-v1", "VirtualDeployment: shop/other")
    )
    said = await served.log.until("it keeps its last configuration")
    assert said.startswith("warning: VirtualDeployment shop/front-v1: ")
    assert not front.received
    (folder / "mesh.yaml").write_text(text)
    await served.log.until("resolved: VirtualDeployment shop/front-v1")
    shop.write(folder, "weights.yaml", shop.weights(50, 50))
    await front.until(lambda client: client.received)
    assert front.types() == ["RouteConfiguration"]


async def test_a_proxy_that_is_not_in_the_mesh_waits_until_it_is(served, folder):
    newcomer = claim.sidecar("shop/late-v1", "127.0.9.7", "127.0.0.1", {})
    async with ads.Client(newcomer, ("inbound/9080",), delta=True).connected(served.address) as client:
        await served.log.until("VirtualDeployment shop/late-v1: does not exist")
        assert not client.received
        shop.write(folder, "late.yaml", LATE)
        await client.complete()


LATE = """
VirtualService: shop/late
mesh: {ref: {name: main}}
hosts: [late]
mtls: {mode: DISABLED}
---
VirtualDeployment: shop/late-v1
virtualService: {ref: {name: late}}
listener: [{protocol: HTTP, port: 9080}]
serviceDiscovery: {type: DNS, hostname: 127.0.9.7}
"""
