"""Crowds that say nothing: they cost little, not for long, and an honest peer among them is served."""

import asyncio
import time

import grpc
import pytest

from meshloom.identity.authority import issue
from tests.features import crowds, entrance

CONNECTIONS = 1000
STREAMS, EACH = 100, 100
"""Connections, and streams on each."""
MOST_MEMORY = 500 << 20
HANDSHAKE, SAY = 3.0, 20.0
"""Seconds; by default 10 and 30."""
SOON, IN_TURN = 5.0, 20.0
"""Seconds within which an honest peer is served: among a crowd that is there, and behind one that comes at once."""


@pytest.fixture
async def doors(tmp_path):
    async with crowds.doors(tmp_path, handshake=HANDSHAKE, first_request=SAY) as running:
        yield running


async def honest(doors):
    """Come as a new peer, be served, and return how many seconds that took."""
    start = time.monotonic()
    credentials = grpc.ssl_channel_credentials(doors.root.encode())
    options = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.secure_channel(doors.by_token, credentials, options=options) as channel:
        assert await entrance.Stream(channel, doors.token).asked() == ["a"]
    return time.monotonic() - start


@pytest.mark.load
@pytest.mark.parametrize("door", ["by_token", "by_certificate"])
async def test_a_thousand_connections_that_say_nothing_are_cut(doors, door):
    await honest(doors)
    before = doors.memory()
    async with crowds.connections(getattr(doors, door), CONNECTIONS) as readers:
        start = time.monotonic()
        assert await honest(doors) < SOON
        grown = doors.memory() - before
        async with asyncio.timeout(HANDSHAKE + 20):
            said = await asyncio.gather(*(reader.read() for reader in readers), return_exceptions=True)
        assert time.monotonic() - start > HANDSHAKE / 2
    assert not [each for each in said if each and isinstance(each, bytes)]
    assert grown < MOST_MEMORY, f"{grown >> 20} MiB"


@pytest.mark.load
async def test_ten_thousand_silent_streams_with_a_token_are_ended_in_time(doors):
    await honest(doors)
    before = doors.memory()
    async with crowds.streams(doors, STREAMS, EACH, doors.token) as over:
        assert await honest(doors) < IN_TURN
        assert await honest(doors) < SOON
        assert over.locked(), "the crowd was to be there still"
        grown = doors.memory() - before
        async with asyncio.timeout(SAY + 60):
            for _ in range(STREAMS * EACH):
                await over.acquire()
        assert await honest(doors) < SOON
    assert grown < MOST_MEMORY, f"{grown >> 20} MiB"


@pytest.mark.load
async def test_ten_thousand_silent_streams_without_a_token_are_refused_at_once(doors):
    await honest(doors)
    async with crowds.streams(doors, STREAMS, EACH) as over:
        async with asyncio.timeout(60):
            for _ in range(STREAMS * EACH):
                await over.acquire()
        assert await honest(doors) < IN_TURN


async def test_a_connection_that_opens_no_stream_is_ended(tmp_path):
    async with crowds.doors(tmp_path, idle=0.5) as doors, crowds.connection(doors) as silent:
        async with asyncio.timeout(20):
            await asyncio.gather(silent.reading, return_exceptions=True)
        # a reset is what one gets whose answer to a ping comes when the server has closed
        assert isinstance(silent.reading.exception(), asyncio.IncompleteReadError | ConnectionError)
