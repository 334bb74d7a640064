"""The short way of most changes: what a client is sent, and what is known of it afterwards, is as without it."""

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET
from xds import delta, effects, requests, resource_types, stream, subscription
from xds.wire import discovery_pb2

TYPES = {CLUSTER: (), LISTENER: (), ENDPOINTS: ("a", "b"), ROUTES: ("a", "b"), SECRET: ("a", "b")}
CHANGE = st.tuples(st.sampled_from([*TYPES, ROUTES, ROUTES]), st.sampled_from("ab"), st.integers(1, 3))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), CHANGE),
        st.tuples(st.just("remove"), CHANGE),
        st.tuples(st.just("ack"), st.integers(0, 3)),
        st.tuples(st.just("nack"), st.integers(0, 3)),
        st.tuples(st.just("narrow"), st.sampled_from([ENDPOINTS, ROUTES, SECRET])),
        st.tuples(st.just("widen"), st.sampled_from([ENDPOINTS, ROUTES, SECRET])),
    ),
    max_size=12,
)
AT_FIRST = {(type_url, name): 1 for type_url in TYPES for name in "ab"}
MADE = {
    CLUSTER: model.cluster,
    LISTENER: model.listener,
    ENDPOINTS: model.endpoints,
    ROUTES: lambda name, version: model.routes(name, version, *("a", "b", "b")[version - 1]),
    SECRET: model.secret,
}


def resources(contents):
    return tuple(MADE[type_url](name, version) for (type_url, name), version in sorted(contents.items()))


def held(contents):
    return model.holding(*resources(contents))


def without(machine):
    """Return the machine with the general way alone."""

    def ask(self, type_url, state, names):
        wanted = subscription.listed(state.subscription, names, type_url in resource_types.WILDCARD_TYPES)
        state.ask(wanted, self.snapshot)

    listed = {"_ask": ask} if machine is stream.Stream else {}
    return type("General", (machine,), {"__slots__": (), "_only": lambda *_: None, "plain": lambda *_: None, **listed})


class Client:
    """A client that has accepted all it asked for, and from now on answers when told to."""

    def __init__(self, kind, machine):
        self.kind, self.waiting, self.said = kind, [], []
        self.client = kind()
        self.client.machine.__class__ = machine
        self.client.publish(held(AT_FIRST))
        for type_url, names in TYPES.items():
            self.take(self.client.ask(type_url, *names))
        while self.waiting:
            self.answer(0, good=True)

    def take(self, several):
        self.waiting += model.sends(several)
        self.said += [
            (one.type_url, one.version, one.names, one.removed) if isinstance(one, effects.Send) else one[:-2]
            for one in several
        ]

    def answer(self, place, *, good):
        if self.waiting:
            sent = self.waiting.pop(min(place, len(self.waiting) - 1))
            names = self.wanted(sent.type_url) if self.kind is model.Sotw else ()
            self.take((self.client.ack if good else self.client.nack)(sent, *names))

    def wanted(self, type_url):
        return tuple(sorted(self.client.machine.types[type_url].subscription.names))

    def ask(self, type_url, *, narrow):
        if self.kind is model.Delta:
            self.take(self.client.ask(type_url, *(() if narrow else "b"), less="b" if narrow else ()))
        else:
            last = [one for one in self.waiting if one.type_url == type_url]
            self.take(self.client.ask(type_url, *("a" if narrow else "ab"), nonce=last[-1].nonce if last else ""))

    def known(self):
        machine = self.client.machine
        return [(machine.holdings(url), machine.standing(url)) for url in TYPES], machine.waits()


def run(client, steps, *, is_followed):
    """Take these steps; yield what is known after each. Snapshots are made one of the other, or each by itself."""
    contents, last = dict(AT_FIRST), client.client.machine.snapshot
    for what, about in steps:
        if what in ("change", "remove"):
            if what == "change":
                contents[about[:2]] = about[2]
            else:
                contents.pop(about[:2], None)
            (part,) = last.parts
            last = last.followed((part.followed(resources(contents)),)) if is_followed else held(contents)
            client.take(client.client.publish(last))
        elif what in ("ack", "nack"):
            client.answer(about, good=what == "ack")
        else:
            client.ask(about, narrow=what == "narrow")
        yield client.known()


@pytest.mark.parametrize(("kind", "machine"), [(model.Delta, delta.Stream), (model.Sotw, stream.Stream)])
@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(STEPS, st.booleans())
def test_it_sends_and_remembers_what_the_general_way_does(kind, machine, steps, is_followed):
    short, general = Client(kind, machine), Client(kind, without(machine))
    both = run(short, steps, is_followed=is_followed), run(general, steps, is_followed=False)
    for one, other in zip(*both, strict=True):
        assert one == other
        assert short.said == general.said


@pytest.mark.parametrize(("kind", "machine"), [(model.Delta, delta.Stream), (model.Sotw, stream.Stream)])
def test_it_is_taken_by_a_change_of_routes(kind, machine, monkeypatch):
    client = Client(kind, machine)
    general = []
    monkeypatch.setattr(machine, "flush", lambda _: general.append("asked") or ())
    client.take(client.client.publish(held({**AT_FIRST, (ROUTES, "a"): 2})))
    assert [sent.names for sent in client.waiting] == [("a",)]
    assert not general


@pytest.mark.parametrize(("kind", "machine"), [(model.Delta, delta.Stream), (model.Sotw, stream.Stream)])
@pytest.mark.parametrize("versions", [(2,), (2, 3)])
def test_a_cluster_stays_until_the_routes_that_took_the_place_of_those_that_name_it_are_accepted(
    kind, machine, versions
):
    client, contents = Client(kind, machine), dict(AT_FIRST)
    for version in versions:
        contents[ROUTES, "a"] = version
        client.take(client.client.publish(held(contents)))
        last = client.waiting[-1]
        client.take(client.client.machine.release(last.nonce))
    del contents[CLUSTER, "a"]
    client.take(client.client.publish(held(contents)))
    assert client.waiting[-1] is last, "nothing more"
    client.waiting = [last]
    client.answer(0, good=True)
    (removal,) = client.waiting
    assert removal.type_url == CLUSTER


REQUESTS = st.builds(
    discovery_pb2.DeltaDiscoveryRequest,
    type_url=st.sampled_from([*sorted(resource_types.SUPPORTED), "", "other"]),
    response_nonce=st.one_of(st.integers(0, 10**20).map(str), st.text(max_size=3), st.just("1" * 128)),
    resource_names_subscribe=st.lists(st.just("a"), max_size=1),
    resource_names_unsubscribe=st.lists(st.just("a"), max_size=1),
    initial_resource_versions=st.dictionaries(st.just("a"), st.just("1"), max_size=1),
    node=st.none() | st.just(discovery_pb2.Node(id="n")),
    error_detail=st.none() | st.just(discovery_pb2.Status(code=1)),
)


@hypothesis.given(REQUESTS)
def test_a_request_is_plain_that_holds_a_type_and_a_nonce_and_nothing_else(request):
    plain = discovery_pb2.DeltaDiscoveryRequest(type_url=request.type_url, response_nonce=request.response_nonce)
    nonce = request.response_nonce
    is_plain = request == plain and request.type_url in resource_types.SUPPORTED and nonce.isascii() and nonce.isdigit()
    said = requests.plain_delta(request.SerializeToString())
    assert said == ((request.type_url, nonce) if is_plain and len(nonce) < 128 else None)


@hypothesis.given(st.sampled_from(sorted(resource_types.SUPPORTED)), st.data())
def test_what_is_taken_for_plain_means_just_that_whatever_the_bytes(type_url, data):
    request = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url, response_nonce="12").SerializeToString()
    place = data.draw(st.integers(0, len(request)))
    written = request[:place] + data.draw(st.binary(max_size=3)) + request[place + data.draw(st.integers(0, 3)) :]
    said = requests.plain_delta(written)
    if said is not None:
        meant = discovery_pb2.DeltaDiscoveryRequest(type_url=said[0], response_nonce=said[1])
        assert discovery_pb2.DeltaDiscoveryRequest.FromString(written) == meant


def test_what_comes_first_is_never_taken_for_plain():
    """Who has not said who it is (rule C1), or asks for a type for the first time, means more than that."""
    client = model.Delta()
    (refusal,) = client._receive(
        discovery_pb2.DeltaDiscoveryRequest(type_url=ROUTES, response_nonce="1").SerializeToString()
    )
    assert isinstance(refusal, effects.Refuse)
    client.ask(CLUSTER)
    client.ask(ROUTES, nonce="1")
    assert client.machine.standing(ROUTES).names == frozenset()
    assert ROUTES in client.machine.types
