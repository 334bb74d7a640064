"""Peers: what is told of them."""

from tests.xds import model
from xds import effects, gate, peers, responses, standing

WAIT = gate.Wait(model.ROUTES, "r", ((model.CLUSTER, "b"),))
PEER = peers.Peer(7, ("shop", "pets"), "sidecar~1", "envoy", "1.40.0", "delta", "unix:", 100.0)


class Known:
    """A stream that has accepted one resource and waits for another."""

    def holdings(self, _type_url):
        return {"a": "1"}

    def standing(self, _type_url):
        return standing.Standing(wildcard=True)

    def waits(self):
        return ((WAIT, 3.0),)

    is_current = True


def known():
    registry = peers.Peers()
    registry.opened(PEER, Known())
    return registry


def sent(*names, nonce="1", removed=()):
    content = responses.Content("v" + nonce, names, (1,) * len(names), removed)
    return effects.Send(responses.Response(model.CLUSTER, int(nonce), nonce, b"", content))


def test_a_connected_peer_is_shown_until_it_goes():
    registry = known()
    (view,) = registry.views()
    assert view.peer is PEER
    registry.closed(7)
    registry.closed(7)
    assert registry.views() == ()


def test_streams_are_counted_by_key_and_node():
    registry = known()
    assert registry.streams(PEER.key, PEER.node_id) == 1
    assert registry.streams(PEER.key, "another") == 0
    registry.closed(7)
    assert registry.streams(PEER.key, PEER.node_id) == 0


def test_a_refusal_is_kept_in_the_clients_words_and_blames_the_resources_it_mentions():
    registry = known()
    registry.noted(7, effects.Nacked(model.CLUSTER, "1", "v1", ("good", "bad"), "cluster 'bad': no such filter"), 5.0)
    (nack,) = registry.views()[0].types[model.CLUSTER].nacks
    assert nack == peers.Nack(model.CLUSTER, ("bad",), "cluster 'bad': no such filter", "1", "v1", 5.0)


def test_a_name_is_blamed_as_a_whole_and_before_a_colon_first():
    def blamed(message):
        return peers.culprits(effects.Nacked(model.CLUSTER, "1", "v1", ("one", "two", "in/80", "in/8080"), message))

    assert blamed("Error adding/updating cluster(s) two: only one of port and path may be set") == ("two",)
    assert blamed("Error adding/updating cluster(s) in/8080: bad") == ("in/8080",)
    assert blamed("in/80 and two are bad") == ("two", "in/80")


def test_a_refusal_that_mentions_nothing_blames_the_whole_response():
    registry = known()
    registry.noted(7, effects.Nacked(model.CLUSTER, "1", "v1", ("a", "b"), "no"), 5.0)
    assert registry.views()[0].types[model.CLUSTER].nacks[0].names == ("a", "b")


def test_a_refusal_stands_until_the_resource_is_accepted():
    registry = known()
    registry.noted(7, effects.Nacked(model.CLUSTER, "1", "v1", ("a",), "no"), 5.0)
    registry.noted(7, effects.Acked(model.CLUSTER, "2", "v2", ("b",)), 6.0)
    assert registry.views()[0].types[model.CLUSTER].nacks
    registry.noted(7, effects.Acked(model.CLUSTER, "3", "v3", ("a", "b")), 7.0)
    view = registry.views()[0].types[model.CLUSTER]
    assert (view.acked, view.nacks) == ("v3", ())


def test_a_refusal_ends_with_its_resource():
    registry = known()
    registry.noted(7, effects.Nacked(model.CLUSTER, "1", "v1", ("a",), "no"), 5.0)
    registry.noted(7, sent(nonce="2", removed=("a",)), 6.0)
    assert registry.views()[0].types[model.CLUSTER].nacks == ()


def test_a_peer_that_refuses_without_end_costs_no_more():
    registry = known()
    for number in range(100):
        registry.noted(7, effects.Nacked(model.CLUSTER, str(number), "v", (f"c{number}",), "no"), 5.0)
    assert [nack.nonce for nack in registry.views()[0].types[model.CLUSTER].nacks] == [str(n) for n in range(84, 100)]


def test_what_a_view_shows_does_not_change_afterwards():
    registry = known()
    before = registry.views()
    registry.noted(7, sent("a"), 5.0)
    assert before[0].types == {}
    assert registry.views()[0].types[model.CLUSTER].sent == "v1"


def test_an_effect_of_a_stream_that_is_gone_is_ignored():
    registry = peers.Peers()
    registry.noted(7, sent("a"), 5.0)
    assert registry.views() == ()
    assert registry.held(7, model.CLUSTER) == {}


def test_what_a_peer_holds_is_asked_of_its_stream():
    assert known().held(7, model.CLUSTER) == {"a": "1"}


def test_a_stream_says_what_its_client_has_accepted():
    for kind in (model.Sotw, model.Delta):
        proxy = kind(model.holding(model.cluster("c"), model.endpoints("a"), model.endpoints("b", 2)))
        (clusters,), (assignment,) = (
            model.sends(proxy.ask(model.CLUSTER)),
            model.sends(proxy.ask(model.ENDPOINTS, "a", "b")),
        )
        assert proxy.machine.holdings(model.ENDPOINTS) == {}
        wanted = ("a", "b") if kind is model.Sotw else ()
        proxy.ack(assignment, *wanted)
        assert proxy.machine.holdings(model.ENDPOINTS) == {"a": "1", "b": "2"}
        proxy.nack(clusters)
        assert proxy.machine.holdings(model.CLUSTER) == {}
        assert proxy.machine.holdings(model.SECRET) == {}


def test_what_a_peer_waits_for_is_asked_of_its_stream():
    assert known().waits(7) == ((WAIT, 3.0),)
    assert known().waits(8) == ()


def test_streams_that_are_stirred_are_told_once_and_nothing_is_kept_until_somebody_asks():
    registry = known()
    registry.noted(7, sent("a"), 1.0)
    assert registry.stirred() == {7}
    assert registry.stirred() == frozenset()
    registry.noted(7, effects.Acked(model.CLUSTER, "1", "v1", ("a",)), 2.0)
    assert registry.stirred() == {7}
    registry.closed(7)
    assert registry.stirred() == {7}
    assert (registry.view(7), registry.is_current(7)) == (None, False)


def test_one_stream_can_be_looked_at():
    registry = known()
    assert registry.view(7) == registry.views()[0]
    assert registry.is_current(7)
