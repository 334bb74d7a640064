"""A session: when what a client says is taken in, and what is left with it until then."""

import asyncio

import pytest

from tests.xds.sessions import SECONDS, Peer, idle, running
from xds import effects, together


async def test_while_a_write_waits_only_the_newest_snapshot_counts_and_one_request_is_held():
    async with running() as peer:
        peer.open.clear()
        peer.offer("one")
        await idle()
        for number in range(5):
            peer.offer(f"further {number}")
            peer.requests.put_nowait(b"%d" % number)
        await idle()
        assert peer.read == 1, "the rest stays with the peer"
        peer.open.set()
        written = [await peer.next() for _ in range(7)]
        assert written[0] == "one"
        assert [text for text in written if text.startswith("further")] == ["further 4"]
        assert [text for text in written if text.startswith("re")] == [f"re {number}" for number in range(5)]


async def test_a_bad_request_ends_the_stream():
    peer = Peer(together.Together().soon)
    peer.requests.put_nowait(b"bad")
    refusal = await asyncio.wait_for(peer.session.run(peer), SECONDS)
    assert refusal == effects.Refuse("INVALID_ARGUMENT", "bad")


async def test_what_many_clients_say_at_once_is_taken_in_together():
    turn = []
    peers = [Peer(turn.append) for _ in range(3)]
    tasks = [asyncio.create_task(peer.session.run(peer)) for peer in peers]
    await idle()
    for peer in peers:
        peer.requests.put_nowait(b"0")
    await idle()
    assert [peer.machine.heard for peer in peers] == [[], [], []]
    for work in turn[:]:
        work()
    assert [peer.machine.heard for peer in peers] == [[b"0"], [b"0"], [b"0"]]
    assert [await peer.next() for peer in peers] == ["re 0", "re 0", "re 0"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_says_more_before_its_turn_has_it_at_once():
    turn = []
    peer = Peer(turn.append)
    task = asyncio.create_task(peer.session.run(peer))
    await idle()
    for number in range(5):
        peer.requests.put_nowait(b"%d" % number)
    assert [await peer.next() for _ in range(4)] == ["re 0", "re 1", "re 2", "re 3"]
    await idle()
    assert peer.machine.heard == [b"0", b"1", b"2", b"3"]
    (work,) = turn  # however often it was asked for
    work()
    assert await peer.next() == "re 4"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_a_client_said_last_counts_though_it_left():
    peer = Peer(together.Together().soon)
    peer.requests.put_nowait(b"last")
    peer.requests.put_nowait(None)
    assert await asyncio.wait_for(peer.session.run(peer), SECONDS) is None
    assert peer.machine.heard == [b"last"]


async def test_nothing_is_taken_in_once_a_stream_is_over():
    turn = []
    peer = Peer(turn.append)
    task = asyncio.create_task(peer.session.run(peer))
    await idle()
    peer.requests.put_nowait(b"late")
    await idle()
    peer.session.stop()
    assert await asyncio.wait_for(task, SECONDS) is None
    for work in turn:
        work()
    assert peer.machine.heard == []


@pytest.mark.parametrize("said", [b"ours", b"nothing"])
async def test_a_fault_in_a_request_ends_that_stream_and_no_other(said):
    """Be it in taking it in, or in what time is to bring after it."""
    soon = together.Together().soon
    faulty, other = Peer(soon), Peer(soon)
    tasks = [asyncio.create_task(peer.session.run(peer)) for peer in (faulty, other)]
    await idle()
    faulty.machine.is_odd = True
    faulty.requests.put_nowait(said)
    other.requests.put_nowait(b"hello")
    with pytest.raises(RuntimeError, match="ours"):
        await asyncio.wait_for(tasks[0], SECONDS)
    assert await other.next() == "re hello"
    other.offer("one")
    assert await other.next() == "one"
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)


async def test_a_stream_that_leaves_takes_in_no_more():
    turn = []
    peer = Peer(turn.append)
    task = asyncio.create_task(peer.session.run(peer))
    await idle()
    peer.offer("one")
    peer.session.leave()
    for work in turn:
        work()
    peer.requests.put_nowait(b"late")
    assert await peer.next() == "one"
    assert await asyncio.wait_for(task, SECONDS) is None
    for work in turn:
        work()
    assert peer.machine.heard == []


async def test_a_stream_may_be_cut_while_requests_wait():
    turn = []
    peer = Peer(turn.append)
    peer.open.clear()
    task = asyncio.create_task(peer.session.run(peer))
    await idle()
    peer.requests.put_nowait(b"0")
    peer.requests.put_nowait(b"1")
    await idle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for work in turn:
        work()
    assert peer.machine.heard == [b"0"], "it is being answered; nothing after it is taken in"
