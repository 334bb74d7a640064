"""How far a proxy is shown to be, in whatever state its stream is."""

import pytest

from meshloom.identity import claim
from meshloom.operator import view
from tests.meshloom import observed
from tests.xds import model

UNUSED = dict.fromkeys(("CDS", "EDS", "LDS", "RDS", "ECDS", "SDS", "RTDS"), "unused")

CLUSTERS = (model.cluster("a"), model.endpoints("a"))


@pytest.fixture(params=["delta", "sotw"])
def proxy(request) -> observed.Observed:
    return observed.Observed(request.param)


def synced(proxy: observed.Observed) -> observed.Observed:
    """Let it have a cluster and its endpoints."""
    proxy.ask(model.CLUSTER)
    proxy.publish(*CLUSTERS)
    proxy.ack(model.CLUSTER)
    proxy.ask(model.ENDPOINTS, "a")
    proxy.ack(model.ENDPOINTS, "a")
    return proxy


def test_who_is_connected_is_told_by_owner_node_version_and_variant(proxy):
    shown = proxy.shown()
    assert (shown.kind, shown.namespace, shown.name) == ("VirtualDeployment", "shop", "front-v1")
    assert (shown.node, shown.envoy, shown.capture) == (observed.NODE, "1.40.0", "explicit")
    assert shown.variant == proxy.variant
    assert shown.connected == view.moment(observed.CONNECTED)


def test_what_is_accepted_is_synced_since_it_was(proxy):
    synced(proxy)
    assert proxy.states() == {**UNUSED, "CDS": "synced", "EDS": "synced"}
    assert proxy.shown().state == "synced"
    clusters = proxy.type("CDS")
    assert clusters.sent == clusters.acked != ""
    assert clusters.since == view.moment(observed.CONNECTED + 3)


def test_what_is_not_asked_for_has_no_time(proxy):
    assert proxy.type("SDS").since is None


def test_what_is_sent_and_not_answered_is_pending_since_it_was_sent(proxy):
    proxy.ask(model.CLUSTER)
    proxy.publish(*CLUSTERS)
    clusters = proxy.type("CDS")
    assert (clusters.state, clusters.acked) == ("pending", "")
    assert clusters.since == view.moment(observed.CONNECTED + 2)


def test_without_a_configuration_what_is_asked_for_is_pending(proxy):
    proxy.ask(model.CLUSTER)
    assert proxy.states()["CDS"] == proxy.shown().state == "pending"


def test_what_it_should_have_and_did_not_ask_for_is_pending(proxy):
    proxy.ask(model.CLUSTER)
    proxy.publish(*CLUSTERS)
    proxy.ack(model.CLUSTER)
    assert proxy.states()["EDS"] == "pending"


def test_a_change_that_is_held_back_is_pending(proxy):
    proxy.ask(model.CLUSTER)
    proxy.ask(model.LISTENER)
    rest = (model.endpoints("a"), model.routes("l", 1, "a"))
    proxy.publish(model.cluster("a"), model.listener("l"), *rest)
    proxy.ack(model.CLUSTER)
    proxy.ack(model.LISTENER)
    proxy.publish(model.cluster("a", 2), model.listener("l"), *rest)
    proxy.publish(model.cluster("a", 3), model.listener("l", 2), *rest)
    assert proxy.states()["LDS"] == "pending"
    assert proxy.type("LDS").sent == proxy.type("LDS").acked, "the new one waits for the clusters' answer"


def held_back(proxy: observed.Observed) -> observed.Observed:
    """Let its routes wait for a new cluster that it has not accepted, while an older one stays for their sake."""
    for name in (model.CLUSTER, model.LISTENER):
        proxy.ask(name)
    proxy.publish(model.cluster("a"), model.endpoints("a"), model.listener("l"), model.routes("l", 1, "a"))
    proxy.ack(model.CLUSTER)
    proxy.ack(model.LISTENER)
    proxy.ask(model.ROUTES, "l")
    proxy.ack(model.ROUTES, "l")
    proxy.publish(model.cluster("b"), model.endpoints("b"), model.listener("l"), model.routes("l", 2, "b"))
    return proxy


def test_what_is_held_back_is_told_with_what_it_waits_for_and_since_when(proxy):
    held_back(proxy)
    (wait,) = proxy.type("RDS").waits
    assert (wait.resource, wait.withdrawn, wait.behind, wait.more) == ("l", False, ("CDS b",), 0)
    assert wait.since == view.moment(observed.NOW - proxy.waited)
    assert proxy.type("RDS").state == proxy.compared()["RDS", "l"].state == "pending"
    assert proxy.compared()["RDS", "l"].message == "waits until CDS b is accepted"


def test_what_is_withdrawn_is_told_with_what_still_needs_it(proxy):
    held_back(proxy)
    (wait,) = proxy.type("CDS").waits
    assert (wait.resource, wait.withdrawn, wait.behind) == ("a", True, ("RDS l",))
    assert proxy.compared()["CDS", "a"].message == "stays until RDS l no longer needs it"


def test_what_waited_is_told_no_more_when_it_may_go(proxy):
    held_back(proxy)
    proxy.ack(model.CLUSTER)
    assert proxy.type("RDS").waits == ()


def test_of_many_that_wait_the_first_are_named_and_the_others_counted(proxy):
    names = [f"r{number:02}" for number in range(30)]
    before = [each for name in names for each in (model.listener(name), model.routes(name, 1, "a"))]
    after = [each for name in names for each in (model.listener(name), model.routes(name, 2, "b"))]
    for name in (model.CLUSTER, model.LISTENER):
        proxy.ask(name)
    proxy.publish(model.cluster("a"), model.endpoints("a"), *before)
    proxy.ack(model.CLUSTER)
    proxy.ack(model.LISTENER)
    proxy.ask(model.ROUTES, *names)
    proxy.publish(model.cluster("b"), model.endpoints("b"), *after)
    routes = proxy.type("RDS")
    assert (len(routes.waits), routes.more_waits) == (view.WAITS_SHOWN, 10)


def test_what_is_refused_is_told_in_its_own_words_since_when(proxy):
    synced(proxy)
    proxy.publish(model.cluster("a", 2), model.endpoints("a"))
    at = proxy.clock + 1
    proxy.nack(model.CLUSTER, "cluster a: no such filter")
    clusters = proxy.type("CDS")
    (rejection,) = clusters.rejections
    assert clusters.state == proxy.shown().state == "rejected"
    assert (rejection.resources, rejection.message) == (("a",), "cluster a: no such filter")
    assert rejection.since == clusters.since == view.moment(at)
    assert (rejection.version, clusters.acked != clusters.sent) == (clusters.sent, True), "the last accepted is known"


def test_a_rejection_ends_when_the_next_is_accepted(proxy):
    synced(proxy)
    proxy.publish(model.cluster("a", 2), model.endpoints("a"))
    proxy.nack(model.CLUSTER, "no")
    proxy.publish(model.cluster("a", 3), model.endpoints("a"))
    proxy.ack(model.CLUSTER)
    assert proxy.states()["CDS"] == "synced"
    assert not proxy.type("CDS").rejections


def test_words_that_would_move_a_cursor_are_written_out(proxy):
    synced(proxy)
    proxy.publish(model.cluster("a", 2), model.endpoints("a"))
    proxy.nack(model.CLUSTER, "\x1b[2Jcluster a\nis bad\x07")
    assert proxy.type("CDS").rejections[0].message == r"\x1b[2Jcluster a\nis bad\x07"
    assert proxy.compared()["CDS", "a"].message == r"\x1b[2Jcluster a\nis bad\x07"


def test_of_many_refused_resources_the_first_are_named_and_the_others_counted(proxy):
    proxy.ask(model.CLUSTER)
    many = [f"c{number:02}" for number in range(30)]
    proxy.publish(*map(model.cluster, many), *map(model.endpoints, many))
    proxy.nack(model.CLUSTER, "no")
    (rejection,) = proxy.type("CDS").rejections
    assert (len(rejection.resources), rejection.more) == (view.NAMES_SHOWN, 10)


# ---------------------------------------------------------------------------- resource by resource


def test_what_is_in_sync_has_one_version_everywhere(proxy):
    found = synced(proxy).compared()
    assert {*found} == {("CDS", "a"), ("EDS", "a")}
    for each in found.values():
        assert (each.state, each.should, each.sent, each.acked) == ("synced", "1", "1", "1")
        assert each.body is None


def test_what_is_on_its_way_is_sent_and_not_acknowledged(proxy):
    synced(proxy)
    proxy.publish(model.cluster("a", 2), model.endpoints("a"))
    found = proxy.compared()["CDS", "a"]
    assert (found.state, found.should, found.sent, found.acked) == ("pending", "2", "2", "")


def test_while_an_older_one_is_on_its_way_what_it_should_have_is_not_sent(proxy):
    synced(proxy)
    proxy.publish(model.cluster("a", 2), model.endpoints("a"))
    proxy.publish(model.cluster("a", 3), model.endpoints("a"))
    found = proxy.compared()["CDS", "a"]
    assert (found.state, found.should, found.sent) == ("pending", "3", "")


def test_what_was_refused_was_sent_and_says_why(proxy):
    synced(proxy)
    proxy.publish(model.cluster("a", 2), model.endpoints("a"))
    proxy.nack(model.CLUSTER, "no such filter")
    found = proxy.compared()["CDS", "a"]
    assert (found.state, found.should, found.sent, found.acked) == ("rejected", "2", "2", "")
    assert found.message == "no such filter"


def test_words_that_name_nothing_count_for_all_that_was_in_the_response(proxy):
    proxy.ask(model.CLUSTER)
    proxy.publish(model.cluster("one"), model.endpoints("one"), model.cluster("two"), model.endpoints("two"))
    proxy.nack(model.CLUSTER, "no such filter")
    found = proxy.compared(type="CDS")
    assert {name: each.state for (_, name), each in found.items()} == {"one": "rejected", "two": "rejected"}
    assert {each.message for each in found.values()} == {"no such filter"}


def test_what_is_named_is_refused_and_what_came_with_it_is_not_on_its_way(proxy):
    proxy.ask(model.CLUSTER)
    proxy.publish(model.cluster("good"), model.endpoints("good"), model.cluster("bad"), model.endpoints("bad"))
    proxy.nack(model.CLUSTER, "bad: no such filter")
    found = proxy.compared(type="CDS")
    assert found["CDS", "bad"].state == "rejected"
    assert found["CDS", "good"].state in ("rejected", "synced"), "as far as the protocol knows that it was applied"


def test_what_it_does_not_ask_for_is_missing(proxy):
    proxy.ask(model.CLUSTER)
    proxy.publish(*CLUSTERS)
    proxy.ack(model.CLUSTER)
    found = proxy.compared()["EDS", "a"]
    assert (found.state, found.should, found.sent) == ("missing", "1", "")


def test_what_is_withdrawn_while_routes_may_need_it_is_extra(proxy):
    proxy.ask(model.CLUSTER)
    proxy.ask(model.LISTENER)
    proxy.ask(model.ROUTES, "l")
    listening = (model.listener("l"), model.routes("l", 1, "a", "b"))
    proxy.publish(*CLUSTERS, model.cluster("b"), model.endpoints("b"), *listening)
    for type_url, names in ((model.CLUSTER, ()), (model.LISTENER, ()), (model.ROUTES, ("l",))):
        proxy.ack(type_url, *names)
    proxy.publish(*CLUSTERS, model.listener("l"), model.routes("l", 2, "a"))
    found = proxy.compared()["CDS", "b"]
    assert (found.state, found.should, found.sent) == ("extra", "", "")


def test_types_and_names_can_be_chosen(proxy):
    synced(proxy)
    assert {*proxy.compared(type="EDS")} == {("EDS", "a")}
    assert not proxy.compared(name="none")


def test_a_resource_is_decoded_only_if_its_name_is_asked_for(proxy, monkeypatch):
    monkeypatch.setattr("meshloom.decoding.resource", lambda entry: {"decoded": entry.name})
    found = synced(proxy).compared(name="a")
    assert {each.type: each.body for each in found.values()} == {
        "CDS": {"decoded": "a"}, "EDS": {"decoded": "a"}
    }  # fmt: skip
    assert proxy.compared()["CDS", "a"].body is None


# ---------------------------------------------------------------------------- gRPC programs without a proxy


@pytest.fixture
def program() -> observed.Observed:
    """A program that may call by two listeners and uses one."""
    program = observed.Observed("sotw", proxy=claim.proxyless("shop/web"))
    program.publish(model.listener("pets"), model.listener("zoo"), model.cluster("a"), model.endpoints("a"))
    program.ask(model.LISTENER, "pets")
    program.ack(model.LISTENER, "pets")
    return program


def test_a_program_is_in_sync_when_it_has_what_it_asked_for(program):
    assert program.states() == {**UNUSED, "LDS": "synced"}
    shown = program.shown()
    assert (shown.kind, shown.capture, shown.state) == ("VirtualDeployment", "proxyless", "synced")


def test_what_a_program_never_asked_for_is_not_missing(program):
    assert {key: each.state for key, each in program.compared().items()} == {("LDS", "pets"): "synced"}


def test_what_a_program_lost_is_no_longer_expected(program):
    program.publish(model.listener("zoo"))
    assert program.states()["LDS"] == "pending"
    program.ack(model.LISTENER, "pets")
    assert program.states()["LDS"] == "synced"
    assert program.compared() == {}
