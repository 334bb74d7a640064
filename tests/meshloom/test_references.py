"""Dangling references of many snapshots at once: the same answer as one at a time."""

import hypothesis
from hypothesis import strategies

from meshloom import references
from translator import resources
from xds import snapshot as snapshots

TYPES = (resources.CLUSTER, resources.ROUTES)
NAMES = strategies.tuples(strategies.sampled_from(TYPES), strategies.sampled_from("abcdef"))
REFERENCES = strategies.frozensets(NAMES, max_size=3)
PARTS = strategies.dictionaries(NAMES, REFERENCES, max_size=4)


def part(written):
    """Return a part of these names, each with its references."""
    return snapshots.Part.of(resources.EncodedResource(*name, "1", b"", wanted) for name, wanted in written.items())


@hypothesis.given(strategies.lists(PARTS, max_size=5), strategies.data())
def test_many_at_once_is_the_same_as_one_at_a_time(written, data):
    parts = [part(one) for one in written]
    several = {}
    for key in range(4):
        chosen = data.draw(strategies.lists(strategies.sampled_from(parts), unique=True)) if parts else []
        names = [(url, name) for one in chosen for url, entries in one.entries.items() for name in entries]
        if len(names) == len(set(names)):
            several[key] = snapshots.Snapshot.of(*chosen)
    expected = {key: missing for key, one in several.items() if (missing := snapshots.dangling(one))}
    assert references.dangling(several) == expected


@hypothesis.given(strategies.lists(PARTS, max_size=6), strategies.data())
def test_what_follows_a_sound_snapshot_is_the_same_as_one_at_a_time(written, data):
    parts = [part(one) for one in written]
    several = {key: one for key in range(6) if (one := drawn(parts, data)) is not None}
    before = {key: one for key in range(6) if (one := drawn(parts, data)) is not None and not snapshots.dangling(one)}
    expected = {key: missing for key, one in several.items() if (missing := snapshots.dangling(one))}
    assert references.dangling(several, before) == expected


@hypothesis.given(strategies.lists(PARTS, min_size=1, max_size=4), strategies.data())
def test_what_is_made_of_a_sound_snapshot_is_the_same_as_one_at_a_time(written, data):
    parts = [part(one) for one in written]
    before = {key: one for key in range(4) if (one := drawn(parts, data)) is not None and not snapshots.dangling(one)}
    others = {one: newer(one, data) for one in parts}
    several = {
        key: one.followed(tuple(data.draw(strategies.sampled_from([held, others[held]])) for held in one.parts))
        for key, one in before.items()
    }
    expected = {key: missing for key, one in several.items() if (missing := snapshots.dangling(one))}
    assert references.dangling(several, before) == expected


def newer(held, data):
    """Return a part of the same names in another version, some with other references."""
    given = [
        resources.EncodedResource(
            one.type_url, one.name, "2", b"", data.draw(strategies.one_of(strategies.just(one.references), REFERENCES))
        )
        for one in held.made_of
    ]
    return held.followed(tuple(given))


def drawn(parts, data):
    """Return a snapshot of some of these parts, None if they do not go together."""
    chosen = data.draw(strategies.lists(strategies.sampled_from(parts), unique=True)) if parts else []
    try:
        return snapshots.Snapshot.of(*chosen)
    except ValueError:
        return None
