"""A session: what is written when, what time does, and what a fault costs."""

import asyncio

import pytest

from tests.xds.sessions import SECONDS, WAIT, Peer, idle, running
from xds import together


async def test_snapshots_and_requests_are_answered():
    async with running() as peer:
        peer.offer("one")
        assert await peer.next() == "one"
        peer.requests.put_nowait(b"hello")
        assert await peer.next() == "re hello"


async def test_what_was_decided_is_written_before_what_a_later_request_asks():
    async with running() as peer:
        await idle()
        peer.offer("one")
        peer.requests.put_nowait(b"hello")
        assert [await peer.next(), await peer.next()] == ["one", "re hello"]


async def test_an_answer_that_does_not_come_is_waited_for_no_longer():
    async with running(patience=0.01) as peer:
        peer.offer("one")
        assert await peer.told() == "release 1"


async def test_what_rests_goes_after_a_while_though_nothing_else_happens():
    async with running(delay=0.01) as peer:
        assert peer.machine.patient
        peer.machine.resting = True
        peer.offer("one")
        assert await peer.told() == "rested"
        assert [await peer.next(), await peer.next()] == ["one", "removal"]


async def test_what_comes_to_rest_later_rings_before_an_answer_is_overdue():
    async with running(delay=0.01) as peer:
        peer.offer("one")
        assert await peer.next() == "one"
        peer.machine.resting = True
        peer.offer("two")
        assert await peer.told() == "rested"


async def test_what_is_held_back_is_told_with_how_long_it_has_been():
    async with running() as peer:
        assert peer.session.waits() == ()
        peer.machine.held_back = True
        peer.offer("one")
        await peer.next()
        await idle()
        first = peer.session.waits()[0][1]
        (again,) = peer.session.waits()
        assert again[0] == WAIT
        assert 0 <= first <= again[1] < SECONDS
        peer.machine.held_back = False
        peer.offer("two")
        await peer.next()
        assert peer.session.waits() == ()


async def test_what_is_asked_of_a_stream_is_asked_of_its_state_machine():
    peer = Peer(together.Together().soon)
    assert peer.session.holdings("t") == {"a": "1"}
    assert peer.session.standing("t").wildcard


@pytest.mark.parametrize("end", ["client", "server"])
async def test_the_end_of_a_stream_is_nobodys_fault(end):
    peer = Peer(together.Together().soon)
    if end == "client":
        peer.requests.put_nowait(None)
    else:
        asyncio.get_running_loop().call_soon(peer.session.stop)
    assert await asyncio.wait_for(peer.session.run(peer), SECONDS) is None


async def test_a_fault_of_ours_ends_one_stream_and_no_other():
    soon = together.Together().soon
    faulty, other = Peer(soon), Peer(soon)
    tasks = [asyncio.create_task(peer.session.run(peer)) for peer in (faulty, other)]
    await idle()
    faulty.offer(RuntimeError("ours"))
    other.offer("one")
    assert await other.next() == "one"
    with pytest.raises(RuntimeError, match="ours"):
        await asyncio.wait_for(tasks[0], SECONDS)
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)


async def test_whatever_one_does_the_others_have_their_turn():
    several, done = together.Together(), []

    def fault():
        raise RuntimeError("ours")

    asyncio.get_running_loop().set_exception_handler(lambda *_: done.append("told"))
    for work in (fault, lambda: done.append("other")):
        several.soon(work)
    await idle()
    several.soon(lambda: done.append("later"))
    await idle()
    assert done == ["told", "other", "later"]


async def test_very_many_streams_are_worked_on_a_few_at_a_time():
    several, done, turns = together.Together(), [], []
    for number in range(1000):
        several.soon(lambda number=number: done.append(number))
    while len(done) < 1000:
        turns.append(len(done))
        await asyncio.sleep(0)
    assert done == list(range(1000))
    assert max(after - before for before, after in zip(turns, [*turns[1:], 1000], strict=True)) < 100
    several.soon(lambda: done.append("more"))
    await asyncio.sleep(0)
    assert done[-1] == "more"
