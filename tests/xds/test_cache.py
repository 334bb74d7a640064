"""The cache: who is woken, and who is wanted."""

from tests.xds import model
from xds import cache

ONE, TWO = model.holding(model.cluster("a")), model.holding(model.cluster("b"))


class Woken(list):
    """Counts its calls."""

    def __call__(self):
        self.append(True)


def test_only_streams_of_the_changed_key_are_woken():
    held, one, other = cache.Cache(), Woken(), Woken()
    watch = held.watch("x", one)
    held.watch("y", other)
    held.replace({"x": ONE})
    assert (len(one), len(other)) == (1, 0)
    assert watch.snapshot is ONE


def test_the_same_snapshot_object_wakes_nobody():
    held, woken = cache.Cache(), Woken()
    held.watch("x", woken)
    held.replace({"x": ONE})
    held.replace({"x": ONE})
    assert len(woken) == 1


def test_a_stream_that_comes_late_finds_the_newest_snapshot():
    held = cache.Cache()
    held.replace({"x": ONE})
    held.replace({"x": TWO})
    assert held.watch("x", Woken()).snapshot is TWO


def test_keys_that_are_not_named_keep_their_snapshot():
    held = cache.Cache()
    held.replace({"x": ONE})
    held.replace({"y": TWO})
    assert held.get("x") is ONE


def test_the_program_hears_of_the_first_stream_of_a_key_and_of_the_last_to_go():
    wanted, unwanted = [], []
    held = cache.Cache(cache.Interest(wanted.append, unwanted.append))
    first, second = held.watch("x", Woken()), held.watch("x", Woken())
    assert (wanted, unwanted) == (["x"], [])
    assert held.wanted == {"x"}
    first.close()
    first.close()
    assert unwanted == []
    second.close()
    assert unwanted == ["x"]
    assert held.wanted == frozenset()


def test_a_stream_that_left_is_not_woken():
    held, woken = cache.Cache(), Woken()
    held.watch("x", woken).close()
    held.replace({"x": ONE})
    assert not woken


def test_a_discarded_key_has_no_snapshot_and_wakes_nobody():
    held, woken = cache.Cache(), Woken()
    held.replace({"x": ONE})
    watch = held.watch("x", woken)
    held.discard(["x", "never known"])
    assert watch.snapshot is None
    assert not woken


def test_a_key_without_a_snapshot_and_without_a_stream_is_forgotten():
    held, woken = cache.Cache(), Woken()
    watch = held.watch("x", woken)
    held.replace({"x": ONE, "y": TWO})
    assert (held.held, held.wanted) == ({"x", "y"}, {"x"})
    held.discard(["x", "y", "z"])
    assert (watch.snapshot, held.held, held.wanted) == (None, frozenset(), {"x"})
    held.replace({"x": TWO})
    assert (watch.snapshot, len(woken)) == (TWO, 2)
    watch.close()
    assert (held.get("x"), held.wanted) == (TWO, frozenset())
    held.discard(["x"])
    assert held.watch("x", woken).snapshot is None
