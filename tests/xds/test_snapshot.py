"""Snapshots: versions by content, sharing by parts, differences by what is not shared."""

import os
import pathlib
import subprocess
import sys

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.xds import model
from xds import changes, snapshot
from xds.following import ABSENT

NAMES = st.text(min_size=1, max_size=8)
CONTENTS = st.dictionaries(NAMES, st.integers(0, 3).map(str), max_size=12)

PRINT_VERSIONS = """
from tests.xds import model
from xds import snapshot
held = model.holding(*(model.cluster(f"c{n}", n, *{f"s{m}" for m in range(n)}) for n in range(9)))
print(held.version(model.CLUSTER), snapshot.dangling(held))
"""


@hypothesis.given(CONTENTS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_version_does_not_depend_on_order_or_on_the_division_into_parts(contents, shuffle, count):
    resources = [model.cluster(name, version) for name, version in contents.items()]
    whole = model.holding(*resources)
    shuffle.shuffle(resources)
    split = snapshot.Snapshot.of(*(snapshot.Part.of(resources[start::count]) for start in range(count)))
    assert split.version(model.CLUSTER) == whole.version(model.CLUSTER)
    assert split == whole
    assert hash(split) == hash(whole)


@hypothesis.given(CONTENTS, CONTENTS)
def test_equal_versions_are_equal_contents(one, other):
    first = model.holding(*(model.cluster(name, version) for name, version in one.items()))
    second = model.holding(*(model.cluster(name, version) for name, version in other.items()))
    assert (first.version(model.CLUSTER) == second.version(model.CLUSTER)) is (one == other)


@hypothesis.given(st.lists(CONTENTS, min_size=3, max_size=3), st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2)))
def test_what_changed_is_what_differs_name_by_name(contents, in_old, in_new):
    parts = [
        snapshot.Part.of(model.cluster(f"{number}{name}", version) for name, version in several.items())
        for number, several in enumerate(contents)
    ]
    old = snapshot.Snapshot.of(*(parts[number] for number in in_old))
    new = snapshot.Snapshot.of(*(parts[number] for number in in_new))
    names = {*old.names(model.CLUSTER), *new.names(model.CLUSTER)}
    marks = {name: (old.mark(model.CLUSTER, name), new.mark(model.CLUSTER, name)) for name in names}
    expected = {name: before for name, (before, after) in marks.items() if before != after}
    assert changes.changes(old, new) == ({model.CLUSTER: expected} if expected else {})


FEW = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=3)
MADE = st.builds(
    lambda clusters, secrets: snapshot.Part.of(
        [
            *(model.cluster(name, version) for name, version in clusters.items()),
            *(model.Resource(model.SECRET, name, version, b"", frozenset()) for name, version in secrets.items()),
        ]
    ),
    FEW,
    FEW,
)


@hypothesis.given(st.lists(MADE, min_size=1, max_size=5), st.data())
def test_a_snapshot_that_follows_another_is_the_one_of_its_parts(parts, data):
    chosen = st.lists(st.sampled_from(parts), unique_by=id, max_size=4).map(tuple)
    before, after = made(data.draw(chosen)), data.draw(chosen)
    expected = made(after)
    hypothesis.assume(before is not None and expected is not None)
    found = before.followed(after)
    assert (found, found.parts, hash(found)) == (expected, expected.parts, hash(expected))
    assert (found == before) is (expected == before)
    assert all(
        sorted(found.entries(kind), key=repr) == sorted(expected.entries(kind), key=repr)
        for kind in (model.CLUSTER, model.SECRET)
    )


def test_a_part_takes_the_place_of_another():
    first, second, other, stranger = (
        snapshot.Part.of([model.cluster(*one)]) for one in (("a", 1), ("a", 2), ("b", 1), ("c", 1))
    )
    before = snapshot.Snapshot.of(first, other)
    after = before.followed((second, other))
    assert (after, after.parts) == (snapshot.Snapshot.of(second, other), (second, other))
    assert after.get(model.CLUSTER, "a") is second.entries[model.CLUSTER]["a"]
    assert before.followed((stranger, other)) == snapshot.Snapshot.of(stranger, other)
    with pytest.raises(ValueError, match="name twice in a snapshot: b"):
        before.followed((other, other))


def test_snapshots_have_one_shape_as_long_as_names_and_references_stay():
    one = snapshot.Part.of([model.cluster("a", 1)])
    same, needy = (
        one.followed((model.cluster("a", 2),)),
        one.followed((model.Resource(model.CLUSTER, "a", "2", b"", frozenset({(model.SECRET, "a")})),)),
    )
    before = snapshot.Snapshot.of(one)
    assert before.followed((same,)).shape is before.shape
    assert before.followed((needy,)).shape is not before.shape


RESOURCES = st.dictionaries(
    st.tuples(st.sampled_from([model.CLUSTER, model.SECRET]), st.sampled_from("abc")),
    st.tuples(st.sampled_from("12"), st.sampled_from([frozenset(), frozenset({(model.SECRET, "a")})])),
    max_size=5,
)


@hypothesis.given(RESOURCES, RESOURCES, st.booleans())
def test_a_part_that_follows_another_is_the_one_of_its_resources(one, other, is_like_it):
    """Whether its resources have the names of those before, which costs little, or not."""
    other = {key: other.get(key, given) for key, given in one.items()} if is_like_it else other
    before = [model.Resource(*key, version, b"", needs) for key, (version, needs) in one.items()]
    after = [
        model.Resource(*key, version, b"", needs) if one.get(key) != (version, needs) else before[[*one].index(key)]
        for key, (version, needs) in other.items()
    ]
    found, fresh = snapshot.Part.of(before).followed(tuple(after)), snapshot.Part.of(after)
    assert (found.entries, found.digests, found.references) == (fresh.entries, fresh.digests, fresh.references)
    assert [*map(list, found.entries.values())] == [*map(list, fresh.entries.values())]


def made(parts):
    """Return the snapshot of these parts, None if a name stands in two of them."""
    try:
        return snapshot.Snapshot.of(*parts)
    except ValueError:
        return None


def test_a_resource_that_moves_to_another_part_did_not_change():
    a, b = model.cluster("a"), model.cluster("b")
    old = snapshot.Snapshot.of(snapshot.Part.of([a, b]))
    new = snapshot.Snapshot.of(snapshot.Part.of([a]), snapshot.Part.of([b, model.cluster("c")]))
    assert changes.changes(old, new)[model.CLUSTER] == {"c": ABSENT}


def test_a_changed_resource_is_named_with_the_mark_it_had():
    old, new = model.holding(model.cluster("a", 1)), model.holding(model.cluster("a", 2))
    assert changes.changes(old, new)[model.CLUSTER] == {"a": snapshot.mark("a", "1")}


def test_resources_are_found_across_parts():
    held = snapshot.Snapshot.of(snapshot.Part.of([model.cluster("a")]), snapshot.Part.of([model.cluster("b", 7)]))
    assert held.get(model.CLUSTER, "b").version == "7"
    assert held.get(model.CLUSTER, "c") is None
    assert held.get(model.SECRET, "b") is None
    selected = held.select(model.CLUSTER, frozenset({"a", "b", "c"}))
    assert sorted(entry.name for entry in selected) == ["a", "b"]


def test_an_empty_snapshot_has_versions_too():
    assert snapshot.Snapshot.of().version(model.CLUSTER) == "0" * 32


def test_names_and_versions_do_not_run_into_each_other():
    assert snapshot.mark("a", "bc") != snapshot.mark("ab", "c")


def test_references_that_name_nothing_are_listed_in_order():
    held = model.holding(model.cluster("b"), model.cluster("a"), model.endpoints("a"))
    assert snapshot.dangling(held) == ((model.ENDPOINTS, "b"),)


def test_versions_are_the_same_at_any_hash_seed():
    root = pathlib.Path(__file__).parents[2]
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT_VERSIONS],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(printed) == 1


def test_bodies_are_not_printed():
    assert "private" not in repr(model.holding(model.Resource(model.SECRET, "s", "1", b"private", frozenset())))
    entry = model.holding(model.Resource(model.SECRET, "s", "1", b"private", frozenset())).get(model.SECRET, "s")
    assert "private" not in repr(entry)


@hypothesis.given(RESOURCES, RESOURCES, RESOURCES)
def test_what_a_snapshot_says_of_the_one_it_was_made_from_is_what_a_comparison_finds(one, other, versions):
    parts = [
        snapshot.Part.of(written(apart))
        for apart in ({**one}, {(kind, f"{name}{name}"): given for (kind, name), given in other.items()})
    ]
    before = snapshot.Snapshot.of(*parts)
    changed = [part.followed(tuple(again(item, versions) for item in part.made_of)) for part in parts]
    after = before.followed(tuple(changed))
    assert after.following.changes_from(before) == changes.changes(before, after)
    assert after.following.changes_from(after) is None
    assert before.following is None


def written(resources):
    """Return these resources."""
    return tuple(model.Resource(*key, version, b"", needs) for key, (version, needs) in resources.items())


def again(item, versions):
    """Return a resource, in another version if there is one."""
    version, _ = versions.get((item.type_url, item.name[:1]), (item.version, None))
    return item if version == item.version else model.Resource(item.type_url, item.name, version, b"", item.references)
