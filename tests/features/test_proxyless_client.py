"""What grpcio's own xDS client makes of what it is sent: it takes every expected configuration, and says what it refuses."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from mesh import mtls
from tests import grpc_programs
from tests.features import ads
from tests.translator import golden, graphs
from translator import clusters, proxies, resources
from translator.resources import EncodedResource

CASES = [case for case in golden.cases() if case.startswith(golden.PROXYLESS)]
WEB = proxies.Proxyless(graphs.vd("shop/web"))


def routed() -> list[EncodedResource]:
    """Return what a program gets that calls `pricing.shop`."""
    _, made = golden.compilation("proxyless-routes")
    return [item for part in made.bundles[WEB] for item in part]


@contextlib.asynccontextmanager
async def client(plane: ads.Plane, folder) -> AsyncIterator[grpc_programs.Client]:
    """Run a gRPC program that asks this control plane for the snapshot of `pets`."""
    server = {"server_uri": plane.address, "channel_creds": [{"type": "insecure"}]}
    path = folder / "xds.json"
    path.write_text(json.dumps({"xds_servers": [server], "node": {"id": "pets~1"}}))
    running = grpc_programs.Client(path)
    try:
        await asyncio.to_thread(running.wait)
        yield running
    finally:
        await asyncio.to_thread(running.close)


@pytest.mark.parametrize("case", CASES)
async def test_grpc_takes_every_expected_configuration(case, tmp_path):
    _, made = golden.compilation(case)
    assert {type(proxy) for proxy in made.bundles} == {proxies.Proxyless}
    for parts in made.bundles.values():
        await takes([item for part in parts for item in part], tmp_path)


async def takes(given, tmp_path):
    """Have a client ask for all this, and see it accepted."""
    async with ads.plane() as plane, client(plane, tmp_path) as caller:
        plane.publish(*given)
        for item in given:
            if item.type_url == resources.LISTENER:
                (said,), _ = await asyncio.to_thread(caller.call, f"xds:///{item.name}", deadline=0.5)
                assert "errors validating" not in said
        for type_url in {item.type_url for item in given}:
            await plane.observer.until("acked", type_url)
        assert not [what for what, *_ in plane.observer.seen if what == "nacked"]


def nacks(plane: ads.Plane):
    (view,) = plane.server.peers.views()
    return view.types[resources.CLUSTER].nacks


async def test_what_grpc_refuses_is_recorded_in_its_words_until_it_is_mended(tmp_path):
    good = routed()
    name = "outbound/shop/pricing-v1/9090"
    bad = clusters.of_deployment(  # as Envoy likes it: gRPC knows no such kind of cluster
        graphs.deployment("shop/pricing-v1", "shop/pricing", graphs.listener(9090), hostname="pets.invalid"),
        clusters.Callee(graphs.caller(graphs.vs("shop/pricing")), mtls.Mode.DISABLED),
    )
    rest = [item for item in good if (item.type_url, item.name) != (resources.CLUSTER, name)]
    async with ads.plane() as plane, client(plane, tmp_path) as caller:
        plane.publish(*rest, *bad)
        caller.order("call", target="xds:///pricing.shop", path="/shop.Pricing/Get", deadline=5)
        await plane.observer.until("nacked", resources.CLUSTER)
        (nack,) = nacks(plane)
        assert nack.names == (name,)
        assert "unknown cluster_type extension" in nack.message
        accepted = plane.observer.seen.count(("acked", resources.CLUSTER))
        plane.publish(*good)
        while nacks(plane):  # what else it asks for may be sent, and accepted, in between
            accepted += 1
            await plane.observer.until("acked", resources.CLUSTER, times=accepted)
        await asyncio.to_thread(caller.answer)


async def test_what_is_gone_from_the_full_set_is_gone_at_once(tmp_path):
    good = routed()
    async with ads.plane() as plane, client(plane, tmp_path) as caller:
        plane.publish(*good)
        said = await asyncio.to_thread(caller.says, "xds:///pricing.shop", "/shop.Off/Get")
        assert said == "UNAVAILABLE: Matching route has inappropriate action"
        plane.publish(*(item for item in good if item.name != "pricing.shop"))
        await plane.observer.until("acked", resources.LISTENER, times=2)
        async with asyncio.timeout(ads.PATIENCE):  # gRPC acknowledges a little before its channels know
            while "LDS resource pricing.shop: does not exist" not in said:
                said = await asyncio.to_thread(caller.says, "xds:///pricing.shop", "/shop.Off/Get")
