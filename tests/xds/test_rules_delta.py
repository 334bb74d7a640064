"""Rules D1-D14, delta. D15, on-demand clusters, is not offered."""

import pytest

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from xds import effects, responses

TWO = model.holding(model.cluster("a"), model.cluster("b"), model.endpoints("a"), model.endpoints("b"))


def only(several):
    (sent,) = model.sends(several)
    return sent


def test_d1_a_spontaneous_request_answers_nothing():
    proxy = model.Delta(TWO)
    sent = only(proxy.ask(CLUSTER))
    assert not [effect for effect in proxy.ask(CLUSTER, "a") if isinstance(effect, effects.Acked | effects.Nacked)]
    assert proxy.ack(sent) == (effects.Acked(CLUSTER, sent.nonce, sent.version, ("a", "b")),)


def test_d1_every_response_has_a_nonce():
    assert model.decoded_delta(only(model.Delta(TWO).ask(CLUSTER))).nonce == "1"


def test_d2_subscription_changes_count_even_with_a_stale_nonce():
    proxy = model.Delta(TWO)
    sent = only(proxy.ask(ENDPOINTS, "a"))
    proxy.ack(sent)
    assert only(proxy.ask(ENDPOINTS, "b", nonce=sent.nonce)).names == ("b",)
    assert only(proxy.ask(ENDPOINTS, "a", nonce="unheard of")).names == ("a",)


def test_d3_every_subscribed_name_is_answered_even_if_already_sent_at_that_version():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(ENDPOINTS, "a")))
    assert only(proxy.ask(ENDPOINTS, "a")).names == ("a",)


def test_d3_a_name_subscribed_to_again_is_answered_though_it_was_refused():
    proxy = model.Delta(TWO)
    assert model.sends(proxy.nack(only(proxy.ask(ENDPOINTS, "a")))) == []
    assert only(proxy.ask(ENDPOINTS, "a")).names == ("a",)


def test_d4_phantom_and_pure_unsubscribes_need_no_answer():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(ENDPOINTS, "a")))
    assert proxy.ask(ENDPOINTS, less=["never seen"]) == ()
    assert proxy.ask(ENDPOINTS, less=["a"]) == ()
    assert proxy.publish(model.holding(model.endpoints("a", 2))) == ()


def test_d5_with_a_wildcard_unsubscribing_a_name_is_answered_with_the_resource():
    proxy = model.Delta(TWO)
    for sent in model.sends(proxy.ask(CLUSTER, "*", "a", "ghost")):
        proxy.ack(sent)
    assert only(proxy.ask(CLUSTER, less=["a"])).names == ("a",)
    assert only(proxy.ask(CLUSTER, less=["ghost"])).removed == ("ghost",)


def test_d6_the_legacy_wildcard_is_a_first_request_that_subscribes_to_nothing():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(CLUSTER)))
    proxy.ack(only(proxy.ask(CLUSTER, "a")))  # adds to it
    proxy.ack(only(proxy.ask(CLUSTER, less=["a"])))
    assert only(proxy.publish(model.holding(model.cluster("a"), model.cluster("b"), model.cluster("c")))).names == (
        "c",
    )


def test_d6_only_unsubscribing_the_star_ends_the_wildcard():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(CLUSTER)))
    assert proxy.ask(CLUSTER, less=["*"]) == ()
    assert proxy.publish(model.holding(model.cluster("a", 2))) == ()


def test_d6_other_types_have_no_wildcard():
    assert model.sends(model.Delta(TWO).ask(ENDPOINTS)) == []


def test_d6_a_wildcard_asked_for_later_is_answered_with_everything():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(CLUSTER, "a")))
    assert only(proxy.ask(CLUSTER, "*")).names == ("a", "b")


def test_d6_a_wildcard_asked_for_later_is_told_of_what_vanished_while_it_was_on_its_way():
    """The client applies it, for by then it asks for everything; the server had forgotten that it ever asked for it."""
    proxy = model.Delta(TWO)
    crossing = only(proxy.ask(CLUSTER, "b"))
    proxy.publish(model.holding(model.cluster("a")))
    proxy.ask(CLUSTER, less=["b"])
    found, vanished = model.sends(proxy.ask(CLUSTER, "*"))
    assert (found.names, vanished.removed) == (("a",), ("b",))
    assert isinstance(proxy.ack(crossing)[0], effects.Acked)


def test_d7_subscribing_and_unsubscribing_the_star_at_once_is_nothing():
    proxy = model.Delta(TWO)
    assert proxy.ask(CLUSTER, "*", less=["*"]) == ()
    assert only(proxy.ask(CLUSTER, "b")).names == ("b",)


def test_d8_a_subscribed_name_that_does_not_exist_is_answered_promptly():
    proxy = model.Delta(TWO)
    found, missing = model.sends(proxy.ask(ENDPOINTS, "a", "missing"))
    assert (found.names, found.removed) == (("a",), ())
    assert (missing.names, missing.removed) == ((), ("missing",))
    assert list(model.decoded_delta(missing).removed_resources) == ["missing"]


def test_d8_a_missing_name_is_answered_again_when_asked_again_and_not_otherwise():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(ENDPOINTS, "missing")))
    assert proxy.publish(model.holding(model.cluster("a"))) == ()
    assert only(proxy.ask(ENDPOINTS, "missing")).removed == ("missing",)


def test_d9_a_deletion_is_said():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(CLUSTER)))
    sent = only(proxy.publish(model.holding(model.cluster("a"))))
    assert (sent.names, sent.removed) == ((), ("b",))


def test_d10_every_resource_has_a_version_of_its_own():
    sent = only(model.Delta(model.holding(model.cluster("a", "x1"), model.cluster("b", "y2"))).ask(CLUSTER))
    decoded = model.decoded_delta(sent)
    assert [(one.name, one.version) for one in decoded.resources] == [("a", "x1"), ("b", "y2")]
    assert decoded.system_version_info


def test_d11_a_reconnect_is_sent_the_differences_and_what_vanished():
    proxy = model.Delta(model.holding(model.cluster("same"), model.cluster("new"), model.cluster("other", 2)))
    changed = only(proxy.ask(CLUSTER, has={"same": "1", "other": "1", "gone": "1"}))
    vanished = only(proxy.ack(changed))  # C10: what is removed goes last
    assert changed.names == ("new", "other")
    assert vanished.removed == ("gone",)


def test_d11_a_reconnect_that_holds_everything_is_sent_nothing():
    proxy = model.Delta(TWO)
    assert proxy.ask(CLUSTER, has={"a": "1", "b": "1"}) == ()
    assert proxy.ask(ENDPOINTS, "a", "b", has={"a": "1", "b": "1"}) == ()
    changed = model.holding(model.cluster("a"), model.cluster("b"), model.endpoints("a", 2), model.endpoints("b"))
    assert only(proxy.publish(changed)).names == ("a",)


def test_d11_before_there_is_a_snapshot_nothing_is_said_to_have_vanished():
    proxy = model.Delta()
    assert proxy.ask(CLUSTER, has={"a": "1", "gone": "1"}) == ()
    changed = only(proxy.publish(TWO))
    vanished = only(proxy.ack(changed))
    assert (changed.names, vanished.removed) == (("b",), ("gone",))


def test_d11_versions_in_a_later_request_are_ignored():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(ENDPOINTS, "a")))
    assert only(proxy.ask(ENDPOINTS, "b", has={"b": "1"})).names == ("b",)


def test_d11_for_types_without_a_wildcard_a_version_is_not_a_subscription():
    proxy = model.Delta(TWO)
    assert proxy.ask(ENDPOINTS, "a", has={"a": "1", "b": "0"}) == ()
    assert proxy.publish(model.holding(model.endpoints("a"), model.endpoints("b", 2))) == ()


def test_d12_unchanged_resources_are_neither_sent_nor_removed():
    proxy = model.Delta(TWO)
    proxy.ack(only(proxy.ask(CLUSTER)))
    sent = only(proxy.publish(model.holding(model.cluster("a"), model.cluster("b", 2))))
    assert (sent.names, sent.removed) == (("b",), ())


def test_d13_no_resource_goes_by_an_alias_so_its_name_identifies_it():
    sent = only(model.Delta(TWO).ask(CLUSTER))
    assert all(not one.aliases and one.name for one in model.decoded_delta(sent).resources)


def test_d14_nothing_carries_a_time_to_live():
    sent = only(model.Delta(TWO).ask(CLUSTER))
    known = {"version", "resource", "name"}
    assert all({field.name for field, _ in one.ListFields()} == known for one in model.decoded_delta(sent).resources)


@pytest.mark.parametrize("kind", [model.routes, model.secret])
def test_routes_and_secrets_go_one_by_one_so_that_a_nonce_names_the_culprit(kind):
    first, second = model.sends(model.Delta(model.holding(kind("a"), kind("b"))).ask(kind("a").type_url, "b", "a"))
    assert (first.names, second.names) == (("a",), ("b",))


def test_clusters_are_batched_by_size():
    shared = responses.Responses(batch_bytes=1000)
    held = model.holding(*(model.resource(CLUSTER, f"c{number}", padding=400) for number in range(5)))
    sent = model.sends(model.Delta(held, shared).ask(CLUSTER))
    assert model.names(sent) == [("c0", "c1"), ("c2", "c3"), ("c4",)]


def test_a_resource_larger_than_a_batch_goes_alone():
    shared = responses.Responses(batch_bytes=10)
    held = model.holding(model.resource(CLUSTER, "a", padding=400), model.resource(CLUSTER, "b"))
    assert model.names(model.Delta(held, shared).ask(CLUSTER)) == [("a",), ("b",)]


def test_a_change_does_not_wait_for_answers_of_other_types():
    proxy = model.Delta(model.holding(model.listener("l"), model.endpoints("a")))
    proxy.ask(LISTENER)  # never answered
    proxy.ack(only(proxy.ask(ENDPOINTS, "a")))
    assert only(proxy.publish(model.holding(model.listener("l"), model.endpoints("a", 2)))).names == ("a",)


def test_what_is_asked_for_does_not_wait_for_answers():
    proxy = model.Delta(model.holding(model.routes("a"), model.routes("b")))
    proxy.ask(ROUTES, "a")  # never answered
    assert only(proxy.ask(ROUTES, "b")).names == ("b",)


def test_a_subscription_that_grows_beyond_the_limit_is_refused():
    proxy = model.Delta(TWO)
    proxy.ask(ENDPOINTS, *map(str, range(60)))
    (refusal,) = proxy.ask(ENDPOINTS, *map(str, range(60, 120)))
    assert refusal.code == "RESOURCE_EXHAUSTED"


def test_d6_who_asks_for_all_where_there_is_nothing_is_told_so_once():
    """Envoy waits for the answer to its first wildcard, for 15 seconds, before it starts."""
    proxy = model.Delta(model.holding())
    said = only(proxy.ask(CLUSTER))
    assert (said.names, said.removed) == ((), ())
    assert proxy.ack(said) == (effects.Acked(CLUSTER, said.nonce, said.version, ()),)
    assert proxy.publish(model.holding(model.endpoints("a"))) == ()
