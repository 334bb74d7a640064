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
CHANGES = 200
SLOWER, UNNOTICED, MOST_SECONDS = 3.0, 0.01, 0.5
"""Half of the changes may take so many times as long beside hostile peers, or so little; and at most so long."""
MOST_GROWTH = 32 << 20
"""Bytes; a fifth of what the company is not sent, or does not take."""

VARIANTS = pytest.mark.parametrize("variant", ["sotw", "delta"])


def friendly():
    return peers.Peer(peers.accept)


def deaf():
    return peers.Peer(peers.accept, reads=False)


def silent():
    return peers.Peer(None)


def refusing():
    return peers.Peer(peers.refuse)


async def seconds(server, good):
    """Publish changes one after the other; return within how long half of them were accepted."""
    took = []
    for _ in range(CHANGES):
        start = time.monotonic()
        await server.publish()
        await good.until(server.version)
        took.append(good.at - start)
    return statistics.median(took)


@contextlib.asynccontextmanager
async def company(server, variant, kind):
    """Connect so many peers of a kind until the block ends; before and after it there is one stream."""
    async with contextlib.AsyncExitStack() as stack:
        names = [f"{kind.__name__}-{number}" for number in range(COMPANY)]
        several = [
            await stack.enter_async_context(peers.connected(server.address, variant, name, kind())) for name in names
        ]
        await counted(server, 1 + COMPANY)
        yield several
    await counted(server, 1)


async def counted(server, streams):
    """Wait until there are so many streams."""
    async with asyncio.timeout(ads.PATIENCE):
        while await server.streams() != streams:
            pass  # each question waits for its answer


@contextlib.asynccontextmanager
async def meeting(tmp_path, variant):
    """Run a server, with one good peer."""
    async with (
        peers.server(tmp_path) as server,
        peers.connected(server.address, variant, "good", friendly()) as good,
    ):
        await good.until(0)
        yield server, good


@contextlib.asynccontextmanager
async def unnoticed(server, good, variant, kind):
    """Assert that peers of this kind slow nobody down and cost no memory; they stay until the block ends."""
    async with company(server, variant, friendly):
        usual = await seconds(server, good)
    before = server.memory()
    async with company(server, variant, kind) as several:
        assert_unnoticed(await seconds(server, good), usual, server.memory() - before)
        yield several


def assert_unnoticed(found, usual, grown):
    said = f"{found * 1e3:.1f} ms beside hostile peers, {usual * 1e3:.1f} ms beside good ones, grown {grown >> 10} KiB"
    assert found < MOST_SECONDS, said
    assert found < max(SLOWER * usual, UNNOTICED), said
    assert grown < MOST_GROWTH, said


@VARIANTS
async def test_peers_that_stop_reading_hold_up_nobody_and_nothing_piles_up_for_them(variant, tmp_path):
    async with (
        meeting(tmp_path, variant) as (server, good),
        unnoticed(server, good, variant, deaf) as several,
    ):
        for peer in several:
            peer.begun.set()
            await peer.until(server.version)
            assert len(peer.received) < CHANGES / 2, "of all it missed it gets the newest"


@VARIANTS
async def test_peers_that_never_answer_hold_up_nobody_and_cost_no_memory(variant, tmp_path):
    async with (
        meeting(tmp_path, variant) as (server, good),
        unnoticed(server, good, variant, silent) as several,
    ):
        for peer in several:
            await peer.until(server.version)  # what is new is sent when their time is up


@VARIANTS
async def test_peers_that_refuse_everything_hold_up_nobody_and_get_nothing_twice(variant, tmp_path):
    async with (
        meeting(tmp_path, variant) as (server, good),
        unnoticed(server, good, variant, refusing) as several,
    ):
        for peer in several:
            await peer.until(server.version)
            assert len(peer.received) == len(set(peer.received)), "what a peer refused is not sent to it again"


@VARIANTS
async def test_a_peer_that_reconnects_in_a_loop_holds_up_nobody_and_leaves_nothing_behind(variant, tmp_path):
    async with meeting(tmp_path, variant) as (server, good):
        usual, before = await seconds(server, good), server.memory()
        restless = asyncio.create_task(peers.reconnect(server.address, variant))
        found = await seconds(server, good)
        await asyncio.wait_for(restless, 3 * ads.PATIENCE)
        await counted(server, 1)
        assert_unnoticed(found, usual, server.memory() - before)
