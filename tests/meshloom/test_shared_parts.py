"""Parts are made once, and known for as long as somebody holds them."""

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from meshloom import shared_parts
from translator import resources

PARTS = tuple((resources.EncodedResource(resources.CLUSTER, name, "1", b""),) for name in "abcde")
BUNDLES = st.lists(st.sampled_from(PARTS), unique_by=id, max_size=4).map(tuple)


def part(version):
    """Return one of the compiler's parts that is no other."""
    return (resources.EncodedResource(resources.CLUSTER, "a", version, b""),)


@given(BUNDLES, BUNDLES)
def test_what_took_the_place_of_what_is_told_in_the_parts_of_the_protocol(before, after):
    parts = shared_parts.Parts()
    held = [parts.part(one) for one in before]
    found = parts.exchanged(before, after)
    moved = [(old, new) for old, new in zip(before, after, strict=False) if old is not new]
    if len(before) != len(after):
        assert found is None
    else:
        assert found == [(parts.known(old), parts.known(new)) for old, new in moved]
        assert [(old.made_of, new.made_of) for old, new in found] == moved
    assert held == [parts.known(one) for one in before]


def test_a_part_is_made_once_while_somebody_holds_it_and_forgotten_after():
    parts, compiled = shared_parts.Parts(), part("1")
    held = parts.part(compiled)
    assert parts.part(compiled) is held
    assert [*held.entries[resources.CLUSTER]] == ["a"]
    gone = weakref.ref(held)
    del held
    gc.collect()
    assert (gone(), parts.known(compiled)) == (None, None)


def test_what_stood_there_has_to_be_known():
    parts, old, new = shared_parts.Parts(), part("1"), part("2")
    assert parts.exchanged((old,), (new,)) is None
    held = parts.part(old)
    ((before, after),) = parts.exchanged((old,), (new,))
    assert (before, after.shape) == (held, held.shape)
