"""A session: what is written when, what time does, and what a fault costs."""

import asyncio
import contextlib

import pytest

from xds import effects, gate, ports, responses, session, standing, together, transport

WAIT = gate.Wait("routes", "r", (("clusters", "c"),))
SECONDS = 10


class Machine:
    """A state machine that sends each snapshot as it is and notes what it is told."""

    node = None

    def __init__(self):
        self.resting = self.held_back = self.patient = False
        self.told = asyncio.Queue()
        self.heard = []
        self.number = 0

    def send(self, text):
        self.number += 1
        content = responses.Content(text, (), ())
        return (effects.Send(responses.Response("t", self.number, str(self.number), text.encode(), content)),)

    def publish(self, new):
        if isinstance(new, Exception):
            raise new
        return self.send(new)

    def receive(self, data):
        self.heard.append(data)
        if data == b"ours":
            raise RuntimeError("ours")
        return self.send(f"re {data.decode()}") if data != b"bad" else (effects.Refuse("INVALID_ARGUMENT", "bad"),)

    def release(self, nonce):
        self.told.put_nowait(f"release {nonce}")
        return ()

    def rests(self):
        self.patient = True

    def rested(self):
        self.resting = False
        self.told.put_nowait("rested")
        return self.send("removal")

    def waits(self):
        return (WAIT,) if self.held_back else ()

    def holdings(self, _type_url):
        return {"a": "1"}

    def standing(self, _type_url):
        return standing.Standing(wildcard=True)


class Peer:
    """The other end of a stream, and the cache: `requests` go in, `written` comes out unless the way is `blocked`."""

    def __init__(self, soon, patience=SECONDS, delay=SECONDS):
        self.machine, self.snapshot = Machine(), None
        self.requests, self.written = asyncio.Queue(), asyncio.Queue()
        self.open, self.read = asyncio.Event(), 0
        self.open.set()
        ends = transport.Transport(self._read, self._write)
        self.session = session.Session(
            self.machine, self.machine.receive, ends, lambda _: None, soon, ports.Silent(), patience, delay
        )

    async def _read(self):
        data = await self.requests.get()
        self.read += 1
        return data

    async def _write(self, data):
        await self.open.wait()
        self.written.put_nowait(data.decode())

    def offer(self, snapshot):
        self.snapshot = snapshot
        self.session.wake()

    async def next(self):
        return await asyncio.wait_for(self.written.get(), SECONDS)

    async def told(self):
        return await asyncio.wait_for(self.machine.told.get(), SECONDS)


@contextlib.asynccontextmanager
async def running(**seconds):
    peer = Peer(together.Together().soon, **seconds)
    task = asyncio.create_task(peer.session.run(peer))
    try:
        yield peer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def idle():
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_snapshots_and_requests_are_answered():
    async with running() as peer:
        peer.offer("one")
        assert await peer.next() == "one"
        peer.requests.put_nowait(b"hello")
        assert await peer.next() == "re hello"


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


async def test_a_bad_request_ends_the_stream():
    peer = Peer(together.Together().soon)
    peer.requests.put_nowait(b"bad")
    refusal = await asyncio.wait_for(peer.session.run(peer), SECONDS)
    assert refusal == effects.Refuse("INVALID_ARGUMENT", "bad")


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
    turn[-1]()
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


async def test_a_fault_in_a_request_ends_the_stream():
    peer = Peer(together.Together().soon)
    peer.requests.put_nowait(b"ours")
    with pytest.raises(RuntimeError, match="ours"):
        await asyncio.wait_for(peer.session.run(peer), SECONDS)


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
