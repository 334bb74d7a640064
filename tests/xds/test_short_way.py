"""The short way of most changes: what a client is sent, and what is known of it afterwards, is as without it."""

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET
from xds import delta, effects, stream

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


def held(contents):
    return model.holding(*(MADE[type_url](name, version) for (type_url, name), version in sorted(contents.items())))


def without(machine):
    """Return the machine with the general way alone."""
    return type("General", (machine,), {"__slots__": (), "_only": lambda *_: None})


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


def run(client, steps):
    """Take these steps; yield what is known after each."""
    contents = dict(AT_FIRST)
    for what, about in steps:
        if what == "change":
            contents[about[:2]] = about[2]
            client.take(client.client.publish(held(contents)))
        elif what == "remove":
            contents.pop(about[:2], None)
            client.take(client.client.publish(held(contents)))
        elif what in ("ack", "nack"):
            client.answer(about, good=what == "ack")
        else:
            client.ask(about, narrow=what == "narrow")
        yield client.known()


@pytest.mark.parametrize(("kind", "machine"), [(model.Delta, delta.Stream), (model.Sotw, stream.Stream)])
@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(STEPS)
def test_it_sends_and_remembers_what_the_general_way_does(kind, machine, steps):
    short, general = Client(kind, machine), Client(kind, without(machine))
    for one, other in zip(run(short, steps), run(general, steps), strict=True):
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
