"""What a change costs on the way to hundreds of proxies, beside a bare gRPC server that writes the same bytes.

Law: the control plane and the bare server take turns, change by change, so that both meet the same neighbours on the
machine; each is a process of its own, and so is the load generator. What arrives where is asserted, not only timed.
"""

import asyncio
import contextlib
import pathlib
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench import large, lines, rows
from meshloom.demo import loopback

PROXIES, SERVICES, DESTINATIONS = 500, 200, 10
PORT = 15012
UNCOUNTED = 10
"""Of the weights that are changed one after the other, the first few warm up and do not count."""
MOST_SECONDS = 0.2
"""From a change to the last ACK, 99 times of 100."""

Say = Callable[[str], None]
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A variant of the protocol, over TLS or in clear, and how many weights are changed; rows end in `suffix`."""

    variant: str
    tls: bool
    changes: int
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.variant} {'over TLS' if self.tls else 'in clear'}"


SERVED = (Case("delta", True, 200), Case("sotw", True, 100, " sotw"))
IN_CLEAR = (Case("delta", False, 100, " in clear"), Case("sotw", False, 100, " sotw in clear"))


@dataclass(frozen=True, slots=True)
class Stage:
    """The three processes, and where they leave recordings for one another."""

    case: Case
    plane: lines.Child
    bare: lines.Child
    fleet: lines.Child
    recording: str


@dataclass(frozen=True, slots=True)
class Side:
    """How one of the two servers did, change by change: seconds to the last ACK, processor seconds, and those of them
    that its event loop took.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)

    def add(self, done: Answer) -> None:
        """Take in a change."""
        self.seconds.append(done["seconds"])
        self.cpu.append(done["cpu"])
        self.loop.append(done["loop"])

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time for a change, on average."""
        return statistics.mean(self.cpu[UNCOUNTED:]) * 1e3

    @property
    def loop_ms(self) -> float:
        """Milliseconds of them that the event loop takes."""
        return statistics.mean(self.loop[UNCOUNTED:]) * 1e3

    def seconds_ms(self, percent: int) -> float:
        """Milliseconds within which so many per cent of the changes were accepted by all."""
        return statistics.quantiles(self.seconds[UNCOUNTED:], n=100, method="inclusive")[percent - 1] * 1e3


@dataclass(frozen=True, slots=True)
class Start:
    """How one of the two servers took in all proxies at once."""

    seconds: float
    cpu: float
    kib_per_stream: float


def measure(say: Say) -> Iterator[rows.Row]:
    """Yield the rows of both variants as they are served; in clear, those of processor time alone."""
    for case in SERVED:
        yield from asyncio.run(_measured(case, say))
    for case in IN_CLEAR:
        yield from asyncio.run(_in_clear(case, say))


async def _measured(case: Case, say: Say) -> list[rows.Row]:
    async with _stage(case) as stage:
        say(f"{case}: {PROXIES} proxies connect")
        started, bare_started = await _start(stage, "plane", 0), await _start(stage, "bare", 0)
        changes, bare_changes, size = await _changes(stage, say)
        unchanged = await _repeat(stage)
        say(f"{case}: {PROXIES} replicas connect")
        grown, bare_grown = await _start(stage, "plane", PROXIES), await _start(stage, "bare", PROXIES)
    suffix, cold = case.suffix, f"cold start of {PROXIES} proxies{case.suffix}"
    return [
        *_processor_time(case, changes, bare_changes),
        rows.row(f"weight-change{suffix} last ACK p50", changes.seconds_ms(50), "ms", bare_changes.seconds_ms(50)),
        rows.row(f"weight-change{suffix} last ACK p99", changes.seconds_ms(99), "ms", MOST_SECONDS * 1e3),
        rows.row(f"no-op change{suffix} bytes", unchanged, "bytes", size / case.changes),
        rows.row(cold, started.seconds, "s", bare_started.seconds),
        rows.row(f"{cold}, CPU", started.cpu, "s CPU", bare_started.cpu),
        rows.row(f"memory per stream{suffix}", grown.kib_per_stream, "KiB", bare_grown.kib_per_stream),
    ]


async def _in_clear(case: Case, say: Say) -> list[rows.Row]:
    async with _stage(case) as stage:
        say(f"{case}: {PROXIES} proxies connect")
        await _start(stage, "plane", 0)
        await _start(stage, "bare", 0)
        changes, bare_changes, _ = await _changes(stage, say)
    return _processor_time(case, changes, bare_changes)


def _processor_time(case: Case, changes: Side, bare_changes: Side) -> list[rows.Row]:
    return [
        rows.row(f"weight-change{case.suffix}", changes.cpu_ms, "ms CPU", bare_changes.cpu_ms),
        rows.row(f"weight-change{case.suffix}, event loop", changes.loop_ms, "ms CPU", bare_changes.loop_ms),
    ]


async def _changes(stage: Stage, say: Say) -> tuple[Side, Side, int]:
    """Change weights one after the other; return how both servers did, and how many bytes were sent."""
    changes, bare_changes, size = Side(), Side(), 0
    for step in range(stage.case.changes):
        say(f"{stage.case}: weight {step + 1} of {stage.case.changes}")
        size += await _change(stage, step, changes, bare_changes)
    return changes, bare_changes, size


@contextlib.asynccontextmanager
async def _stage(case: Case) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="bench") as folder, loopback.claimed_block() as block:
        async with (
            lines.child("bench.plane") as plane,
            lines.child("bench.bare") as bare,
            lines.child("bench.fleet") as fleet,
        ):
            hosts = {"plane": block.address(1), "bare": block.address(2)}
            for name, server in (("plane", plane), ("bare", bare)):
                where = {"address": f"{hosts[name]}:{PORT}", "state": f"{folder}/state", "tls": case.tls}
                mesh = {"services": SERVICES, "destinations": DESTINATIONS} if server is plane else {}
                await server.ask("serve", **where, **mesh)
                about = {"variant": case.variant, "services": SERVICES, "proxies": PROXIES}
                await fleet.ask("group", group=name, **where, **about)
            yield Stage(case, plane, bare, fleet, str(pathlib.Path(folder) / "recording"))


async def _start(stage: Stage, group: str, first: int) -> Start:
    """Connect all proxies at once. The bare server repeats to each what the control plane said."""
    server = stage.bare if group == "bare" else stage.plane
    if group == "bare":
        await server.ask("first", path=stage.recording)
    before = await server.ask("usage")
    took = await stage.fleet.ask("connect", group=group, first=first, count=PROXIES)
    after = await server.ask("usage")
    taken = await stage.fleet.ask("taken", group=group, path=stage.recording)
    everybody = list(range(first, first + PROXIES))
    assert sorted(set(taken["streams"])) == everybody, "every proxy is sent something, and no other stream"
    grown = (after["memory"] - before["memory"]) / PROXIES / 1024
    return Start(took["seconds"], after["cpu"] - before["cpu"], grown)


async def _change(stage: Stage, step: int, changes: Side, bare_changes: Side) -> int:
    """Change a weight, then write the same responses from the bare server; return their bytes."""
    service, first = step * 7 % SERVICES, 10 + step % 70
    concerned = _concerned(service)
    done = await stage.plane.ask("change", service=service, first=first, acks=len(concerned))
    taken = await stage.fleet.ask("taken", group="plane", path=stage.recording)
    assert taken["streams"] == concerned, "a change goes once to each proxy that it concerns, and to no other"
    assert (done["responses"], done["refused"]) == (len(concerned), 0)
    bare = await stage.bare.ask("broadcast", path=stage.recording)
    taken_again = await stage.fleet.ask("taken", group="bare", path=stage.recording)
    assert taken_again == taken, "both servers send the same"
    changes.add(done)
    bare_changes.add(bare)
    return int(taken["bytes"])


async def _repeat(stage: Stage) -> int:
    """Write the newest weight once more; return the bytes that were sent for it."""
    step = stage.case.changes - 1
    done = await stage.plane.ask("repeat", service=step * 7 % SERVICES, first=10 + step % 70)
    taken = await stage.fleet.ask("taken", group="plane", path=stage.recording)
    assert taken["streams"] == [], "a change that changes nothing is sent to nobody"
    return int(done["bytes"])


def _concerned(service: int) -> list[int]:
    """Return the proxies of all deployments of the services that may call this one."""
    callers = large.callers(service, SERVICES, DESTINATIONS)
    return [number for number in range(PROXIES) if number % (2 * SERVICES) // 2 in callers]
