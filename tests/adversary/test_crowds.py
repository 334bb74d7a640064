"""Crowds that say nothing, all at once, at the doors of the real program: what they cost it, and who is served meanwhile."""

import asyncio
import contextlib
import logging
import ssl
import time
from dataclasses import dataclass

import psutil
import pytest

from meshloom.demo.waiting import wait_until
from meshloom.identity import home
from tests.adversary import adversaries, planes
from tests.features import crowds
from translator import names

CONNECTIONS, STREAMS, EACH = 1000, 100, 100
"""Connections at each door without a ClientHello; connections with silent streams, and streams on each."""

MOST_MEMORY = 500 << 20
HANDSHAKE = 10.0
SOON, IN_TURN = 2.0, 20.0
"""Seconds within which an honest proxy is served: among a crowd that is there, and behind one that comes at once."""

FIGURES = logging.getLogger(__name__)


@pytest.fixture
def besieged(tmp_path):
    with planes.running(tmp_path) as plane:
        yield plane


@dataclass
class Door:
    """The door for tokens, as crowds come to it."""

    by_token: str
    root: str

    def context(self):
        context = ssl.create_default_context(cadata=self.root)
        context.set_alpn_protocols(["h2"])
        return context


def memory(plane):
    return psutil.Process(plane.process.popen.pid).memory_info().rss


def counted_files(plane, at_least):
    """Wait until the metrics say that so many files are open, and return how many are."""
    wait_until(lambda: plane.counted("meshloom_process_open_fds") >= at_least, "the crowd to show in the metrics")
    return plane.counted("meshloom_process_open_fds")


async def served(plane, name):
    """Come as a new proxy, get its own certificate, and return how many seconds that took."""
    start = time.monotonic()
    async with adversaries.channel(plane) as channel:
        stream = adversaries.Stream(channel, plane.token(name))
        await stream.ask(plane.proxy(name), adversaries.SECRET, names.IDENTITY)
        assert (await stream.receive()).resources[0].name == names.IDENTITY
        stream.cancel()
    return time.monotonic() - start


@pytest.mark.load
async def test_all_crowds_together_cost_little_and_honest_proxies_are_served(besieged):
    plane = besieged
    await served(plane, "web")
    before, files = memory(plane), await asyncio.to_thread(plane.counted, "meshloom_process_open_fds")
    door = Door(str(plane.by_token), (plane.state / home.ROOT_FILE).read_text())
    async with contextlib.AsyncExitStack() as stack:
        begun = time.monotonic()
        silent = [
            *await stack.enter_async_context(crowds.connections(str(plane.by_token), CONNECTIONS)),
            *await stack.enter_async_context(crowds.connections(str(plane.by_certificate), CONNECTIONS)),
        ]
        more = await asyncio.to_thread(counted_files, plane, files + CONNECTIONS)
        over = await stack.enter_async_context(crowds.streams(door, STREAMS, EACH, plane.token("stranger")))
        first = await served(plane, "pets")
        waits = [await served(plane, name) for name in ("web", "zoo", "pets") * 3]
        grown = memory(plane) - before
        assert over.locked(), "the streams were to be there still"
        async with asyncio.timeout(HANDSHAKE + 20):
            said = await asyncio.gather(*(reader.read() for reader in silent), return_exceptions=True)
        cut = time.monotonic() - begun
        grown = max(grown, memory(plane) - before)
    FIGURES.info(
        f"{grown / (1 << 20):.0f} MiB more; {more - files:.0f} more files; first {first:.2f} s, then {max(waits):.2f} s"
    )
    FIGURES.info(f"silent connections were cut {cut:.1f} s after the first came")
    assert not [each for each in said if each and isinstance(each, bytes)]
    assert grown < MOST_MEMORY, f"{grown >> 20} MiB"
    assert first < IN_TURN
    assert max(waits) < SOON
    assert plane.process.is_running()
    assert await served(plane, "web") < IN_TURN, "the crowd has left, all at once"
    assert "Traceback" not in plane.log()
