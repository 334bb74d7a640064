"""Parts are made once, and known for as long as somebody holds them."""

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from meshloom import shared_parts
from translator import resources
from xds import snapshot

KINDS = (resources.CLUSTER, resources.ROUTES)
PARTS = tuple((resources.EncodedResource(kind, name, "1", b""),) for name in "abc" for kind in KINDS)
BUNDLES = st.lists(st.sampled_from(PARTS), unique_by=id, max_size=4).map(tuple)


def part(version):
    """Return one of the compiler's parts that is no other."""
    return (resources.EncodedResource(resources.CLUSTER, "a", version, b""),)


@given(BUNDLES, st.lists(BUNDLES, max_size=4))
def test_the_snapshot_of_a_bundle_is_the_same_whatever_it_was_before(first, later):
    parts = shared_parts.Parts()
    held = parts.snapshot(first)
    for bundle in later:
        before, held = held, parts.followed(held, bundle)
        fresh = snapshot.Snapshot.of(*map(parts.part, bundle))
        assert (held, *map(held.digest, KINDS)) == (fresh, *map(fresh.digest, KINDS))
        assert (held is before) is (before.digests == fresh.digests)


def test_a_part_is_made_once_while_somebody_holds_it_and_forgotten_after():
    parts, compiled = shared_parts.Parts(), part("1")
    held = parts.part(compiled)
    assert parts.part(compiled) is held
    assert [*held.entries[resources.CLUSTER]] == ["a"]
    gone = weakref.ref(held)
    del held
    gc.collect()
    assert gone() is None
    assert parts.part(compiled).made_of is compiled


def test_a_part_is_made_of_the_one_whose_place_it_takes():
    parts, old, new = shared_parts.Parts(), part("1"), part("2")
    held = parts.snapshot((old,))
    after = parts.followed(held, (new,))
    assert after.parts[0].following.changes_from(held.parts[0]) == {
        resources.CLUSTER: {"a": held.mark(resources.CLUSTER, "a")}
    }
    assert after.following.changes_from(held) == after.parts[0].following.changes_from(held.parts[0])


def test_a_part_of_the_same_content_leaves_the_snapshot_as_it_is():
    parts, one, other, third = shared_parts.Parts(), part("1"), part("1"), part("3")
    held = parts.snapshot((one,))
    assert parts.followed(held, (other,)) is held
    after = parts.followed(held, (third,))
    assert after == parts.snapshot((third,))
    assert parts.followed(after, (other,)) == held
