"""The one loop: what is published when, and what happens when a pass goes wrong. Fakes stand only at its ports."""

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mesh import inventory, problems, resolve
from meshloom import passes, pipeline
from meshloom.identity import claim
from tests import written
from tests.meshloom import issued, shop
from translator import resources
from watchers import feed, store

FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
PETS = claim.sidecar("shop/pets-v1", "127.0.9.2", "127.0.0.1", {})
NOBODY = claim.sidecar("shop/nobody-v1", "127.0.9.3", "127.0.0.1", {})
PATIENCE = 20.0


class FakeCache:
    """A cache that remembers what it is told."""

    def __init__(self):
        self.wanted = frozenset()
        self.published = []
        self.snapshots = {}

    @property
    def held(self):
        return frozenset(self.snapshots)

    def replace(self, snapshots):
        self.published.append(frozenset(snapshots))
        self.snapshots.update(snapshots)

    def discard(self, keys):
        for key in keys:
            self.snapshots.pop(key, None)


class FakeObserver:
    """An observer that remembers what it is told."""

    def __init__(self):
        self.statuses = []
        self.failures = []
        self.news = asyncio.Event()

    def settled(self, before, after):
        self.statuses.append(after)
        self.news.set()

    def failed(self, error):
        self.failures.append(str(error))


@dataclasses.dataclass
class Running:
    """A pipeline at work, its ports, and the observations it follows."""

    line: pipeline.Pipeline
    cache: FakeCache
    observer: FakeObserver
    observations: asyncio.Queue
    authority: issued.Authority
    held: dict = dataclasses.field(default_factory=dict)
    seen: inventory.Inventory = dataclasses.field(default_factory=inventory.Inventory)

    def tell(self, text, problems=()):
        """Let the mesh of a text be observed."""
        known = {item.ref: item for item in self.seen}
        fresh = [known.get(item.ref) if known.get(item.ref) == item else item for item in written.objects(text)]
        new = inventory.inventory_of(fresh)
        self.observations.put_nowait(feed.Observation(new, problems, store.differences(self.seen, new)))
        self.seen = new

    def want(self, *wanted):
        """Let these proxies have streams, and no others."""
        before, self.cache.wanted = self.cache.wanted, frozenset(wanted)
        for key in before ^ self.cache.wanted:
            (self.line.wanted if key in self.cache.wanted else self.line.unwanted)(key)

    async def settled(self, count):
        """Wait until so many tasks are done, and return the newest status."""
        async with asyncio.timeout(PATIENCE):
            while len(self.observer.statuses) < count:
                self.observer.news.clear()
                await self.observer.news.wait()
        return self.observer.statuses[-1]


async def followed(queue: asyncio.Queue) -> AsyncIterator[feed.Observation]:
    while True:
        item = await queue.get()
        if isinstance(item, Exception):
            raise item
        yield item
        queue.task_done()


@pytest_asyncio.fixture
async def running() -> AsyncIterator[Running]:
    observer, authority, held = FakeObserver(), issued.Authority(), {}
    line = pipeline.Pipeline(observer, resolve.Settings(), authority, lambda: held)
    made = Running(line, FakeCache(), observer, asyncio.Queue(), authority, held)
    task = asyncio.create_task(made.line.run(followed(made.observations), made.cache))
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def mesh(first=90, pets=shop.PETS):
    return "---".join((shop.MESH, pets, shop.weights(first, 100 - first)))


async def test_who_has_a_stream_gets_a_snapshot_and_nobody_else(running):
    running.want(FRONT)
    running.tell(mesh())
    status = await running.settled(1)
    assert {*running.cache.snapshots} == {FRONT}
    assert (status.services, status.proxies, status.problems, status.fault) == (2, 1, (), "")


async def test_who_comes_later_gets_a_snapshot_without_a_new_observation(running):
    running.tell(mesh())
    await running.settled(1)
    running.want(PETS)
    await running.settled(2)
    assert {*running.cache.snapshots} == {PETS}


async def test_an_observation_that_changes_nothing_publishes_nothing(running):
    running.want(FRONT, PETS)
    running.tell(mesh())
    await running.settled(1)
    running.tell(mesh())
    await running.settled(2)
    assert running.cache.published == [frozenset({FRONT, PETS})]


async def test_a_change_is_published_only_to_whom_it_concerns(running):
    running.want(FRONT, PETS)
    running.tell(mesh())
    await running.settled(1)
    running.tell(mesh(first=50))
    await running.settled(2)
    assert running.cache.published[1:] == [frozenset({FRONT})]


async def test_who_leaves_is_forgotten_and_gets_everything_when_it_returns(running):
    running.want(FRONT)
    running.tell(mesh())
    await running.settled(1)
    running.want()
    await running.settled(2)
    assert not running.cache.snapshots
    running.want(FRONT)
    await running.settled(3)
    assert {*running.cache.snapshots} == {FRONT}


async def test_who_leaves_and_returns_at_once_keeps_its_snapshot(running):
    running.want(FRONT)
    running.tell(mesh())
    await running.settled(1)
    running.want()
    running.want(FRONT)
    await running.settled(2)
    assert {*running.cache.snapshots} == {FRONT}


async def test_what_comes_while_a_pass_runs_is_one_task_and_the_newest_wins(running, monkeypatch):
    begun, go, resolved, inputs = threading.Event(), threading.Event(), passes.resolved, []

    def slow(task, *rest):
        inputs.append(task.inventory)
        begun.set()
        assert go.wait(PATIENCE)
        return resolved(task, *rest)

    monkeypatch.setattr(passes, "resolved", slow)
    running.want(FRONT)
    running.tell(mesh())
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    for first in (10, 20, 30):
        running.tell(mesh(first))
    await running.observations.join()
    go.set()
    await running.settled(2)
    assert len(inputs) == 2
    assert inputs[-1] is running.seen
    given = issued.credentials(*running.authority.asked[-1:])
    fresh = passes.passed(passes.Task(running.seen, None, frozenset({FRONT})), None, {}, resolve.Settings(), given)
    assert running.cache.snapshots == fresh.snapshots


async def test_a_pass_that_fails_changes_nothing_and_the_next_starts_from_scratch(running, monkeypatch):
    running.want(FRONT)
    running.tell(mesh())
    await running.settled(1)
    good, previous, compiled = dict(running.cache.snapshots), [], passes.compiler.compiled

    def broken(*_):
        raise RuntimeError("compiler broke")

    monkeypatch.setattr(passes.compiler, "compiled", broken)
    running.tell(mesh(first=50))
    status = await running.settled(2)
    assert status.fault == "RuntimeError: compiler broke"
    assert running.observer.failures == ["compiler broke"]
    assert running.cache.snapshots == good

    monkeypatch.setattr(passes.compiler, "compiled", lambda *given: previous.append(given[2]) or compiled(*given))
    running.tell(mesh(first=40))
    status = await running.settled(3)
    assert (status.fault, previous) == ("", [None])
    assert running.cache.snapshots != good


async def test_a_pass_that_fails_and_then_comes_to_the_same_sends_nothing(running, monkeypatch):
    running.want(FRONT)
    running.tell(mesh())
    await running.settled(1)
    with monkeypatch.context() as patched:
        patched.setattr(passes.compiler, "compiled", lambda *_: 1 / 0)
        running.tell(mesh(first=50))
        await running.settled(2)
    running.tell(mesh())
    await running.settled(3)
    assert len(running.cache.published) == 1


async def test_who_is_gone_from_the_mesh_keeps_its_last_configuration(running):
    running.want(PETS)
    running.tell(mesh())
    await running.settled(1)
    good = dict(running.cache.snapshots)
    running.tell(shop.MESH)
    status = await running.settled(2)
    assert running.cache.snapshots == good
    assert [str(problem) for problem in status.problems if problem.subject == PETS.deployment] == [
        "VirtualDeployment shop/pets-v1: does not exist or cannot be used, but proxy sidecar/shop/pets-v1/127.0.9.2 is "
        "connected; it keeps its last configuration; bring VirtualDeployment shop/pets-v1 back, or stop the proxy"
    ]


async def test_who_was_never_in_the_mesh_gets_nothing_and_that_is_said(running):
    running.want(NOBODY)
    running.tell(mesh())
    status = await running.settled(1)
    assert not running.cache.snapshots
    assert "it gets no configuration" in str(status.problems[0])


async def test_a_configuration_that_names_what_it_lacks_is_held_back(running, monkeypatch):
    running.want(FRONT, PETS)
    running.tell(mesh())
    await running.settled(1)
    good, compiled = dict(running.cache.snapshots), passes.compiler.compiled
    lacking = resources.EncodedResource(
        resources.CLUSTER, "extra", "1", b"", frozenset({(resources.ENDPOINTS, "missing")})
    )

    def faulty(*given):
        made = compiled(*given)
        return dataclasses.replace(made, bundles={**made.bundles, FRONT: (*made.bundles[FRONT], (lacking,))})

    monkeypatch.setattr(passes.compiler, "compiled", faulty)
    running.tell(mesh(first=50))
    status = await running.settled(2)
    assert running.cache.snapshots == good
    assert [str(problem) for problem in status.problems] == [
        "VirtualDeployment shop/front-v1: its configuration for sidecar/shop/front-v1/127.0.9.1 names what it lacks "
        "(ClusterLoadAssignment missing) and is held back; this is a fault of meshloom, please report it"
    ]


async def test_problems_of_files_and_of_the_mesh_are_told_together(running):
    of_file = problems.error(problems.Ref("File", "", "mesh.yaml:1"), "", "is broken", "mend it")
    running.tell("---".join((shop.MESH, shop.PETS, shop.weights(0, 0))), (of_file,))
    status = await running.settled(1)
    assert status.problems[0] == of_file
    assert {problem.subject.name for problem in status.problems[1:]} == {"pets"}


async def test_what_the_observations_raise_ends_the_pipeline():
    line, queue = pipeline.Pipeline(FakeObserver(), resolve.Settings(), issued.Authority(), dict), asyncio.Queue()
    queue.put_nowait(feed.SourceFailedError("source files ended"))
    with pytest.raises(feed.SourceFailedError, match="source files ended"):
        await line.run(followed(queue), FakeCache())


# ---------------------------------------------------------------------------- credentials


async def test_credentials_are_asked_for_whoever_is_connected(running):
    running.want(FRONT, NOBODY)
    running.tell(mesh())
    await running.settled(1)
    assert [one.uri for one in running.authority.asked[-1]] == ["spiffe://main.shop.mesh/ns/shop/vs/front"]


async def test_credentials_are_asked_for_again_when_they_are_due_and_nothing_else_happens(running):
    running.want(FRONT)
    running.authority.changes = {"due": 0.01}
    running.tell(mesh())
    await running.settled(1)
    before = running.cache.snapshots[FRONT]
    running.authority.serial = 2
    await running.settled(len(running.observer.statuses) + 2)
    after = running.cache.snapshots[FRONT]
    names = [entry.name for entry in after.entries(resources.SECRET) if entry not in before.entries(resources.SECRET)]
    assert sorted(names) == ["authorities", "identity"]
    assert before.digests[resources.CLUSTER] == after.digests[resources.CLUSTER]


async def test_what_proxies_hold_is_told_only_while_it_is_waited_for(running):
    running.want(FRONT)
    running.held[FRONT] = ({"identity": "1"},)
    running.authority.changes = {"is_watching": True}
    running.tell(mesh())
    await running.settled(1)
    running.line.renew()
    await running.settled(2)
    assert running.authority.held == [None, {FRONT: ({"identity": "1"},)}]


async def test_what_is_wrong_with_an_authority_is_told_with_all_other_problems(running):
    fault = problems.error(problems.Ref("Mesh", "shop", "main"), "spec", "has no authority", "give it one")
    running.authority.changes = {"problems": (fault,)}
    running.tell(mesh())
    assert (await running.settled(1)).problems == (fault,)
