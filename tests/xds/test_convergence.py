"""Whatever happens on a stream, a client ends up with what the newest snapshot holds of its subscription.

A model client applies responses, accepts and refuses them, asks for more and for less, loses its stream and comes back,
while snapshots change; requests and responses cross on the way.
"""

import functools
from collections import deque

import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st

from tests.xds import model
from tests.xds.model import CLUSTER, ENDPOINTS, FILTER, LISTENER, ROUTES, SECRET
from xds import effects, resource_types, responses, snapshot

KINDS = {
    CLUSTER: model.cluster,
    ENDPOINTS: model.endpoints,
    LISTENER: model.listener,
    ROUTES: model.routes,
    FILTER: model.listener_filter,
    SECRET: model.secret,
}
TYPES = st.sampled_from(sorted(KINDS))
POOL = ("a", "b", "c")
WANTED = st.sets(st.sampled_from(POOL))
CONTENTS = st.dictionaries(st.tuples(TYPES, st.sampled_from(POOL)), st.integers(1, 2), min_size=3)


def version_of(body):
    name, _, version = body.decode().partition("@")
    return name, version


class Streams(stateful.RuleBasedStateMachine):
    """What both variants have in common. `held`: type -> name -> version at the client."""

    kind = None

    def __init__(self):
        super().__init__()
        self.shared = responses.Responses(batch_bytes=12)
        self.snapshot = None
        self.contents = {}
        self.held = {type_url: {} for type_url in KINDS}
        self.wanted = {}
        self.open_stream()

    def open_stream(self):
        self.client = self.kind(self.snapshot, self.shared)
        self.to_client = deque()
        self.to_server = deque()
        self.sent = []
        self.vanished = set()
        self.refused = {}  # what the server knows to be refused on this stream, and not asked for or changed since

    def carry_out(self, several):
        for effect in several:
            assert not isinstance(effect, effects.Refuse)
            if isinstance(effect, effects.Send):
                self.check(effect)
                self.sent.append(effect)
                self.to_client.append(effect)

    def check(self, sent):
        assert sent.nonce not in {earlier.nonce for earlier in self.sent}, "C3"
        assert len(set(sent.names)) == len(sent.names), "C4"
        assert not set(sent.names) & set(sent.removed)
        assert sent.type_url in self.wanted, "never sent unless asked for"

    def newer(self, sent):
        """Return what was sent of a type after a response."""
        return [later for later in self.sent[self.sent.index(sent) + 1 :] if later.type_url == sent.type_url]

    @stateful.initialize(kinds=st.sets(TYPES, min_size=1), contents=CONTENTS, late=st.booleans())
    def begin(self, kinds, contents, late):
        self.contents.update(contents)
        if not late:
            self.publish(1)
        for type_url in sorted(kinds):
            self.subscribe(type_url, set(POOL))

    @stateful.rule(parts=st.integers(1, 3))
    def publish(self, parts):
        resources = [KINDS[type_url](name, version) for (type_url, name), version in sorted(self.contents.items())]
        self.snapshot = snapshot.Snapshot.of(*(snapshot.Part.of(resources[start::parts]) for start in range(parts)))
        self.vanished |= {(type_url, name) for type_url in KINDS for name in POOL} - self.contents.keys()
        self.carry_out(self.client.publish(self.snapshot))

    def forbidden(self, type_url, refused):
        """Return what may not be sent again: what was refused, and has been there ever since."""
        return {name: version for name, version in refused.items() if (type_url, name) not in self.vanished}

    @stateful.rule(type_url=TYPES, name=st.sampled_from(POOL), version=st.integers(0, 2))
    def change(self, type_url, name, version):
        self.contents[type_url, name] = version
        if not version:
            del self.contents[type_url, name]
        self.publish(2)

    @stateful.precondition(lambda self: self.to_server)
    @stateful.rule()
    def server_reads(self):
        self.carry_out(self.to_server.popleft()())

    @stateful.precondition(lambda self: self.to_client)
    @stateful.rule(refuse=st.booleans())
    def client_reads(self, refuse):
        self.answer(self.to_client.popleft(), refuse)

    @stateful.rule(refuse=st.booleans())
    def all_is_read_and_answered(self, refuse):
        for _ in range(len(self.to_server)):
            self.server_reads()
        for _ in range(len(self.to_client)):
            self.client_reads(refuse)
        for _ in range(len(self.to_server)):
            self.server_reads()

    @stateful.precondition(lambda self: self.sent)
    @stateful.rule(data=st.data())
    def server_waits_no_longer(self, data):
        self.carry_out(self.client.machine.release(data.draw(st.sampled_from(self.sent)).nonce))

    def settle(self):
        while self.to_client or self.to_server:
            while self.to_server:
                self.server_reads()
            while self.to_client:
                self.client_reads(refuse=False)

    @stateful.precondition(lambda self: self.snapshot is not None)
    @stateful.rule()
    def settled_it_has_what_it_should_and_is_sent_nothing_more(self):
        self.settle()
        for type_url in self.wanted:
            assert self.without_refused(type_url, self.held[type_url]) == self.expected(type_url), type_url
        equal = snapshot.Snapshot.of(*reversed(self.snapshot.parts))
        assert self.client.publish(equal) == ()
        self.snapshot = equal
        for type_url in self.wanted:
            holdings = self.client.machine.holdings(type_url)
            assert holdings.items() <= self.held[type_url].items(), "it is not said to hold what it does not"

    def expected(self, type_url):
        current = {entry.name: entry.version for entry in self.snapshot.entries(type_url)}
        return self.without_refused(type_url, {name: current[name] for name in current if self.covers(type_url, name)})

    def teardown(self):
        if self.snapshot is not None:
            self.settled_it_has_what_it_should_and_is_sent_nothing_more()


class SotwStreams(Streams):
    """`versions` and `last` are what the client echoes; `listed` is what the server knows to have been wanted since."""

    kind = model.Sotw

    def __init__(self):
        self.versions = {}
        self.last = {}
        self.listed = {}
        self.listed_when = {}
        self.dropped = {}  # names dropped since the client's version last changed: its version still speaks of them
        super().__init__()

    def covers(self, type_url, name):
        wanted = self.wanted[type_url]
        return name in wanted or ("*" in wanted and type_url in resource_types.WILDCARD_TYPES)

    def without_refused(self, type_url, held):
        if type_url in resource_types.WILDCARD_TYPES:
            return {} if type_url in self.refused else held
        gone = {name for name in held if self.snapshot.get(type_url, name) is None}  # S6: absence deletes nothing
        return {name: held[name] for name in held if name not in self.refused.get(type_url, {}) and name not in gone}

    def check(self, sent):
        super().check(sent)
        decoded = model.decoded_sotw(sent)
        content = dict(map(version_of, decoded.resources))
        assert (decoded.nonce, decoded.version_info, decoded.type_url) == (sent.nonce, sent.version, sent.type_url)
        assert set(content) == set(sent.names), "C13"
        self.listed_when[sent.nonce] = set(self.listed[sent.type_url])
        refused = self.refused.get(sent.type_url)
        if sent.type_url in resource_types.WILDCARD_TYPES:
            assert refused is None or refused != content, "C8"
            self.refused.pop(sent.type_url, None)
        elif refused is not None:
            assert not content.items() & self.forbidden(sent.type_url, refused).items(), "C8"
            self.refused[sent.type_url] = {name: refused[name] for name in refused if name not in content}

    def answer(self, sent, refuse):
        type_url = sent.type_url
        content = dict(map(version_of, model.decoded_sotw(sent).resources))
        self.last[type_url] = sent.nonce
        if not refuse:
            self.versions[type_url] = sent.version
            self.dropped[type_url] &= self.listed_when[sent.nonce]
            mine = {name: version for name, version in content.items() if self.covers(type_url, name)}
            whole = type_url in resource_types.WILDCARD_TYPES
            self.held[type_url] = mine if whole else {**self.held[type_url], **mine}
        self.send(type_url, sent if refuse else None)

    def note_refusal(self, sent):
        content = dict(map(version_of, model.decoded_sotw(sent).resources))
        newer = self.newer(sent)
        if sent.type_url not in resource_types.WILDCARD_TYPES:
            later = {name for response in newer for name in response.names}
            known = self.refused.setdefault(sent.type_url, {})
            known.update({name: version for name, version in content.items() if name not in later})
        elif not newer:
            self.refused[sent.type_url] = content

    def send(self, type_url, refused=None):
        self.to_server.append(functools.partial(
            self.server_takes, type_url, refused, self.wanted[type_url], self.last.get(type_url, ""),
            self.versions.get(type_url, ""),
        ))  # fmt: skip

    def server_takes(self, type_url, refused, wanted, nonce, version):
        if refused is not None:
            self.vanished -= {(type_url, name) for name in refused.names if (type_url, name) in self.contents}
            self.note_refusal(refused)
        earlier = [sent.nonce for sent in self.sent if sent.type_url == type_url]
        before = self.listed.get(type_url, set())
        if not earlier or earlier[-1] == nonce:
            self.note_request(type_url, before, wanted)
        else:
            self.listed[type_url] = before & wanted
        error = model.BROKEN if refused is not None else None
        return self.client.ask(type_url, *wanted, nonce=nonce, version=version, error=error)

    def note_request(self, type_url, before, wanted):
        self.listed[type_url] = wanted
        if type_url not in resource_types.WILDCARD_TYPES:
            refused = self.refused.get(type_url, {})
            self.refused[type_url] = {name: refused[name] for name in refused if name in before & wanted}
        elif not wanted or self.refused.get(type_url) != self.content(type_url, wanted):
            self.refused.pop(type_url, None)

    def content(self, type_url, wanted):
        entries = self.snapshot.entries(type_url) if self.snapshot is not None else ()
        return {entry.name: entry.version for entry in entries if entry.name in wanted or "*" in wanted}

    @stateful.rule(type_url=TYPES, wanted=WANTED)
    def subscribe(self, type_url, wanted):
        if type_url in resource_types.WILDCARD_TYPES and not wanted:
            wanted = {"*"}
        before = self.wanted.get(type_url, set())
        self.wanted[type_url] = wanted
        for name in [name for name in self.held[type_url] if not self.covers(type_url, name)]:
            del self.held[type_url][name]
        self.dropped.setdefault(type_url, set()).update(before - wanted)
        self.send(type_url)

    @stateful.rule()
    def reconnect(self):
        for type_url in self.wanted:
            # S4: no version can tell that a name was dropped and asked for again before its answer came
            if any(self.covers(type_url, name) for name in self.dropped[type_url]):
                self.versions.pop(type_url, None)
        self.last, self.listed = {}, {}
        self.open_stream()
        for type_url in sorted(self.wanted):
            self.send(type_url)


class DeltaStreams(Streams):
    """`wide` are the types whose wildcard the server knows of: asking for it once more changes nothing."""

    kind = model.Delta

    def open_stream(self):
        self.wide = {type_url for type_url, wanted in self.wanted.items() if "*" in wanted}
        super().open_stream()

    def covers(self, type_url, name):
        wanted = self.wanted[type_url]
        return name in wanted or ("*" in wanted and type_url in resource_types.WILDCARD_TYPES)

    def without_refused(self, type_url, held):
        return {name: held[name] for name in held if name not in self.refused.get(type_url, {})}

    def check(self, sent):
        super().check(sent)
        decoded = model.decoded_delta(sent)
        content = {one.name: one.version for one in decoded.resources}
        assert [version_of(one.resource) for one in decoded.resources] == list(content.items()), "C13, D10"
        assert set(content) == set(sent.names)
        refused = self.refused.get(sent.type_url, {})
        assert not content.items() & self.forbidden(sent.type_url, refused).items(), "C8"
        self.refused[sent.type_url] = {name: refused[name] for name in refused if name not in content}

    def answer(self, sent, refuse):
        decoded = model.decoded_delta(sent)
        content = {one.name: one.version for one in decoded.resources if self.covers(sent.type_url, one.name)}
        held = self.held[sent.type_url]
        for name in decoded.removed_resources:
            held.pop(name, None)
        if refuse:
            self.to_server.append(functools.partial(self.server_hears, sent, dict(content)))
        else:
            held.update(content)
            self.to_server.append(lambda: self.client.ack(sent))

    def server_hears(self, sent, content):
        later = {name for newer in self.newer(sent) for name in (*newer.names, *newer.removed)}
        self.vanished -= {(sent.type_url, name) for name in content if (sent.type_url, name) in self.contents}
        known = self.refused.setdefault(sent.type_url, {})
        known.update({name: version for name, version in content.items() if name not in later})
        return self.client.nack(sent)

    def subscribe(self, type_url, wanted):
        self.amend(type_url, wanted, set(), star=type_url == CLUSTER)

    @stateful.rule(type_url=TYPES, more=WANTED, less=WANTED, star=st.booleans())
    def amend(self, type_url, more, less, star):
        less = less - more
        if type_url in resource_types.WILDCARD_TYPES and (star or (type_url not in self.wanted and not more)):
            more = more | {"*"}
        before = self.wanted.get(type_url, set())
        self.wanted[type_url] = (before | more) - less
        for name in [name for name in self.held[type_url] if not self.covers(type_url, name)]:
            del self.held[type_url][name]
        self.to_server.append(functools.partial(self.server_takes, type_url, more, less, less & before))

    def server_takes(self, type_url, more, less, gone):
        refused = self.refused.get(type_url, {})
        widened = "*" in more and type_url not in self.wide
        self.wide = self.wide | {type_url} if "*" in more else self.wide
        asked = {*POOL} if widened else more | gone
        self.refused[type_url] = {name: refused[name] for name in refused if name not in asked}
        return self.client.ask(type_url, *more, less=less)

    @stateful.rule()
    def reconnect(self):
        self.open_stream()
        for type_url in sorted(self.wanted):
            more, has = set(self.wanted[type_url]), dict(self.held[type_url])
            less = set() if more else {"*"}
            self.to_server.append(
                lambda type_url=type_url, more=more, less=less, has=has: self.client.ask(
                    type_url, *more, less=less, has=has
                )
            )


SETTINGS = hypothesis.settings(max_examples=200, stateful_step_count=30, deadline=None, derandomize=True)
TestSotwConverges = SotwStreams.TestCase
TestSotwConverges.settings = SETTINGS
TestDeltaConverges = DeltaStreams.TestCase
TestDeltaConverges.settings = SETTINGS
