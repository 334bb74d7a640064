"""A session between a state machine that does as it is told and a peer whose ways can be closed."""

import asyncio
import contextlib

from xds import effects, gate, ports, responses, session, standing, together, transport

WAIT = gate.Wait("routes", "r", (("clusters", "c"),))
SECONDS = 10


class Machine:
    """A state machine that sends each snapshot as it is and notes what it is told."""

    node = None

    def __init__(self):
        self.resting = self.held_back = self.patient = self.is_odd = False
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
        if data == b"nothing":
            self.held_back = True
            return ()
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
        if self.is_odd:
            raise RuntimeError("ours")
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
