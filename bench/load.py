"""What a change costs on the way to hundreds of proxies, beside a bare gRPC server that writes the same bytes.

Law: the control plane and the bare server take turns, change by change, so that both meet the same neighbours on the
machine; each is a process of its own, and so is the load generator. What arrives where is asserted, not only timed.
"""

import asyncio
import contextlib
import pathlib
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench import large, lines, rows

PROXIES, SERVICES, DESTINATIONS = 500, 200, 10
CHANGES, UNCOUNTED = {"delta": 200, "sotw": 100}, 10
"""Weights changed one after the other; the first few warm up and do not count."""
MOST_SECONDS = 0.2
"""From a change to the last ACK, 99 times of 100."""

Say = Callable[[str], None]
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """The three processes, and where they leave recordings for one another."""

    variant: str
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
    """Yield the rows of both variants."""
    yield from asyncio.run(_measured("delta", "", say))
    yield from asyncio.run(_measured("sotw", " sotw", say))


async def _measured(variant: str, suffix: str, say: Say) -> list[rows.Row]:
    async with _stage(variant) as stage:
        say(f"{variant}: {PROXIES} proxies connect")
        started, bare_started = await _start(stage, "plane", 0), await _start(stage, "bare", 0)
        changes, bare_changes, size = Side(), Side(), 0
        for step in range(CHANGES[variant]):
            say(f"{variant}: weight {step + 1} of {CHANGES[variant]}")
            size += await _change(stage, step, changes, bare_changes)
        unchanged = await _repeat(stage)
        say(f"{variant}: {PROXIES} replicas connect")
        grown, bare_grown = await _start(stage, "plane", PROXIES), await _start(stage, "bare", PROXIES)
    cold = f"cold start of {PROXIES} proxies{suffix}"
    return [
        rows.row(f"weight-change{suffix}", changes.cpu_ms, "ms CPU", bare_changes.cpu_ms),
        rows.row(f"weight-change{suffix}, event loop", changes.loop_ms, "ms CPU", bare_changes.loop_ms),
        rows.row(f"weight-change{suffix} last ACK p50", changes.seconds_ms(50), "ms", bare_changes.seconds_ms(50)),
        rows.row(f"weight-change{suffix} last ACK p99", changes.seconds_ms(99), "ms", MOST_SECONDS * 1e3),
        rows.row(f"no-op change{suffix} bytes", unchanged, "bytes", size / CHANGES[variant]),
        rows.row(cold, started.seconds, "s", bare_started.seconds),
        rows.row(f"{cold}, CPU", started.cpu, "s CPU", bare_started.cpu),
        rows.row(f"memory per stream{suffix}", grown.kib_per_stream, "KiB", bare_grown.kib_per_stream),
    ]


@contextlib.asynccontextmanager
async def _stage(variant: str) -> Any:
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        async with (
            lines.child("bench.plane") as plane,
            lines.child("bench.bare") as bare,
            lines.child("bench.fleet") as fleet,
        ):
            addresses = {name: f"unix:{folder}/{name}.sock" for name in ("plane", "bare")}
            await plane.ask("serve", address=addresses["plane"], services=SERVICES, destinations=DESTINATIONS)
            await bare.ask("serve", address=addresses["bare"])
            for name, address in addresses.items():
                about = {"address": address, "variant": variant, "services": SERVICES, "proxies": PROXIES}
                await fleet.ask("group", group=name, **about)
            yield Stage(variant, plane, bare, fleet, str(pathlib.Path(folder) / "recording"))


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
    step = CHANGES[stage.variant] - 1
    done = await stage.plane.ask("repeat", service=step * 7 % SERVICES, first=10 + step % 70)
    taken = await stage.fleet.ask("taken", group="plane", path=stage.recording)
    assert taken["streams"] == [], "a change that changes nothing is sent to nobody"
    return int(done["bytes"])


def _concerned(service: int) -> list[int]:
    """Return the proxies of all deployments of the services that may call this one."""
    callers = large.callers(service, SERVICES, DESTINATIONS)
    return [number for number in range(PROXIES) if number % (2 * SERVICES) // 2 in callers]
