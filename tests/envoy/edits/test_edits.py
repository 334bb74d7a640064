"""500 random edits of the demo mesh, one by one and in bursts, and no request is lost."""

import itertools
import os
import random
import threading
from collections import Counter

import pytest

from mesh import inventory, resolve
from mesh.problems import Severity
from meshloom import addresses
from meshloom.demo import cast, loopback, play, programs
from meshloom.demo.processes import Processes
from tests.envoy import worlds
from tests.envoy.edits import meshes, random_edits, visits
from tests.envoy.edits.shop import Shop, applications

EDITS = 500
SEED = int(os.environ.get("MESHLOOM_EDITS_SEED", "1"))
"""Another seed makes other edits; the one of a failure is in its message."""

BURSTS = (1, 1, 2, 3, 5, 8)
PAUSES_S = (0.0, 0.01, 0.03, 0.06)
"""Between the edits of a burst: so that some are taken up together, and some while others are on their way."""


@pytest.fixture
def shop(tmp_path, envoy, variant):
    """Run the demo mesh, with all applications that edits may bring."""
    with loopback.claimed_block() as block, Processes() as processes:
        last, port = worlds.CONTROL_PLANE
        site = programs.Site(tmp_path, addresses.Socket(block.address(last), port), envoy, variant.asks)
        running = Shop(worlds.World(site, block, processes))
        with applications(running.world):
            running.open()
            yield running


def edited(shop, edits, chance):
    """Make these edits in bursts, and wait after each burst until every proxy has the last of it."""
    pacing = threading.Event()
    while burst := tuple(itertools.islice(edits, chance.choice(BURSTS))):
        pause = chance.choice(PAUSES_S)
        for edit in burst:
            ticks = edit is burst[-1] or chance.random() < 0.5
            shop.edit(edit.after, f"edit {edit.number}, {edit.words}", ticks)
            pacing.wait(pause)
        shop.wait()


@pytest.mark.load
@pytest.mark.timeout(400)
def test_no_request_is_lost_in_500_edits(shop):
    edits = itertools.islice(random_edits.edits(SEED), EDITS)
    with visits.clients(shop.addresses(), shop.history, SEED, shop.evidence) as clients:
        edited(shop, edits, random.Random(SEED))
        assert all(client.is_sending for client in clients)
    tallies = {client.caller: client.tally for client in clients}
    told = [words for tally in tallies.values() for words in tally.told]
    assert not told, f"seed {SEED}, {sum(tally.wrong for tally in tallies.values())} requests\n" + "\n\n".join(told)
    assert all(tally.bound > EDITS and tally.crossed > EDITS / 2 for tally in tallies.values()), tallies


# ---------------------------------------------------------------------------- what is edited


def resolution(text):
    return resolve.resolve(inventory.inventory_of(cast.read_resources(text)))


def without_clock(refs):
    return {ref for ref in refs if ref.name != meshes.CLOCK}


def test_the_first_state_is_the_demo_mesh():
    shipped, first = resolution(play.SAMPLE.read_text()).graph, resolution(meshes.text(meshes.START)).graph
    assert {ref: service.hosts for ref, service in shipped.services.items()} == {
        ref: service.hosts for ref, service in first.services.items() if ref.name != meshes.CLOCK
    }
    assert set(shipped.deployments) == without_clock(first.deployments)
    assert {ref: set(scope.services) for ref, scope in shipped.scopes.items()} == {
        ref: without_clock(scope.services) for ref, scope in first.scopes.items() if ref.name != meshes.CLOCK
    }


def test_edits_are_of_every_kind_and_the_same_for_the_same_seed():
    edits = tuple(itertools.islice(random_edits.edits(SEED), EDITS))
    assert edits == tuple(itertools.islice(random_edits.edits(SEED), EDITS))
    assert min(Counter(edit.kind for edit in edits)[kind] for kind in random_edits.KINDS) >= 10


def test_no_edit_leaves_a_problem():
    for edit in itertools.islice(random_edits.edits(SEED), 0, EDITS, 25):
        problems = resolution(meshes.text(edit.after)).problems
        assert not [problem for problem in problems if problem.severity is Severity.ERROR], edit
