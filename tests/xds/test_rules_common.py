"""Rules C1-C15, in both variants where they apply."""

import pytest

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, FILTER, LISTENER, ROUTES, RUNTIME, SECRET
from xds import effects, snapshot

CLIENTS = pytest.mark.parametrize("client", [model.Sotw, model.Delta], ids=["sotw", "delta"])

ONE_OF_EACH = model.holding(
    model.cluster("c"), model.endpoints("c"), model.listener("l", 1, "s"), model.routes("l", 1, "c"), model.secret("s")
)
WANTED = {ENDPOINTS: ("c",), ROUTES: ("l",), FILTER: ("f",), SECRET: ("s",), RUNTIME: ("r",)}


def converged(kind, held):
    """Return a client that has everything there is."""
    client = kind(held)
    for type_url in (CLUSTER, ENDPOINTS, LISTENER, ROUTES, FILTER, SECRET):
        wanted = {type_url: tuple(sorted(held.names(type_url))) for type_url in WANTED}
        model.ack_all(client, client.ask(type_url, *wanted.get(type_url, ())), wanted)
    return client


@CLIENTS
def test_c1_a_stream_without_a_node_is_refused(client):
    stranger = client()
    stranger._node = None
    (refusal,) = stranger.ask(CLUSTER)
    assert refusal.code == "INVALID_ARGUMENT"
    assert "node.id" in refusal.message


@CLIENTS
def test_c1_the_node_is_remembered_and_later_requests_may_omit_it(client):
    proxy = client(ONE_OF_EACH)
    proxy.ask(CLUSTER)
    assert model.names(proxy.ask(ENDPOINTS, "c")) == [("c",)]
    assert proxy.machine.node.id == model.NODE.id


@CLIENTS
@pytest.mark.parametrize("type_url", ["", "type.googleapis.com/envoy.config.cluster.v2.Cluster", "Cluster"])
def test_c2_a_request_without_a_type_served_here_is_refused_with_a_remedy(client, type_url):
    (refusal,) = client(ONE_OF_EACH).ask(type_url)
    assert refusal.code == "INVALID_ARGUMENT"
    assert "C2" in refusal.message
    assert type_url in refusal.message


@CLIENTS
def test_c2_an_absurd_type_is_not_repeated_at_length(client):
    (refusal,) = client(ONE_OF_EACH).ask("x" * 100_000)
    assert len(refusal.message) < 1000


@CLIENTS
def test_c2_versions_nonces_and_subscriptions_are_separate_per_type(client):
    proxy = client(ONE_OF_EACH)
    (clusters,) = model.sends(proxy.ask(CLUSTER))
    (secrets,) = model.sends(proxy.ask(SECRET, "s"))
    assert proxy.ask(CLUSTER, nonce=secrets.nonce) == ()  # another type's nonce answers nothing
    (acked,) = proxy.ack(clusters)
    assert acked == effects.Acked(CLUSTER, clusters.nonce, clusters.version, ("c",))


@CLIENTS
def test_c3_every_nonce_is_unique_on_its_stream(client):
    proxy = client()
    sent = []
    for version in range(5):
        changed = model.holding(model.cluster("c", version % 2), model.endpoints("c", version % 2))
        sent += model.ack_all(proxy, proxy.publish(changed), {ENDPOINTS: ("c",)})
        if not version:
            sent += model.ack_all(proxy, proxy.ask(CLUSTER), {})
            sent += model.ack_all(proxy, proxy.ask(ENDPOINTS, "c"), {ENDPOINTS: ("c",)})
    nonces = [response.nonce for response in sent]
    assert len(nonces) == len(set(nonces)) == 10


@CLIENTS
def test_c3_a_nonce_means_nothing_on_another_stream(client):
    proxy = client(ONE_OF_EACH)
    (sent,) = model.sends(proxy.ask(CLUSTER))
    other = client(ONE_OF_EACH)
    assert model.names(other.ask(CLUSTER, nonce=sent.nonce + "7")) == [("c",)]


@CLIENTS
def test_c4_no_response_holds_one_name_twice(client):
    proxy = client(ONE_OF_EACH)
    assert model.names(proxy.ask(ENDPOINTS, "c", "c")) == [("c",)]


def test_c4_a_name_twice_in_a_snapshot_is_an_error_in_one_part_and_across_parts():
    one, other = snapshot.Part.of([model.cluster("c", 1)]), snapshot.Part.of([model.cluster("c", 2)])
    with pytest.raises(ValueError, match="name twice in a snapshot: c"):
        snapshot.Snapshot.of(one, other)
    with pytest.raises(ValueError, match="name twice in a snapshot: c"):
        snapshot.Part.of([model.cluster("c", 1), model.cluster("c", 1)])


def test_c5_sotw_a_newer_request_supersedes_an_older_one_and_not_every_request_gets_an_answer():
    proxy = model.Sotw()
    assert proxy.ask(ENDPOINTS, "a") == ()
    assert proxy.ask(ENDPOINTS, "b") == ()
    sent = model.sends(proxy.publish(model.holding(model.endpoints("a"), model.endpoints("b"))))
    assert model.names(sent) == [("b",)]


def test_c5_delta_requests_add_up_and_not_every_request_gets_an_answer():
    proxy = model.Delta()
    assert proxy.ask(ENDPOINTS, "a", "b") == ()
    assert proxy.ask(ENDPOINTS, less=["a"]) == ()
    sent = model.sends(proxy.publish(model.holding(model.endpoints("a"), model.endpoints("b"))))
    assert model.names(sent) == [("b",)]


@CLIENTS
def test_c6_an_equal_snapshot_is_not_sent_again(client):
    proxy = converged(client, ONE_OF_EACH)
    resources = [
        model.cluster("c"), model.endpoints("c"), model.listener("l", 1, "s"), model.routes("l", 1, "c"), model.secret("s")
    ]  # fmt: skip
    equal = snapshot.Snapshot.of(*(snapshot.Part.of([one]) for one in resources))
    assert equal == ONE_OF_EACH
    assert proxy.publish(equal) == ()


@CLIENTS
def test_c6_a_change_that_is_undone_before_it_could_be_sent_is_not_sent(client):
    first = model.holding(model.cluster("c", 1), model.endpoints("c"))
    proxy = converged(client, first)
    (second,) = model.sends(proxy.publish(model.holding(model.cluster("c", 2), model.endpoints("c"))))[:1]
    assert second.type_url == CLUSTER
    third = model.holding(model.cluster("c", 3), model.endpoints("c"))
    assert model.sends(proxy.publish(third)) == []  # an answer is waited for
    assert model.sends(proxy.publish(model.holding(model.cluster("c", 2), model.endpoints("c")))) == []
    assert model.sends(proxy.ack(second)) == []


@CLIENTS
def test_c6_a_change_is_measured_against_what_the_client_has_and_not_against_what_it_missed(client):
    proxy = converged(client, model.holding(model.endpoints("e", 1)))
    (stuck,) = model.sends(proxy.publish(model.holding(model.endpoints("e", 2))))
    for version in (3, 4, 3):
        assert model.sends(proxy.publish(model.holding(model.endpoints("e", version)))) == []
    answer = proxy.ack(stuck, *(("e",) if client is model.Sotw else ()))
    assert model.names(answer) == [("e",)]


@CLIENTS
def test_c7_a_nack_is_told_by_its_error_and_never_by_the_version(client):
    proxy = client(ONE_OF_EACH)
    (sent,) = model.sends(proxy.ask(CLUSTER))
    assert proxy.nack(sent) == (effects.Nacked(CLUSTER, sent.nonce, sent.version, ("c",), "no such filter"),)


def test_c7_sotw_an_old_version_without_an_error_is_an_ack():
    proxy = model.Sotw(ONE_OF_EACH)
    (sent,) = model.sends(proxy.ask(CLUSTER))
    (effect,) = proxy.ask(CLUSTER, nonce=sent.nonce, version="something older")
    assert isinstance(effect, effects.Acked)


@CLIENTS
@pytest.mark.parametrize("kind", [model.cluster, model.endpoints, model.listener, model.routes, model.secret])
def test_c8_after_a_nack_the_same_content_is_not_sent_again_but_a_change_is(client, kind):
    proxy = client(model.holding(kind("r", 1)))
    type_url = kind("r").type_url
    wanted = ("r",) if type_url in WANTED else ()
    (sent,) = model.sends(proxy.ask(type_url, *wanted))
    nack = proxy.nack(sent, *wanted) if client is model.Sotw else proxy.nack(sent)
    assert model.sends(nack) == []
    unrelated = model.secret("other") if type_url != SECRET else model.routes("other")
    assert proxy.publish(model.holding(kind("r", 1), unrelated)) == ()
    assert model.names(proxy.publish(model.holding(kind("r", 2)))) == [("r",)]


@CLIENTS
def test_c8_a_refused_resource_is_not_sent_again_even_when_what_needs_it_is(client):
    proxy = converged(client, ONE_OF_EACH)
    bad = model.holding(model.listener("l", 1), model.routes("l", 2))
    (sent,) = [each for each in model.sends(proxy.publish(bad)) if each.type_url == ROUTES]
    proxy.nack(sent, "l") if client is model.Sotw else proxy.nack(sent)
    again = proxy.publish(model.holding(model.listener("l", 3), model.routes("l", 2)))
    assert ROUTES not in [response.type_url for response in model.sends(again)]


def test_c8_sotw_a_subscription_change_that_rides_on_a_nack_is_applied():
    proxy = model.Sotw(model.holding(model.endpoints("a"), model.endpoints("b")))
    (sent,) = model.sends(proxy.ask(ENDPOINTS, "a"))
    assert model.names(proxy.nack(sent, "a", "b")) == [("b",)]


def test_c8_delta_a_subscription_change_that_rides_on_a_nack_is_applied():
    proxy = model.Delta(model.holding(model.endpoints("a"), model.endpoints("b")))
    (sent,) = model.sends(proxy.ask(ENDPOINTS, "a"))
    assert model.names(proxy.ask(ENDPOINTS, "b", nonce=sent.nonce, error=model.BROKEN)) == [("b",)]


@CLIENTS
def test_c9_an_unmet_subscription_is_met_when_the_resource_appears(client):
    proxy = client(model.holding(model.endpoints("a")))
    model.ack_all(proxy, proxy.ask(ENDPOINTS, "a", "late"), {ENDPOINTS: ("a", "late")})
    assert model.names(proxy.publish(model.holding(model.endpoints("a"), model.endpoints("late")))) == [("late",)]


@CLIENTS
def test_c10_all_types_changed_at_once_go_out_in_push_order(client):
    proxy = converged(client, ONE_OF_EACH)
    changed = model.holding(
        model.secret("s", 2), model.routes("l", 2, "c"), model.listener("l", 2), model.endpoints("c", 2), model.cluster("c", 2)
    )  # fmt: skip
    sent = model.types(model.ack_all(proxy, proxy.publish(changed), WANTED))
    assert sent == ["Cluster", "ClusterLoadAssignment", "Secret", "Listener", "RouteConfiguration"]


@CLIENTS
def test_c10_a_runtime_is_sent_before_the_proxy_has_asked_for_anything_else_and_ahead_of_all(client):
    runtime = model.resource(RUNTIME, "r", 1)
    proxy = client(model.holding(runtime, model.cluster("c"), model.endpoints("c")))
    assert model.types(model.ack_all(proxy, proxy.ask(RUNTIME, "r"), WANTED)) == ["Runtime"]
    model.ack_all(proxy, proxy.ask(CLUSTER), WANTED)
    changed = model.holding(model.cluster("c", 2), model.endpoints("c"), model.resource(RUNTIME, "r", 2))
    assert model.types(model.ack_all(proxy, proxy.publish(changed), WANTED))[:2] == ["Runtime", "Cluster"]


@CLIENTS
def test_c10_a_withdrawn_cluster_goes_after_the_routes_that_used_it_are_accepted(client):
    before = model.holding(
        model.cluster("old"), model.endpoints("old"), model.listener("l"), model.routes("l", 1, "old")
    )
    proxy = converged(client, before)
    after = model.holding(model.cluster("new"), model.listener("l"), model.routes("l", 2, "new"))
    (clusters,) = model.sends(proxy.publish(after))
    assert clusters.type_url == CLUSTER
    assert "old" not in clusters.removed
    if client is model.Sotw:
        assert clusters.names == ("new", "old")  # S5: absence would delete it
    (route,) = model.sends(proxy.ack(clusters))
    assert route.type_url == ROUTES
    last = model.sends(proxy.ack(route, *(("l",) if client is model.Sotw else ())))
    assert last[0].type_url == CLUSTER
    assert (last[0].names == ("new",)) if client is model.Sotw else (last[0].removed == ("old",))


@CLIENTS
def test_c10_a_withdrawn_cluster_that_comes_back_in_time_was_never_gone(client):
    proxy = converged(client, model.holding(model.cluster("a"), model.cluster("b"), model.routes("r", 1, "b")))
    (route,) = model.sends(proxy.publish(model.holding(model.cluster("a"), model.routes("r", 2))))
    assert route.type_url == ROUTES
    changed = model.holding(model.cluster("a"), model.cluster("b", 2), model.routes("r", 2))
    (clusters,) = model.sends(proxy.publish(changed))
    assert set(clusters.names) | {"a"} == {"a", "b"}
    assert len(clusters.names) == len(set(clusters.names))


@CLIENTS
def test_c10_listeners_and_routes_do_not_overtake_clusters_that_wait_for_an_answer(client):
    proxy = converged(client, ONE_OF_EACH)
    second = model.holding(model.cluster("c", 2), model.endpoints("c"), model.listener("l", 1, "s"), model.routes("l", 1, "c"), model.secret("s"))  # fmt: skip
    clusters, assignment = model.sends(proxy.publish(second))
    third = model.holding(
        model.cluster("c", 3), model.endpoints("c"), model.listener("l", 3), model.routes("l", 3, "c")
    )
    assert model.sends(proxy.publish(third)) == []
    proxy.ack(assignment, *(("c",) if client is model.Sotw else ()))
    assert model.types(model.ack_all(proxy, proxy.ack(clusters), WANTED))[:4] == [
        "Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration",
    ]  # fmt: skip


@CLIENTS
def test_c11_a_changed_cluster_is_followed_by_its_endpoints_and_secrets_though_they_did_not_change(client):
    resources = [model.cluster("b"), model.endpoints("a"), model.endpoints("b"), model.secret("cert")]
    proxy = converged(client, model.holding(model.cluster("a", 1, "cert"), *resources))
    effects_ = proxy.publish(model.holding(model.cluster("a", 2, "cert"), *resources))
    assert model.types(effects_) == ["Cluster", "ClusterLoadAssignment", "Secret"]
    assert model.names(effects_)[1:] == [("a",), ("cert",)]


@CLIENTS
def test_c11_a_changed_listener_is_followed_by_its_routes_and_secrets_though_they_did_not_change(client):
    proxy = converged(client, ONE_OF_EACH)
    changed = model.holding(
        model.cluster("c"),
        model.endpoints("c"),
        model.listener("l", 2, "s"),
        model.routes("l", 1, "c"),
        model.secret("s"),
    )
    assert model.types(proxy.publish(changed)) == ["Listener", "Secret", "RouteConfiguration"]


@CLIENTS
def test_c11_what_nobody_subscribes_to_is_never_sent(client):
    proxy = client(ONE_OF_EACH)
    model.ack_all(proxy, proxy.ask(CLUSTER), {})
    changed = model.holding(model.cluster("c", 2), model.endpoints("c", 2))
    assert model.types(proxy.publish(changed)) == ["Cluster"]


def test_c11_sotw_on_a_reconnect_endpoints_of_clusters_just_sent_are_sent_though_the_client_has_them():
    before = model.holding(model.cluster("c", 1), model.endpoints("c"))
    proxy = model.Sotw(before)
    (clusters,), (assignment,) = model.sends(proxy.ask(CLUSTER)), model.sends(proxy.ask(ENDPOINTS, "c"))
    again = model.Sotw(model.holding(model.cluster("c", 2), model.endpoints("c")))
    assert model.types(again.ask(CLUSTER, version=clusters.version)) == ["Cluster"]
    assert model.names(again.ask(ENDPOINTS, "c", version=assignment.version)) == [("c",)]


def test_c11_delta_on_a_reconnect_only_the_endpoints_of_clusters_just_sent_are_sent_again():
    resources = [model.cluster("same"), model.endpoints("same"), model.endpoints("c")]
    proxy = model.Delta(model.holding(model.cluster("c", 2), *resources))
    assert model.names(proxy.ask(CLUSTER, has={"c": "1", "same": "1"})) == [("c",)]
    assert model.names(proxy.ask(ENDPOINTS, "c", "same", has={"c": "1", "same": "1"})) == [("c",)]


@CLIENTS
def test_c12_a_route_goes_out_after_the_cluster_it_names_is_accepted(client):
    proxy = converged(client, model.holding(model.listener("l"), model.routes("l")))
    after = model.holding(model.cluster("new"), model.listener("l"), model.routes("l", 2, "new"))
    (clusters,) = model.sends(proxy.publish(after))
    assert clusters.type_url == CLUSTER
    assert model.types(proxy.ack(clusters)) == ["RouteConfiguration"]


def test_c12_a_route_to_a_cluster_that_does_not_exist_is_found_before_publishing():
    assert snapshot.dangling(model.holding(model.routes("l", 1, "nowhere"))) == ((CLUSTER, "nowhere"),)
    assert snapshot.dangling(ONE_OF_EACH) == ()


@CLIENTS
def test_c13_the_type_of_a_response_is_the_type_of_all_it_holds(client):
    proxy = converged(client, ONE_OF_EACH)
    decode = model.decoded_sotw if client is model.Sotw else model.decoded_delta
    same_names = model.holding(model.cluster("x"), model.endpoints("x"), model.listener("x"), model.routes("x"))
    for sent in model.sends(proxy.publish(same_names)):
        assert decode(sent).type_url == sent.type_url


@CLIENTS
def test_c14_a_stream_without_a_snapshot_waits_and_is_answered_when_there_is_one(client):
    proxy = client()
    assert proxy.ask(CLUSTER) == ()
    assert proxy.ask(ENDPOINTS, "c") == ()
    assert model.types(proxy.publish(ONE_OF_EACH)) == ["Cluster", "ClusterLoadAssignment"]


@CLIENTS
def test_c15_bodies_travel_untouched_so_their_config_sources_are_the_compilers(client):
    proxy = client(ONE_OF_EACH)
    (sent,) = model.sends(proxy.ask(CLUSTER))
    if client is model.Sotw:
        assert list(model.decoded_sotw(sent).resources) == [model.cluster("c").body]
    else:
        assert [one.resource for one in model.decoded_delta(sent).resources] == [model.cluster("c").body]


@CLIENTS
def test_a_late_answer_is_not_waited_for_for_ever(client):
    proxy = converged(client, model.holding(model.cluster("c", 1)))
    (stuck,) = model.sends(proxy.publish(model.holding(model.cluster("c", 2))))
    assert model.sends(proxy.publish(model.holding(model.cluster("c", 4)))) == []
    assert model.names(proxy.machine.release(stuck.nonce)) == [("c",)]
    assert isinstance(proxy.ack(stuck)[0], effects.Acked)  # still understood


@CLIENTS
def test_more_names_than_allowed_are_refused(client):
    (refusal,) = client(ONE_OF_EACH).ask(ENDPOINTS, *map(str, range(101)))
    assert refusal.code == "RESOURCE_EXHAUSTED"
    assert "100" in refusal.message


@CLIENTS
def test_a_long_complaint_is_cut(client):
    proxy = client(ONE_OF_EACH)
    (sent,) = model.sends(proxy.ask(CLUSTER))
    error = type(model.BROKEN)(code=3, message="x" * 1_000_000)
    assert len(proxy.ask(CLUSTER, nonce=sent.nonce, error=error)[0].message) == 4096
