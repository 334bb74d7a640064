"""The running demo: the sample mesh on real processes, its traffic measured, its weights edited.

Law: everything it says was measured from outside, by requests through the gateway.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from meshloom import addresses, bootstrap, errors
from meshloom.demo import cast, edits, loopback, programs, split, stage, traffic
from meshloom.demo.processes import Processes
from meshloom.demo.programs import Site
from meshloom.demo.waiting import wait_until

SAMPLE = Path(__file__).with_name("mesh.yaml")
CONTROL_PLANE = (200, 15012)
PROXY_PORTS = (15000, bootstrap.STATISTICS_PORT, bootstrap.HEALTH_PORT, bootstrap.ADMIN_PORT)
FIRST_ANSWER_S = 15.0
FOLLOW_S = 10.0
ENOUGH = 60
"""So many requests in a row after the turning point, and the split has followed."""


@dataclass(frozen=True, slots=True)
class Play:
    """A mesh that runs. `file` is its YAML, `table` the route table that is measured."""

    site: Site
    file: Path
    cast: cast.Cast
    table: split.Table

    @property
    def door(self) -> tuple[str, int]:
        """The address and port of the gateway."""
        gate = self.cast.gates[0]
        return gate.address, gate.ports[0]


@dataclass(frozen=True, slots=True)
class Started:
    """Seconds that each part took to be ready."""

    control_plane: float
    envoys: float
    first_answer: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A split beside what was asked, and every way in which requests failed, in words, with how often."""

    lines: tuple[split.Line, ...]
    faults: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether no request failed and chance explains every difference."""
        return not self.faults and all(line.holds for line in self.lines)


def ports() -> tuple[int, ...]:
    """Return the ports that the sample needs on its addresses."""
    played = cast.cast(cast.read_resources(SAMPLE.read_text()))
    listened = (*(gate.ports for gate in played.gates), *(pair.ports for pair in played.pairs))
    needed = {port for some in listened for port in some}
    return (*sorted(needed), *PROXY_PORTS, CONTROL_PLANE[1])


def prepared(folder: Path, block: loopback.Block, variant: bootstrap.Variant) -> Play:
    """Return the sample mesh, copied into the folder and moved to the block; nothing runs yet."""
    last, port = CONTROL_PLANE
    site = Site(folder, addresses.Socket(block.address(last), port), programs.envoy_path(), variant)
    site.mesh.mkdir(parents=True)
    file = site.mesh / "mesh.yaml"
    edits.replace_file(file, block.moved(SAMPLE.read_text()))
    written = cast.read_resources(file.read_text())
    table = split.featured_table(written)
    if table is None:
        raise errors.UserError(f"{SAMPLE} has no route table with two destinations; the demo shows how one splits")
    return Play(site, file, cast.cast(written), table)


def started(play: Play, processes: Processes) -> Started:
    """Start everything and wait until the first request is answered as a whole; return how long it took."""
    start = time.monotonic()
    stage.started_control_plane(play.site, processes)
    serving = time.monotonic()
    stage.started_applications(play.site, processes, play.cast.pairs)
    applied = time.monotonic()
    stage.started_proxies(play.site, processes, play.cast.gates, play.cast.pairs)
    configured = time.monotonic()
    wait_until(lambda: not tuple(traffic.faults(_answer(play))), "an answer through the gateway", FIRST_ANSWER_S)
    return Started(serving - start, configured - applied, time.monotonic() - configured)


def _answer(play: Play) -> object:
    return traffic.reply(*play.door, "/").json()


def measured(play: Play, asked: split.Shares, count: int) -> Measured:
    """Send so many requests through the gateway and compare the split with the shares asked for."""
    return compared(play, asked, traffic.replies(*play.door, "/", count))


def compared(play: Play, asked: split.Shares, replies: Iterable[traffic.Reply]) -> Measured:
    """Compare the split in these answers with the shares asked for."""
    answers = tuple(reply.json() if reply.status == 200 else reply for reply in replies)
    return Measured(split.lines(asked, seen_versions(play, answers)), _counted(_faults(answers)))


def seen_versions(play: Play, answers: Iterable[object]) -> Iterator[str]:
    """Yield the versions of the measured service that took part in these answers."""
    return (version for answer in answers for version in traffic.versions(answer, play.table.service))


def _faults(answers: Iterable[object]) -> Iterator[str]:
    for answer in answers:
        if isinstance(answer, traffic.Reply):
            yield f"the gateway answered {answer.status} {answer.text.strip()}"
        else:
            yield from traffic.faults(answer)


def _counted(words: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


def swapped(play: Play) -> dict[str, int]:
    """Return weights in percent that turn the split around."""
    percents = [round(share * 100) for share in play.table.shares.values()]
    return dict(zip(play.table.shares, reversed(percents), strict=True))


def edited(play: Play, weights: Mapping[str, int]) -> float:
    """Write other weights into the YAML; return the seconds until traffic followed.

    Raises `NotReadyError` when it does not.
    """
    before, after = play.table.shares, split.shares(weights)
    with traffic.Stream(*play.door, "/") as stream:
        start = time.monotonic()
        edits.replace_file(play.file, edits.with_weights(play.file.read_text(), play.table.name, weights))
        wait_until(lambda: _followed(play, stream.seen, before, after), "the split to follow the edit", FOLLOW_S)
        replies = tuple(reply for reply in stream.seen if reply.at >= start)
    versions = tuple(seen_versions(play, (reply.json() for reply in replies)))
    return max(replies[split.turning_point(versions, before, after)].at - start, 0.0)


def _followed(play: Play, seen: Iterable[traffic.Reply], before: split.Shares, after: split.Shares) -> bool:
    versions = tuple(seen_versions(play, (reply.json() for reply in tuple(seen))))
    return len(versions) - split.turning_point(versions, before, after) >= ENOUGH


def asked_now(play: Play) -> split.Shares | None:
    """Return the shares that the YAML asks for at this moment, or None while it cannot be read."""
    try:
        table = split.featured_table(cast.read_resources(play.file.read_text()))
    except (OSError, ValueError):
        return None
    return table.shares if table else None
