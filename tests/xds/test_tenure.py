"""How long a stream lasts: before its proof ends, each at a moment of its own, and not at all once that is withdrawn."""

import asyncio

import pytest

from xds import effects, ports, tenure

WITHDRAWN = ports.Refusal("UNAUTHENTICATED", "no more", "revoked")


class Running:
    """A session that ends when it is told to; one that is `stuck` never does, one that is `unanswered` not by itself."""

    def __init__(self, stuck=False, unanswered=False, refused=None):
        self.stuck, self.unanswered, self.refused = stuck, unanswered, refused
        self.over, self.told = asyncio.Event(), []

    def stop(self):
        self.told.append("stop")
        self.over.set()

    def leave(self):
        self.told.append("leave")
        if not self.unanswered:
            self.over.set()

    async def run(self, _watch):
        await (asyncio.Event() if self.stuck else self.over).wait()
        return self.refused


class Clock:
    """A clock of the loop's pace that says what it is told to at first."""

    def __init__(self, at=1000.0):
        self.offset = at - asyncio.get_running_loop().time()

    def __call__(self):
        return asyncio.get_running_loop().time() + self.offset


def lasting(running, until=None, now=None):
    return tenure.Tenure(running, until, now or Clock(), 0.05, 1.0)


@pytest.mark.parametrize(("left", "spread"), [(90 * 86400, 300), (3600, 300), (100, 10), (0, 0), (-5, 0)])
def test_the_ends_of_streams_are_spread_before_the_end_of_the_proof(left, spread):
    moments = [tenure.leaving(1000.0 + left, 1000.0, chance) for chance in (0.0, 0.5, 1.0)]
    assert moments == [1000.0 + left - spread * part for part in (0.5, 0.75, 1.0)]


async def test_a_stream_whose_proof_has_no_end_lasts():
    running = Running()
    task = asyncio.create_task(lasting(running).run(None))
    await asyncio.sleep(0)
    assert not task.done()
    running.over.set()
    assert await task is None
    assert running.told == []


async def test_a_stream_that_was_answered_leaves_before_its_proof_ends():
    running = Running()
    assert await lasting(running, until=1002.0).run(None) is None
    assert running.told == ["leave"]


async def test_a_stream_that_was_not_answered_stays_until_its_proof_ends():
    running, now = Running(unanswered=True), Clock()
    refusal = await lasting(running, until=1002.0, now=now).run(None)
    assert (refusal.reason, running.told) == ("expired", ["leave", "stop"])
    assert now() >= 1002.0


async def test_a_proof_that_has_ended_already_serves_nobody():
    assert (await lasting(Running(stuck=True), until=999.0).run(None)).reason == "expired"


@pytest.mark.parametrize("stuck", [False, True])
async def test_a_proof_withdrawn_ends_the_stream_whether_or_not_the_peer_reads(stuck):
    running = Running(stuck)
    served = lasting(running)
    task = asyncio.create_task(served.run(None))
    await asyncio.sleep(0)
    served.withdraw(WITHDRAWN)
    served.withdraw(ports.Refusal("UNAUTHENTICATED", "again", "revoked"))
    async with asyncio.timeout(10):
        assert await task == WITHDRAWN
    assert running.told == ["stop"]


async def test_a_proof_withdrawn_before_the_stream_runs_ends_it_as_well():
    served = lasting(Running(stuck=True))
    served.withdraw(WITHDRAWN)
    async with asyncio.timeout(10):
        assert await served.run(None) == WITHDRAWN


async def test_a_refusal_of_the_session_is_that_of_the_stream():
    running = Running(refused=effects.Refuse("INVALID_ARGUMENT", "what?"))
    running.over.set()
    assert await lasting(running).run(None) == ports.Refusal("INVALID_ARGUMENT", "what?")
