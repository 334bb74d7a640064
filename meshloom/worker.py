"""The worker thread of the pipeline: what is asked of it, what it looks at, and what it tells of a pass.

Law: nobody else holds a pass, so none is taken apart on the event loop. A pass that raises leaves nothing half done,
and the next one starts from scratch.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass, field
from typing import Protocol

from mesh import graph, identity, inventory, resolve
from mesh.problems import Problem
from meshloom import edge_secrets, memory, passes, secured
from translator import proxies
from translator.traffic import Traffic


@dataclass(frozen=True, slots=True)
class LastPass:
    """The newest pass that succeeded: when it ended, in seconds since the epoch, how long its halves took, and how many
    snapshots it changed.
    """

    at: float
    resolve_seconds: float
    compile_seconds: float
    published: int


@dataclass(frozen=True, slots=True)
class Status:
    """Where the pipeline stands. `fault` says why the newest observation is not served, empty if it is; `last` is None
    until a pass has succeeded.
    """

    services: int = 0
    proxies: int = 0
    problems: tuple[Problem, ...] = ()
    fault: str = ""
    last: LastPass | None = None


class Issued(secured.Credentials, Protocol):
    """Credentials, what is wrong with where they come from, and in how many seconds they should be asked for again."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, resource by resource."""

    @property
    def due(self) -> float:
        """In how many seconds something will have to be renewed."""

    @property
    def is_watching(self) -> bool:
        """Whether something waits for what proxies acknowledge."""


Held = Mapping[proxies.Proxy, tuple[Mapping[str, str], ...]]
"""What the streams of each proxy have acknowledged of secrets: name -> version, for those that ask for it."""


class Authority(Protocol):
    """Issues the credentials. Asked in the worker thread alone."""

    def credentials(
        self,
        of: graph.Graph,
        identities: frozenset[identity.Identity],
        seen: inventory.Inventory,
        held: Held | None,
    ) -> Issued:
        """Return the credentials of these identities now. Raises nothing: what goes wrong is among the problems.

        `held` is None where nobody has looked what proxies hold.
        """


class Onlooker(Protocol):
    """Who looks at what a pass found. Asked in the worker thread, so that what is computed keeps no stream waiting."""

    def passed(self, resolution: resolve.Resolution, problems: tuple[Problem, ...], /) -> None:
        """Take in a pass whose snapshots are about to be published. Must not raise."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the event loop is told of a pass."""

    published: passes.Snapshots
    status: Status
    due: float
    is_watching: bool


@dataclass(slots=True)
class Worker:
    """The worker thread and what the last pass left."""

    settings: resolve.Settings
    authority: Authority
    kept: Traffic
    onlookers: tuple[Onlooker, ...] = ()
    last: passes.Pass | None = None
    held: passes.Snapshots = field(default_factory=dict)
    thread: futures.Executor = field(default_factory=lambda: futures.ThreadPoolExecutor(1, "passes"))

    async def outcome(self, task: passes.Task, held: Held | None, sweep: bool) -> Outcome:
        """Run one pass in the thread. Raises what the pass raises, which is a fault of ours."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._run, task, held, sweep)

    def _run(self, task: passes.Task, held: Held | None, sweep: bool) -> Outcome:
        last, self.last = self.last, None  # a pass that raises leaves nothing half done
        begun = time.perf_counter()
        resolution = passes.resolved(task, last, self.settings)
        resolved = time.perf_counter()
        members = passes.members(resolution, task.wanted, last)
        issued = self.authority.credentials(resolution.graph, members.identities, task.inventory, held)
        given = passes.Given(members, issued)
        self.last = passes.compiled(resolution, task.wanted, last, self.held, given, self.kept)
        compiled = time.perf_counter()
        del last
        self.held = self.last.snapshots
        if sweep:
            memory.sweep()
        at_home = passes.at_home(self.last.compilation)
        edge = edge_secrets.told(task.inventory, resolution, now := time.time(), at_home)
        found = joined(joined(joined(self.last.resolution.problems, issued.problems), self.last.problems), edge)
        for onlooker in self.onlookers:
            onlooker.passed(self.last.resolution, found)
        due = min(issued.due, edge_secrets.next_look(resolution, now) or issued.due)
        published = self.last.published
        took = LastPass(time.time(), resolved - begun, compiled - resolved, len(published))
        services = len(self.last.resolution.graph.services)
        return Outcome(published, Status(services, len(self.held), found, last=took), due, issued.is_watching)

    def close(self) -> None:
        """Let the thread end; what it has begun it finishes."""
        self.thread.shutdown(wait=False, cancel_futures=True)


def joined(ones: tuple[Problem, ...], others: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return the ones and then the others; where there is nothing to join, the same object."""
    return (*ones, *others) if ones and others else ones or others
