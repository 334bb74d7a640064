"""Rules S1-S13, the state of the world."""

import pytest

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET
from xds import effects, snapshot

TWO = model.holding(model.cluster("a"), model.cluster("b"), model.endpoints("a"), model.endpoints("b"))


def only(several):
    (sent,) = model.sends(several)
    return sent


@pytest.mark.parametrize("kind", [model.cluster, model.endpoints, model.listener, model.routes, model.secret])
def test_s1_the_version_changes_when_any_resource_of_the_type_does(kind):
    proxy = model.Sotw(model.holding(kind("a"), kind("b")))
    wanted = () if kind in (model.cluster, model.listener) else ("a", "b")
    first = model.ack_all(proxy, proxy.ask(kind("a").type_url, *wanted), {kind("a").type_url: wanted})[-1]
    second = only(proxy.publish(model.holding(kind("a"), kind("b", 2))))
    assert first.version != second.version


@pytest.mark.parametrize("kind", [model.cluster, model.endpoints, model.listener, model.routes, model.secret])
def test_s1_the_version_belongs_to_the_resources_and_not_to_the_stream(kind):
    wanted = () if kind in (model.cluster, model.listener) else ("a", "b")
    versions = set()
    for order in (("a", "b"), ("b", "a")):
        proxy = model.Sotw(model.holding(*map(kind, order)))
        versions.add(
            model.ack_all(proxy, proxy.ask(kind("a").type_url, *wanted), {kind("a").type_url: wanted})[-1].version
        )
    assert len(versions) == 1


def test_s2_a_nack_that_echoes_no_version_is_understood():
    proxy = model.Sotw(TWO)
    assert isinstance(proxy.nack(only(proxy.ask(CLUSTER)), version="")[0], effects.Nacked)


def test_s2_an_ack_reports_the_version_that_was_accepted():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(CLUSTER))
    assert proxy.ack(sent) == (effects.Acked(CLUSTER, sent.nonce, TWO.version(CLUSTER), ("a", "b")),)


def test_s3_a_request_with_a_stale_nonce_is_ignored():
    proxy = model.Sotw(TWO)
    first = only(proxy.ask(ENDPOINTS, "a"))
    proxy.ack(first, "a")
    second = only(proxy.publish(model.holding(model.endpoints("a", 2), model.endpoints("b"))))
    assert proxy.ask(ENDPOINTS, "a", "b", nonce=first.nonce, version=first.version) == ()
    assert model.names(proxy.ack(second, "a")) == []


@pytest.mark.parametrize(
    ("type_url", "wanted"), [(CLUSTER, ()), (CLUSTER, ("a",)), (CLUSTER, ("*",)), (ENDPOINTS, ("a", "b"))]
)
def test_s4_a_reconnect_that_proves_to_hold_everything_is_sent_nothing(type_url, wanted):
    sent = only(model.Sotw(TWO).ask(type_url, *wanted))
    assert model.Sotw(TWO).ask(type_url, *wanted, version=sent.version) == ()


def test_s4_routes_sent_one_by_one_end_at_the_version_of_all_of_them():
    both = model.holding(model.routes("a"), model.routes("b"))
    proxy = model.Sotw(both)
    first, second = model.ack_all(proxy, proxy.ask(ROUTES, "a", "b"), {ROUTES: ("a", "b")})
    assert model.names(model.Sotw(both).ask(ROUTES, "a", "b", version=second.version)) == []
    assert model.names(model.Sotw(both).ask(ROUTES, "a", "b", version=first.version)) == [("a",)]


def test_s4_a_reconnect_with_a_larger_subscription_is_answered():
    sent = only(model.Sotw(TWO).ask(ENDPOINTS, "a"))
    assert model.names(model.Sotw(TWO).ask(ENDPOINTS, "a", "b", version=sent.version)) == [("a", "b")]


def test_s4_a_version_never_counts_what_the_client_refused():
    both = model.holding(model.routes("a"), model.routes("b"))
    proxy = model.Sotw(both)
    second = only(proxy.nack(only(proxy.ask(ROUTES, "a", "b")), "a", "b"))
    assert second.names == ("b",)
    assert model.names(model.Sotw(both).ask(ROUTES, "a", "b", version=second.version)) == [("a",)]


def test_s4_a_version_never_counts_what_the_client_refused_and_waits_for_a_change_of():
    proxy = model.Sotw(model.holding(model.routes("b", 1), model.routes("z", 1)))
    model.ack_all(proxy, proxy.ask(ROUTES, "b", "z"), {ROUTES: ("b", "z")})
    bad = model.holding(model.routes("b", 1), model.routes("z", 2))
    proxy.nack(only(proxy.publish(bad)), "b", "z")
    sent = only(proxy.publish(model.holding(model.routes("b", 3), model.routes("z", 3))))
    assert sent.names == ("b",)
    with_the_bad = model.Sotw(model.holding(model.routes("b", 3), model.routes("z", 2)))
    assert model.sends(with_the_bad.ask(ROUTES, "b", "z", version=sent.version)) != []


def test_s4_what_was_applied_of_a_refused_set_goes_out_at_once_so_that_a_version_tells_it():
    proxy = model.Sotw(TWO)
    proxy.ack(only(proxy.ask(CLUSTER)))
    after = model.holding(model.cluster("a", 2), model.cluster("b", 2))
    refused = only(proxy.publish(after))
    error = model.discovery_pb2.Status(message="Error adding/updating cluster(s) a: no such filter")
    corrected = only(proxy.ask(CLUSTER, nonce=refused.nonce, error=error))
    assert corrected.names == ("a", "b")
    assert corrected.version not in (refused.version, TWO.version(CLUSTER), after.version(CLUSTER))
    assert proxy.ack(corrected) == (effects.Acked(CLUSTER, corrected.nonce, corrected.version, ("b",)),), "not a"
    assert proxy.publish(snapshot.Snapshot.of(*after.parts)) == ()


def test_s4_a_refused_set_of_which_nothing_was_applied_needs_no_further_version():
    proxy = model.Sotw(TWO)
    proxy.ack(only(proxy.ask(CLUSTER)))
    refused = only(proxy.publish(model.holding(model.cluster("a", 2), model.cluster("b"))))
    error = model.discovery_pb2.Status(message="Error adding/updating cluster(s) a: no such filter")
    assert model.sends(proxy.ask(CLUSTER, nonce=refused.nonce, error=error)) == []


def test_s4_a_version_never_counts_what_nobody_knows_to_have_arrived():
    both = model.holding(model.routes("a"), model.routes("b"))
    proxy = model.Sotw(both)
    first = only(proxy.ask(ROUTES, "a", "b"))
    second = only(proxy.machine.release(first.nonce))
    assert model.names(model.Sotw(both).ask(ROUTES, "a", "b", version=second.version)) == [("a",)]


def test_s4_a_skipped_answer_is_followed_by_changes():
    sent = only(model.Sotw(TWO).ask(ENDPOINTS, "a", "b"))
    again = model.Sotw(TWO)
    again.ask(ENDPOINTS, "a", "b", version=sent.version)
    assert model.names(again.publish(model.holding(model.endpoints("a"), model.endpoints("b", 2)))) == [("b",)]


def test_s4_a_listener_that_came_back_makes_its_routes_be_sent_though_their_version_is_equal():
    """The client dropped the routes with the listener, asked for them again, and lost the stream before the answer."""
    held = model.holding(model.listener("l"), model.routes("l"))
    proxy = model.Sotw(held)
    first = only(proxy.ask(LISTENER))
    proxy.ack(first)
    route = only(proxy.ask(ROUTES, "l"))
    proxy.ack(route, "l")
    gone = only(proxy.publish(model.holding(model.routes("l"))))
    proxy.ack(gone)
    proxy.ask(ROUTES, nonce=route.nonce, version=route.version)
    back = only(proxy.publish(held))
    proxy.ack(back)
    again = model.Sotw(held)
    assert model.names(again.ask(LISTENER, version=back.version)) == [("l",)]
    assert model.names(again.ask(ROUTES, "l", version=route.version)) == [("l",)]


def test_s5_clusters_and_listeners_are_always_the_full_set():
    proxy = model.Sotw(TWO)
    proxy.ack(only(proxy.ask(CLUSTER)))
    assert only(proxy.publish(model.holding(model.cluster("a"), model.cluster("b", 2)))).names == ("a", "b")


def test_s5_an_empty_set_is_an_answer_and_deletes_all():
    proxy = model.Sotw(TWO)
    empty = only(proxy.ask(LISTENER))
    assert empty.names == ()
    proxy.ack(empty)
    proxy.ack(only(proxy.ask(CLUSTER)))
    assert only(proxy.publish(model.holding())).names == ()


def test_s6_only_what_changed_of_endpoints_is_sent_and_a_deletion_is_silent():
    proxy = model.Sotw(TWO)
    proxy.ack(only(proxy.ask(ENDPOINTS, "a", "b")), "a", "b")
    changed = only(proxy.publish(model.holding(model.endpoints("a"), model.endpoints("b", 2))))
    assert changed.names == ("b",)
    proxy.ack(changed, "a", "b")
    assert proxy.publish(model.holding(model.endpoints("a"))) == ()


@pytest.mark.parametrize("kind", [model.routes, model.secret])
def test_s6_routes_and_secrets_go_one_by_one_so_that_a_nonce_names_the_culprit(kind):
    type_url = kind("a").type_url
    proxy = model.Sotw(model.holding(kind("a"), kind("b")))
    first = only(proxy.ask(type_url, "a", "b"))
    refused, second = proxy.nack(first, "a", "b")
    assert refused.names == ("a",)
    assert second.names == ("b",)


def test_s7_a_newly_named_resource_is_sent_though_the_version_is_unchanged():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(ENDPOINTS, "a"))
    grown = only(proxy.ack(sent, "a", "b"))
    assert grown.names == ("b",)


def test_s7_a_name_that_was_dropped_and_comes_back_is_sent_again():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(ENDPOINTS, "a", "b"))
    assert model.sends(proxy.ack(sent, "b")) == []
    assert only(proxy.ask(ENDPOINTS, "a", "b", nonce=sent.nonce, version=sent.version)).names == ("a",)


def test_s7_a_newly_named_cluster_is_answered_with_the_full_set_of_the_subscription():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(CLUSTER, "a"))
    assert only(proxy.ack(sent, "a", "b")).names == ("a", "b")


def test_s7_a_refused_set_is_not_sent_again_for_a_name_that_does_not_exist():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(CLUSTER, "a"))
    assert model.sends(proxy.nack(sent, "a", "missing")) == []
    assert model.names(proxy.ask(CLUSTER, "a", "missing", "b", nonce=sent.nonce)) == [("a", "b")]


def test_s8_after_a_refusal_the_smaller_set_is_sent():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(CLUSTER, "a", "b"))
    assert only(proxy.nack(sent, "a")).names == ("a",)


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINTS])
def test_s8_dropping_a_name_unsubscribes_without_an_answer(type_url):
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(type_url, "a", "b"))
    assert model.sends(proxy.ack(sent, "a")) == []
    changed = model.holding(model.cluster("a"), model.endpoints("a"), model.cluster("b", 2), model.endpoints("b", 2))
    assert proxy.publish(changed) == ()


def test_s8_what_a_stale_request_dropped_is_sent_again_when_a_current_one_wants_it():
    proxy = model.Sotw(TWO)
    first = only(proxy.ask(ENDPOINTS, "a", "b"))
    proxy.ack(first, "a", "b")
    second = only(proxy.publish(model.holding(model.endpoints("a", 2), model.endpoints("b"))))
    assert proxy.ask(ENDPOINTS, "a", nonce=first.nonce) == ()  # crosses the response: b is dropped at the client
    assert only(proxy.ack(second, "a", "b")).names == ("b",)


def test_s9_no_names_ever_is_the_legacy_wildcard_for_clusters_and_listeners_only():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(CLUSTER))
    assert sent.names == ("a", "b")
    proxy.ack(sent)
    grown = model.holding(model.cluster("a"), model.cluster("b"), model.cluster("c"))
    assert only(proxy.publish(grown)).names == ("a", "b", "c")
    assert model.sends(proxy.ask(ENDPOINTS)) == []


def test_s10_the_explicit_wildcard_may_mix_with_names():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(CLUSTER, "*", "a"))
    assert sent.names == ("a", "b")
    assert model.sends(proxy.ack(sent, "*", "a")) == []


def test_s11_an_empty_list_after_names_unsubscribes_from_everything():
    proxy = model.Sotw(TWO)
    sent = only(proxy.ask(CLUSTER, "*"))
    assert model.sends(proxy.ack(sent)) == []
    assert proxy.publish(model.holding(model.cluster("a", 2))) == ()
    assert only(proxy.ask(CLUSTER, "a", nonce=sent.nonce)).names == ("a",)


@pytest.mark.parametrize("type_url", [ENDPOINTS, ROUTES, SECRET])
def test_s12_nothing_says_that_a_resource_does_not_exist_and_the_rest_is_sent(type_url):
    proxy = model.Sotw(model.holding(model.resource(type_url, "a")))
    assert model.sends(proxy.ask(type_url, "missing")) == []
    assert model.names(proxy.ask(type_url, "a", "missing")) == [("a",)]


def test_s13_a_subscription_change_that_crosses_a_response_is_not_read_as_its_nack():
    proxy = model.Sotw(TWO)
    first = only(proxy.ask(ENDPOINTS, "a"))
    proxy.ack(first, "a")
    second = only(proxy.publish(model.holding(model.endpoints("a", 2), model.endpoints("b"))))
    assert proxy.ask(ENDPOINTS, "a", "b", nonce=first.nonce, version=first.version) == ()
    acked, more = proxy.ack(second, "a", "b")
    assert isinstance(acked, effects.Acked)
    assert more.names == ("b",)


def test_s14_nothing_carries_a_time_to_live():
    sent = only(model.Sotw(TWO).ask(CLUSTER))
    assert list(model.decoded_sotw(sent).resources) == [b"a@1", b"b@1"]  # not wrapped in a Resource
