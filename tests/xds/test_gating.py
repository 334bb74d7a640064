"""Rules C10 and C12 by example: what waits for what, and what does not."""

import pytest

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, FILTER, LISTENER, ROUTES
from tests.xds.test_rules_common import CLIENTS, converged
from xds import accepted, gate, rest

KNOWN = (model.cluster("a"), model.endpoints("a"), model.endpoints("b"), model.listener("l"), model.listener("m"))
BEFORE = model.holding(*KNOWN, model.routes("l", 1, "a"), model.routes("m", 1, "a"))
WANTED = {ENDPOINTS: ("a", "b"), ROUTES: ("l", "m"), FILTER: ("f",)}


def answered(proxy, sent, error=None):
    sotw = isinstance(proxy, model.Sotw)
    wanted = WANTED.get(sent.type_url, ()) if sotw else ()
    version = {"version": sent.version} if sotw else {}
    return model.sends(proxy.ask(sent.type_url, *wanted, nonce=sent.nonce, error=error, **version))


def refusal(name):
    return model.discovery_pb2.Status(code=13, message=f"Error adding/updating cluster(s) {name}: no such filter")


@CLIENTS
def test_c12_only_the_routes_that_name_a_new_cluster_wait_for_it(client):
    proxy = converged(client, BEFORE)
    after = model.holding(*KNOWN, model.cluster("b"), model.routes("l", 2, "a", "b"), model.routes("m", 2, "a"))
    clusters, _endpoints, free = model.sends(proxy.publish(after))
    assert (clusters.type_url, free.type_url, free.names) == (CLUSTER, ROUTES, ("m",))
    assert proxy.machine.waits() == (gate.Wait(ROUTES, "l", ((CLUSTER, "b"),)),)
    answered(proxy, free)
    (waited,) = answered(proxy, clusters)
    assert waited.names == ("l",)
    assert proxy.machine.waits() == ()


@CLIENTS
@pytest.mark.parametrize("late", [True, False])
def test_c12_a_cluster_that_is_late_or_refused_holds_back_only_what_names_it(client, late):
    proxy = converged(client, BEFORE)
    after = model.holding(*KNOWN, model.cluster("b"), model.routes("l", 2, "b"), model.routes("m", 1, "a"))
    clusters = model.sends(proxy.publish(after))[0]
    assert (
        model.sends(proxy.machine.release(clusters.nonce)) if late else answered(proxy, clusters, refusal("b"))
    ) == []
    further = model.holding(*KNOWN, model.cluster("b"), model.routes("l", 2, "b"), model.routes("m", 2, "a"))
    assert model.names(proxy.publish(further)) == [("m",)]
    assert [wait.name for wait in proxy.machine.waits()] == ["l"]


@CLIENTS
def test_c12_a_refused_change_of_a_cluster_leaves_the_old_one_for_routes_to_name(client):
    proxy = converged(client, BEFORE)
    others = KNOWN[1:]
    after = model.holding(*others, model.cluster("a", 2), model.routes("l", 2, "a"), model.routes("m", 1, "a"))
    clusters = model.sends(proxy.publish(after))[0]
    assert model.names(answered(proxy, clusters, refusal("a"))) == [("l",)]


@CLIENTS
def test_c10_a_cluster_stays_while_a_refused_change_leaves_it_in_an_accepted_route(client):
    before = model.holding(*KNOWN, model.cluster("b"), model.routes("l", 1, "b"), model.routes("m", 1, "a"))
    proxy = converged(client, before)
    (route,) = model.sends(proxy.publish(BEFORE_WITH_NEW_ROUTES))
    assert route.names == ("l",)
    assert answered(proxy, route, refusal("l")) == []
    assert proxy.machine.waits() == (gate.Wait(CLUSTER, "b", ((ROUTES, "l"),)),)
    again = model.holding(*KNOWN, model.routes("l", 3, "a"), model.routes("m", 1, "a"))
    (route,) = model.sends(proxy.publish(again))
    (last,) = answered(proxy, route)
    assert last.type_url == CLUSTER


BEFORE_WITH_NEW_ROUTES = model.holding(*KNOWN, model.routes("l", 2, "a"), model.routes("m", 1, "a"))


@CLIENTS
def test_c10_a_listener_waits_with_the_routes_that_it_names(client):
    proxy = converged(client, BEFORE)
    others = (*KNOWN[:3], KNOWN[4], model.routes("m", 1, "a"))
    after = model.holding(*others, model.cluster("b"), model.listener("l", 2), model.routes("l", 2, "b"))
    clusters = model.sends(proxy.publish(after))[0]
    assert {wait.type_url for wait in proxy.machine.waits()} == {LISTENER, ROUTES}
    assert model.types(answered(proxy, clusters)) == ["Listener", "RouteConfiguration"]


def test_c8_sotw_a_set_holds_in_place_of_what_was_refused_what_was_accepted_before():
    proxy = converged(model.Sotw, BEFORE)
    bad = (*KNOWN[1:], model.routes("l", 1, "a"), model.routes("m", 1, "a"), model.cluster("a", 2))
    clusters = model.sends(proxy.publish(model.holding(*bad)))[0]
    assert answered(proxy, clusters, refusal("a")) == []
    (clusters,) = model.sends(proxy.publish(model.holding(*bad, model.cluster("b"))))[:1]
    assert list(model.decoded_sotw(clusters).resources) == [b"a@1", b"b@1"]


@CLIENTS
def test_a_withdrawn_cluster_rests_for_a_while_before_it_goes(client):
    before = model.holding(*KNOWN, model.cluster("b"), model.routes("l", 1, "a"), model.routes("m", 1, "a"))
    proxy = converged(client, before)
    proxy.machine.rests()
    assert proxy.publish(BEFORE) == ()
    assert proxy.machine.resting
    assert proxy.machine.rested() == ()
    assert model.types(proxy.machine.rested()) == ["Cluster"]
    assert not proxy.machine.resting


def test_what_comes_back_rests_anew():
    resting = rest.Rest(patient=True).of(frozenset("a")).later().of(frozenset("ab"))
    assert (resting.fresh, resting.older) == (frozenset("b"), frozenset("a"))
    assert not resting.among(frozenset()).of(frozenset("a")).older


def test_a_complaint_blames_the_names_it_mentions_as_words():
    names = ("pets", "pets-v1", "outbound/shop/pets/80", "a.b")
    assert accepted.blamed(names, "Error adding/updating cluster(s) pets-v1: bad, outbound/shop/pets/80: bad") == {
        "pets-v1",
        "outbound/shop/pets/80",
    }
    assert accepted.blamed(names, "cluster 'pets'. Unknown a.b.") == {"pets", "a.b"}


def test_c10_delta_a_listener_inside_of_the_proxy_goes_when_no_routes_lead_there_any_more():
    def leading(version, *inside):
        led = model.resource(ROUTES, "l", version, (CLUSTER, "a"), *((LISTENER, each.name) for each in inside))
        return model.holding(*KNOWN, model.routes("m", 1, "a"), led, *inside)

    proxy = converged(model.Delta, leading(1, model.resource(LISTENER, "inside", 1)))
    (routes,) = model.sends(proxy.publish(leading(2)))
    assert (routes.type_url, routes.names) == (ROUTES, ("l",))
    assert proxy.machine.waits() == (gate.Wait(LISTENER, "inside", ((ROUTES, "l"),)),)
    assert model.types(answered(proxy, routes)) == ["Listener"]
    assert proxy.machine.waits() == ()


FILTERED = model.resource(LISTENER, "n", 1, (FILTER, "f"))


def filtering(version=1, target="a", *more):
    return model.holding(*KNOWN, FILTERED, model.listener_filter("f", version, target), *more)


@CLIENTS
def test_c12_a_filter_that_names_a_new_cluster_waits_for_it_as_routes_do(client):
    proxy = converged(client, filtering())
    clusters, _endpoints = model.sends(proxy.publish(filtering(2, "b", model.cluster("b"))))
    assert clusters.type_url == CLUSTER
    assert proxy.machine.waits() == (gate.Wait(FILTER, "f", ((CLUSTER, "b"),)),)
    (waited,) = answered(proxy, clusters)
    assert (waited.type_url, waited.names) == (FILTER, ("f",))
