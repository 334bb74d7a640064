"""Peers that stop reading, never answer, refuse everything or reconnect in a loop: the others do not notice.

What others notice is how long a change takes to be accepted by a good peer. It is measured twice in the same server:
in the company of good peers, and of as many hostile ones in their place.
"""

import asyncio
import contextlib
import statistics
import time

import pytest

from tests.features import ads, peers

COMPANY = 6
CHANGES = 100
SLOWER, MOST_SECONDS = 3.0, 0.5
"""How much longer half of the changes may take beside hostile peers, and how long at most."""
MOST_GROWTH = 32 << 20
"""Bytes: less than half of what hostile peers are not sent, or do not take."""

VARIANTS = pytest.mark.parametrize("variant", ["sotw", "delta"])


async def seconds(server, good):
    """Publish changes one after the other; return how long half of them took at most."""
    took = []
    for _ in range(CHANGES):
        start = time.monotonic()
        await server.publish()
        await good.until(server.version)
        took.append(good.at - start)
    return statistics.median(took)


@contextlib.asynccontextmanager
async def company(server, variant, make):
    """Connect so many peers, made by `make`, until the block ends."""
    async with contextlib.AsyncExitStack() as stack:
        several = [
            await stack.enter_async_context(peers.connected(server.address, variant, f"{make}-{number}", make()))
            for number in range(COMPANY)
        ]
        await alone(server, 1 + COMPANY)
        yield several


async def alone(server, streams=1):
    """Wait until there are no more and no fewer streams than these."""
    async with asyncio.timeout(ads.PATIENCE):
        while await server.streams() != streams:
            pass  # each question waits for its answer


@contextlib.asynccontextmanager
async def good_peer(tmp_path, variant):
    async with (
        peers.server(tmp_path) as server,
        peers.connected(server.address, variant, "good", peers.Peer(peers.accept)) as good,
    ):
        await good.until(0)
        yield server, good


async def unnoticed(server, good, variant, hostile):
    """Assert that the peers of a company of hostile ones hold up nobody and cost no memory; return them."""
    async with company(server, variant, lambda: peers.Peer(peers.accept)):
        usual = await seconds(server, good)
    await alone(server)
    before = server.memory()
    async with company(server, variant, hostile) as several:
        found = await seconds(server, good)
        grown = server.memory() - before
    await alone(server)
    report(found, usual, grown)
    return several


def report(found, usual, grown):
    said = f"{found * 1e3:.1f} ms beside hostile peers, {usual * 1e3:.1f} ms beside good ones, grown {grown >> 10} KiB"
    assert found < MOST_SECONDS, said
    assert found < SLOWER * usual, said
    assert grown < MOST_GROWTH, said


@VARIANTS
async def test_peers_that_stop_reading_hold_up_nobody_and_cost_no_memory(variant, tmp_path):
    async with good_peer(tmp_path, variant) as (server, good):
        await unnoticed(server, good, variant, lambda: None)


@VARIANTS
async def test_peers_that_never_answer_hold_up_nobody_and_cost_no_memory(variant, tmp_path):
    async with good_peer(tmp_path, variant) as (server, good):
        silent = await unnoticed(server, good, variant, lambda: peers.Peer(None))
        assert all(0 < peer.version for peer in silent), "what is new is sent to them when their time is up"
        assert all(len(peer.received) < len(good.received) for peer in silent), "but not all of it"


@VARIANTS
async def test_peers_that_refuse_everything_hold_up_nobody_and_get_nothing_twice(variant, tmp_path):
    async with good_peer(tmp_path, variant) as (server, good):
        async with company(server, variant, lambda: peers.Peer(peers.refuse)) as refusing:
            first = server.version
            await server.publish()
            for peer in refusing:
                await peer.until(server.version)
                assert f"l@{first}" in peer.received
        refusing = await unnoticed(server, good, variant, lambda: peers.Peer(peers.refuse))
        for peer in refusing:
            again = sorted({body for body in peer.received if peer.received.count(body) > 1})
            assert not again, "what a peer refused is not sent to it again"
            assert len(peer.received) > CHANGES / 2, "but every change of it is"


@VARIANTS
async def test_a_peer_that_reconnects_in_a_loop_holds_up_nobody_and_leaves_nothing_behind(variant, tmp_path):
    async with good_peer(tmp_path, variant) as (server, good):
        usual = await seconds(server, good)
        before = server.memory()
        restless = asyncio.create_task(peers.reconnect(server.address, variant))
        found = await seconds(server, good)
        await asyncio.wait_for(restless, 30)
        await alone(server)
        report(found, usual, server.memory() - before)
