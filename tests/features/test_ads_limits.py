"""The ADS server over a real socket: what ill-behaved proxies see, and what others do not notice of them."""

import asyncio
import os

import grpc
import psutil
import pytest

from tests.features import ads
from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, SECRET
from xds import snapshot

VARIANTS = pytest.mark.parametrize("variant", ["sotw", "delta"])


@VARIANTS
async def test_a_stream_without_a_node_is_refused(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER)
        code, message = await stream.end()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "node.id" in message


@VARIANTS
async def test_a_type_that_is_not_served_is_refused(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        stream = ads.Stream(channel, variant)
        await stream.send("type.googleapis.com/envoy.config.route.v3.VirtualHost", node="pets~1")
        code, message = await stream.end()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "envoy.config.route.v3.VirtualHost" in message


@VARIANTS
@pytest.mark.parametrize("after_a_good_one", [False, True])
async def test_bytes_that_are_no_request_are_refused_without_a_traceback(variant, after_a_good_one):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        stream = ads.Stream(channel, variant, raw=True)
        if after_a_good_one:
            node = ads.discovery_pb2.Node(id="pets~1")
            await stream.write(stream.request(node=node, type_url=CLUSTER).SerializeToString())
        await stream.write(b"\xff\xff not a protobuf")
        code, message = await stream.end()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "Traceback" not in message
        assert "envoy.service.discovery.v3" in message


@VARIANTS
async def test_a_request_that_is_too_large_is_refused(variant):
    async with ads.plane() as plane, ads.channel(plane.address, ("grpc.max_send_message_length", -1)) as channel:
        stream = ads.Stream(channel, variant)
        await stream.send(ENDPOINTS, "x" * (5 << 20), node="pets~1")
        assert (await stream.end())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


@VARIANTS
async def test_more_names_than_allowed_are_refused(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        stream = ads.Stream(channel, variant)
        await stream.send(ENDPOINTS, *map(str, range(10_001)), node="pets~1")
        code, message = await stream.end()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "10000" in message


@VARIANTS
async def test_a_fifth_stream_of_one_peer_is_refused_until_another_ends(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.publish(model.cluster("a"))
        streams = [ads.Stream(channel, variant) for _ in range(5)]
        for stream in streams[:4]:
            await stream.send(CLUSTER, node="pets~1")
            await stream.receive()
        await streams[4].send(CLUSTER, node="pets~1")
        code, message = await streams[4].end()
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "4 streams" in message
        other = ads.Stream(channel, variant)
        await other.send(CLUSTER, node="pets~2")
        await other.receive()
        streams[0].cancel()
        await plane.observer.until("closed", variant)
        late = ads.Stream(channel, variant)
        await late.send(CLUSTER, node="pets~1")
        assert (await late.receive()).type_url == CLUSTER


@VARIANTS
async def test_a_stranger_is_refused_and_gets_nothing(variant):
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.publish(model.cluster("a"), key="stranger")
        stream = ads.Stream(channel, variant)
        await stream.send(CLUSTER, node="stranger~1")
        assert await stream.end() == (grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        assert plane.server.peers.views() == ()
        assert ("opened", variant) not in plane.observer.seen


async def test_streams_beyond_the_limit_queue_and_are_served_in_turn():
    async with ads.plane(streams=1) as plane, ads.channel(plane.address) as channel:
        plane.publish(model.cluster("a"))
        first, second = ads.Stream(channel, "delta"), ads.Stream(channel, "delta")
        await first.send(CLUSTER, node="pets~1")
        await first.receive()
        await second.send(CLUSTER, node="pets~2")
        first.cancel()
        assert (await second.receive()).type_url == CLUSTER


async def test_a_stream_that_says_nothing_is_ended():
    async with ads.plane(first_request=0.05) as plane, ads.channel(plane.address) as channel:
        assert (await ads.Stream(channel, "delta").end())[0] is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_fault_of_ours_is_told_to_the_log_and_not_to_the_peer():
    async with ads.plane() as plane, ads.channel(plane.address) as channel:
        plane.gatekeeper.fault = ZeroDivisionError("secret detail")
        stream = ads.Stream(channel, "delta")
        await stream.send(CLUSTER, node="pets~1")
        code, message = await stream.end()
        assert code is grpc.StatusCode.INTERNAL
        assert "secret detail" not in message


@VARIANTS
async def test_a_peer_that_stops_reading_costs_no_memory_and_holds_nobody_up(variant):
    """It is sent 1 MiB a change, 200 times, and reads none of it; another reads all it is sent."""
    async with (
        ads.plane(ack=0.001, cache_bytes=8 << 20) as plane,
        ads.channel(plane.address) as deaf_channel,
        ads.channel(plane.address) as channel,
    ):
        deaf, reader = ads.Stream(deaf_channel, variant), ads.Stream(channel, variant)
        plane.snapshots.replace({"pets": large(0)})
        for node, stream in (("pets~deaf", deaf), ("pets~1", reader)):
            await stream.send(SECRET, "s", node=node)
        await reader.ack(await reader.receive(), "s")
        before = psutil.Process(os.getpid()).memory_info().rss
        for version in range(1, 201):
            plane.snapshots.replace({"pets": large(version)})
            await reader.ack(await reader.receive(), "s")
        grown = psutil.Process(os.getpid()).memory_info().rss - before
        assert grown < 80 << 20, f"{grown >> 20} MiB"
        assert plane.observer.seen.count(("sent", SECRET)) < 201 + 60


def large(version):
    return snapshot.Snapshot.of(snapshot.Part.of([model.resource(SECRET, "s", version, padding=1 << 20)]))


@VARIANTS
async def test_a_peer_that_asks_without_end_is_answered_at_the_pace_it_reads(variant):
    async with ads.plane() as plane:
        plane.publish(model.resource(SECRET, "s", padding=1 << 20))
        async with ads.channel(plane.address) as channel, ads.channel(plane.address) as other_channel:
            stream = ads.Stream(channel, variant)
            await stream.send(SECRET, "s", node="pets~1")
            asking = asyncio.create_task(ask_without_end(stream))
            other = ads.Stream(other_channel, variant)
            await other.send(SECRET, "s", node="pets~2")
            assert (await other.receive()).type_url == SECRET
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert plane.observer.seen.count(("sent", SECRET)) < 100


async def ask_without_end(stream):
    while True:
        await stream.send(SECRET, "s")
