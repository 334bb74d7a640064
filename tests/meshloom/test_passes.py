"""A pass that follows another equals a fresh one, whatever came, went or came back in between."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import inventory, resolve
from mesh.problems import Ref
from meshloom import passes
from meshloom.identity import claim
from tests import written
from tests.meshloom import shop
from watchers import store

PROXIES = (
    claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {}),
    claim.sidecar("shop/front-v1", "127.0.9.2", "127.0.0.1", {}),
    claim.sidecar("shop/pets-v1", "127.0.9.3", "127.0.0.1", {}),
    claim.sidecar("shop/nobody-v1", "127.0.9.4", "127.0.0.1", {}),
)
WEIGHTS = st.sampled_from([(90, 10), (50, 50), (0, 100), (0, 0)]).map(
    lambda shares: written.objects(shop.weights(*shares))
)
WANTED = st.frozensets(st.sampled_from(PROXIES))
ALL = inventory.inventory_of(written.objects("---".join((shop.MESH, shop.PETS, shop.weights(90, 10)))))
REFS = sorted(item.ref for item in ALL)

edits = st.one_of(WEIGHTS, st.sampled_from(REFS))
"""New weights, or an object that goes if it is there and otherwise comes back."""


def edited(seen: inventory.Inventory, edit: object) -> inventory.Inventory:
    if not isinstance(edit, Ref):
        return seen.with_changes(edit)
    return seen.with_changes(deleted=[edit]) if seen.get(edit) else seen.with_changes([ALL.get(edit)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(edits, WANTED, st.booleans()), min_size=1, max_size=8))
def test_a_pass_that_follows_another_equals_a_fresh_one(steps):
    seen, last, held = ALL, None, {}
    for edit, wanted, is_lost in steps:
        before, seen = seen, edited(seen, edit)
        previous = None if is_lost else last
        task = passes.Task(seen, store.differences(before, seen), wanted)
        last = passes.passed(task, previous, held, resolve.Settings())
        fresh = passes.passed(passes.Task(seen, None, wanted), None, held, resolve.Settings())
        assert last.snapshots == fresh.snapshots
        assert (last.problems, last.resolution.problems) == (fresh.problems, fresh.resolution.problems)
        assert last.made == passes.compiled(fresh.resolution, wanted).made
        assert last.published == {proxy: new for proxy, new in last.snapshots.items() if new is not held.get(proxy)}
        assert all(held.get(proxy) != new for proxy, new in last.published.items())
        held = last.snapshots


def test_a_change_of_weights_leaves_all_other_snapshots_the_same_objects():
    wanted = frozenset(PROXIES)
    first = passes.passed(passes.Task(ALL, None, wanted), None, {}, resolve.Settings())
    (table,) = written.objects(shop.weights(50, 50))
    task = passes.Task(ALL.with_changes([table]), frozenset({table.ref}), wanted)
    second = passes.passed(task, first, first.snapshots, resolve.Settings())
    assert {*second.published} == {*PROXIES[:2]}
    assert second.snapshots[PROXIES[2]] is first.snapshots[PROXIES[2]]
    shared = [part for part in second.snapshots[PROXIES[0]].parts if part in second.snapshots[PROXIES[1]].parts]
    assert len(shared) > 1
