"""Responses: serialised once, sent to many."""

import itertools
import weakref

import hypothesis
from hypothesis import strategies as st

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS
from xds import changes, responses, snapshot, subscription
from xds.wire import discovery_pb2

HELD = model.holding(*(model.cluster(f"c{number}") for number in range(20)))


def entries(held=HELD):
    return tuple(held.entries(CLUSTER))


def test_streams_that_get_the_same_resources_get_the_same_bytes():
    shared = responses.Responses()
    for client in (model.Sotw, model.Delta):
        (one,), (other,) = (
            model.sends(client(HELD, shared).ask(CLUSTER)),
            model.sends(client(HELD, shared).ask(CLUSTER)),
        )
        assert one.data is other.data


def test_snapshots_that_differ_elsewhere_share_the_response_about_what_they_have_in_common():
    shared = responses.Responses()
    clients = [model.Delta(model.holding(model.endpoints("e"), model.endpoints(f"own{n}")), shared) for n in range(2)]
    (one,), (other,) = (model.sends(client.ask(ENDPOINTS, "e")) for client in clients)
    assert one.data is other.data


def test_a_response_that_was_sent_on_a_stream_gets_a_new_nonce_there_and_keeps_its_body():
    shared = responses.Responses()
    first = shared.sotw(CLUSTER, "v", entries(), 0)
    again = shared.sotw(CLUSTER, "v", entries(), first.number)
    assert again.number > first.number
    one, other = (discovery_pb2.DiscoveryResponse.FromString(response.data) for response in (first, again))
    assert (one.nonce, other.nonce) == (first.nonce, again.nonce)
    other.nonce = one.nonce
    assert one == other


def test_batches_have_increasing_nonces_and_are_shared_together():
    shared = responses.Responses(batch_bytes=10)
    first = list(shared.delta(CLUSTER, entries(), 0))
    assert [response.number for response in first] == sorted({response.number for response in first})
    assert len(first) > 3
    assert list(shared.delta(CLUSTER, entries(), 0)) == first
    assert min(response.number for response in shared.delta(CLUSTER, entries(), first[0].number)) > first[-1].number


VERSIONS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), min_size=3, max_size=3)


@hypothesis.given(st.lists(VERSIONS, min_size=2, max_size=5))
def test_a_single_change_is_the_same_for_all_snapshots_that_have_it_in_common(contents):
    shared = responses.Responses()
    made = [tuple(model.cluster(*one) for one in sorted(some.items())) for some in contents]
    part = snapshot.Part.of(made[0])
    held = [snapshot.Snapshot.of(part, snapshot.Part.of([model.cluster(f"own{n}")])) for n in range(3)]
    for before, after, given in zip(contents, contents[1:], made[1:], strict=False):
        part = part.followed(given)
        differing = [name for name in sorted(after) if after[name] != before[name]]
        for place, old in enumerate(held):
            new = held[place] = old.followed((part, old.parts[1]))
            (name,) = differing if len(differing) == 1 else (None,)
            found = shared.single(shared.changes(old, new), old, new)
            assert found == (
                responses.Single(CLUSTER, name, old.get(CLUSTER, name), new.get(CLUSTER, name)) if name else None
            )


def test_what_came_is_told_from_what_went():
    """Though the same parts moved, in the same order."""
    shared = responses.Responses()
    a, b, d = (snapshot.Part.of([model.cluster(*one)]) for one in (("a", "1"), ("b", "1"), ("d", "1")))
    for before, after in (((a, b), (d,)), ((a,), (b, d))):
        old, new = snapshot.Snapshot.of(*before), snapshot.Snapshot.of(*after)
        assert shared.changes(old, new) == changes.changes(old, new)


def test_nothing_to_send_is_no_response():
    assert list(responses.Responses().delta(CLUSTER, (), 0)) == []


def test_a_response_is_the_same_whatever_the_order_of_its_resources():
    bodies = {
        responses.Responses().sotw(CLUSTER, "v", order, 0).data for order in itertools.permutations(entries()[:4])
    }
    assert len(bodies) == 1


def test_the_cache_is_bounded_by_bytes():
    shared = responses.Responses(cache_bytes=3000)
    for number in range(100):
        held = model.holding(model.resource(CLUSTER, f"c{number}", padding=500))
        shared.sotw(CLUSTER, "v", entries(held), 0)
    assert sum(map(responses._size, shared._cache.values())) == shared._cached_bytes <= 3000
    assert shared._cache


def test_a_response_larger_than_the_cache_is_sent_all_the_same():
    shared = responses.Responses(cache_bytes=10)
    assert shared.sotw(CLUSTER, "v", entries(), 0).content.names
    assert not shared._cache


def test_a_difference_is_found_once_for_all_streams():
    shared = responses.Responses()
    new = model.holding(model.cluster("c0", 2))
    assert shared.changes(HELD, new) is shared.changes(HELD, new)


def test_what_is_remembered_of_differences_is_bounded_and_keeps_nothing_alive():
    shared = responses.Responses()
    made = [model.holding(model.cluster("c0", number)) for number in range(2 * responses._MOST_DIFFERENCES)]
    for new in made:
        assert "c1" in shared.changes(HELD, new)[CLUSTER]
    assert len(shared._differences) == responses._MOST_DIFFERENCES
    kept = weakref.ref(made[-1].parts[0])
    del made, new
    assert kept() is None


def test_the_digest_of_a_subscription_counts_what_exists():
    names = frozenset({"c1", "missing"})
    assert responses.Responses().digest(HELD, CLUSTER, names) == snapshot.mark("c1", "1")


def test_equal_subscriptions_share_one_set_of_names():
    pool = subscription.Pool()
    one = pool.shared(subscription.Subscription(frozenset({"a", "b"})))
    other = pool.shared(subscription.Subscription(frozenset({"b", "a"}), wildcard=True))
    assert one.names is other.names
    assert other.wildcard
