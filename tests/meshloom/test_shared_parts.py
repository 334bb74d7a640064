"""Parts are made once and kept as long as a bundle holds them, pass after pass as in one."""

import collections

from hypothesis import given
from hypothesis import strategies as st

from mesh import layers
from meshloom import shared_parts
from translator import resources

PARTS = tuple((resources.EncodedResource(resources.CLUSTER, name, "1", b""),) for name in "abcde")
BUNDLES = st.dictionaries(
    st.sampled_from("pqrs"), st.lists(st.sampled_from(PARTS), unique_by=id, max_size=4).map(tuple), max_size=4
)


def held(bundles):
    """Return how many bundles hold each part."""
    return collections.Counter(id(part) for bundle in bundles.values() for part in bundle)


@given(st.lists(BUNDLES, min_size=1, max_size=6))
def test_what_is_held_is_kept_and_what_is_not_is_forgotten(runs):
    before, last = {}, {}
    for after in runs:
        new = shared_parts.parts(last, shared_parts.moves(before, after, layers.changed(before, after)))
        assert {key: one.holders for key, one in new.items()} == held(after)
        assert all(new[id(part)].compiled is part for bundle in after.values() for part in bundle)
        assert all(
            [*one.part.entries[resources.CLUSTER]] == [resource.name for resource in one.compiled]
            for one in new.values()
        )
        assert all(new[key].part is last[key].part for key in new.keys() & last.keys())
        before, last = after, new


def test_what_moved_is_told_with_what_stood_there():
    a, b, c = object(), object(), object()
    assert shared_parts.moved((a, b), (a, c)) == [(b, c)]
    assert shared_parts.moved((a,), (a, c)) == [(None, c)]
    assert shared_parts.moved((a, b), (a,)) == [(b, None)]
