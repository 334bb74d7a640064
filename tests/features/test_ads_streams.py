"""The ADS server over a real socket: what a well-behaved proxy sees."""

import asyncio

import grpc
import pytest

from tests.features import ads
from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, LISTENER

VARIANTS = pytest.mark.parametrize("variant", ["sotw", "delta"])
RESOURCES = (model.cluster("a"), model.endpoints("a"), model.listener("l"), model.routes("l"), model.secret("s"))


def names(response):
    if hasattr(response, "version_info"):
        return [body.decode().partition("@")[0] for body in response.resources]
    return [one.name for one in response.resources]


@VARIANTS
@pytest.mark.parametrize("socket", ["unix", "loopback"])
async def test_a_proxy_gets_its_resources_and_their_changes(variant, socket, tmp_path):
    async with ads.plane(f"unix:{tmp_path}/ads.sock" if socket == "unix" else "127.0.0.1:0") as plane:
        plane.publish(*RESOURCES)
        async with ads.channel(plane.address) as channel:
            stream = ads.Stream(channel, variant)
            await stream.send(CLUSTER, node="pets~1")
            first = await stream.receive()
            assert names(first) == ["a"]
            await stream.ack(first)
            await stream.send(ENDPOINTS, "a")
            second = await stream.receive()
            await stream.ack(second, "a")
            await plane.observer.until("acked", ENDPOINTS)
            plane.publish(model.cluster("a"), model.endpoints("a", 2))
            third = await stream.receive()
            assert (third.type_url, names(third)) == (ENDPOINTS, ["a"])


@VARIANTS
async def test_a_stream_waits_for_a_snapshot_and_the_program_hears_who_wants_one(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER, node="pets~1")
        assert await ads.next_of(plane.wanted) == "pets"
        plane.publish(*RESOURCES)
        assert names(await stream.receive()) == ["a"]
        stream.cancel()
        assert await ads.next_of(plane.unwanted) == "pets"


@VARIANTS
async def test_a_reconnect_is_sent_nothing_again(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.publish(*RESOURCES)
        first = ads.Stream(channel, variant)
        await first.send(CLUSTER, node="pets~1")
        clusters = await first.receive()
        await first.ack(clusters)
        await first.send(ENDPOINTS, "a")
        assignment = await first.receive()
        await first.ack(assignment, "a")
        await plane.observer.until("acked", ENDPOINTS)
        first.cancel()
        await plane.observer.until("closed", variant)
        again = ads.Stream(channel, variant)
        await again.send(CLUSTER, node="pets~1", version=getattr(clusters, "version_info", ""), has={"a": "1"})
        await again.send(ENDPOINTS, "a", version=getattr(assignment, "version_info", ""), has={"a": "1"})
        await again.send(LISTENER)
        assert (await again.receive()).type_url == LISTENER  # requests are answered in order: the others were not
        assert plane.observer.seen.count(("sent", CLUSTER)) == plane.observer.seen.count(("sent", ENDPOINTS)) == 1


@VARIANTS
async def test_what_a_proxy_accepts_and_refuses_is_known(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.publish(*RESOURCES)
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER, node="pets~1")
        await stream.ack(await stream.receive())
        await stream.send(LISTENER)
        await stream.send(LISTENER, error=model.BROKEN, to=await stream.receive())
        await plane.observer.until("nacked", LISTENER)
        (view,) = plane.server.peers.views()
        assert (view.peer.key, view.peer.node_id, view.peer.variant, view.peer.since) == (
            "pets",
            "pets~1",
            variant,
            1000.0,
        )
        (nack,) = view.types[LISTENER].nacks
        assert (nack.names, nack.message, nack.at) == (("l",), "no such filter", 1000.0)
        assert plane.server.peers.held(view.peer.stream, CLUSTER) == {"a": "1"}
        assert plane.server.peers.held(view.peer.stream, LISTENER) == {}


@VARIANTS
async def test_an_answer_that_does_not_come_holds_nothing_back_for_ever(variant):
    async with ads.plane(ack=0.1) as plane, ads.channel(plane.address) as channel:
        plane.publish(model.cluster("a"))
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER, node="pets~1")
        await stream.receive()
        await plane.observer.until("overdue", CLUSTER)
        plane.publish(model.cluster("b"))
        assert "b" in names(await stream.receive())


@VARIANTS
async def test_only_the_newest_of_many_snapshots_matters(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.publish(model.cluster("a"))
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER, node="pets~1")
        first = await stream.receive()
        for version in range(2, 50):
            plane.publish(model.cluster("a", version))
        await stream.ack(first)
        second = await stream.receive()
        body = second.resources[0] if variant == "sotw" else second.resources[0].resource
        assert body == b"a@49"


async def test_streams_of_other_keys_are_left_alone():
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        streams = {}
        for key in ("pets", "toys"):
            plane.publish(model.cluster(key), key=key)
            streams[key] = ads.Stream(channel, "delta")
            await streams[key].send(CLUSTER, node=f"{key}~1")
            response = await streams[key].receive()
            assert names(response) == [key]
            await streams[key].ack(response)
        await plane.observer.until("acked", CLUSTER, times=2)
        plane.publish(model.cluster("toys", 2), key="toys")
        changed = await streams["toys"].receive()
        assert names(changed) == ["toys"]
        await streams["toys"].ack(changed)
        await plane.observer.until("acked", CLUSTER, times=3)
        assert plane.observer.seen.count(("sent", CLUSTER)) == 3


async def test_replicas_of_one_deployment_get_the_same_bytes():
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.publish(*RESOURCES)
        answers = []
        for number in range(3):
            stream = ads.Stream(channel, "delta")
            await stream.send(CLUSTER, node=f"pets~{number}")
            answers.append((await stream.receive()).SerializeToString())
        assert len(set(answers)) == 1


@VARIANTS
async def test_a_graceful_stop_ends_streams_well_and_accepts_no_more(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.publish(*RESOURCES)
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER, node="pets~1")
        await stream.ack(await stream.receive())
        async with asyncio.timeout(ads.PATIENCE):
            await plane.server.stop(grace=60)
        assert (await stream.end())[0] is grpc.StatusCode.OK
        late = ads.Stream(channel, variant)
        with pytest.raises(grpc.aio.AioRpcError):
            await late.receive()


@VARIANTS
async def test_a_client_that_has_nothing_more_to_say_is_let_go(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER, node="pets~1")
        await stream._call.done_writing()
        assert (await stream.end())[0] is grpc.StatusCode.OK
        await plane.observer.until("closed", variant)
        assert plane.server.peers.views() == ()


async def test_after_a_death_and_a_return_on_the_same_port_a_proxy_goes_on():
    first = await ads.Plane("127.0.0.1:0").start()
    first.publish(*RESOURCES)
    async with ads.channel(first.address) as channel:
        stream = ads.Stream(channel, "delta")
        await stream.send(CLUSTER, node="pets~1")
        await stream.ack(await stream.receive())
        await first.server.stop(0)
        await stream.end()
        async with ads.plane(first.address) as second:
            second.publish(model.cluster("a"), model.cluster("b"))
            again = ads.Stream(channel, "delta")
            await again.send(CLUSTER, node="pets~1", has={"a": "1"})
            assert names(await again.receive()) == ["b"]


async def test_two_servers_on_one_port_are_a_mistake_that_is_told():
    async with ads.plane() as plane:
        with pytest.raises(RuntimeError):
            await ads.Plane(plane.address).start()
