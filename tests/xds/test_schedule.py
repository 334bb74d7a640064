"""Whatever is edited, refused, delayed or lost on the way: no route in force names a cluster that is not there.

And in the end a proxy holds the newest snapshot, but for what it refused and what names that.
"""

import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st

from tests.xds import envoy, model
from tests.xds.model import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from xds import effects, responses, snapshot

POOL = {CLUSTER: ("c0", "c1", "c2", "c3"), ROUTES: ("r0", "r1"), LISTENER: ("l0", "l1")}
BAD = st.sampled_from((False, False, False, True))


class Edited(stateful.RuleBasedStateMachine):
    """`mesh`: type -> name -> (version, what it names), the operator's; it never names what is not in it."""

    proxy_kind = None
    client_kind = None

    def __init__(self):
        super().__init__()
        self.references = {}
        self.number = 0
        self.mesh = {CLUSTER: {}, ENDPOINTS: {}, ROUTES: {}, LISTENER: {}}
        self.shared = responses.Responses(batch_bytes=16)
        self.snapshot = None
        self.proxy = self.proxy_kind(self.references)

    def put(self, type_url, name, named=(), bad=False):
        self.number += 1
        version = f"{self.number}{'!' if bad else ''}"
        self.references[type_url, name, version] = frozenset(named)
        self.mesh[type_url][name] = (version, frozenset(named))

    def add_cluster(self, name, bad=False):
        self.put(CLUSTER, name, [(ENDPOINTS, name)], bad)
        if name not in self.mesh[ENDPOINTS]:
            self.put(ENDPOINTS, name)

    def route(self, name, targets, bad=False):
        self.put(ROUTES, name, [(CLUSTER, target) for target in sorted(targets)], bad)

    @stateful.initialize(known=st.booleans())
    def begin(self, known):
        for name in ("c0", "c1"):
            self.add_cluster(name)
        self.route("r0", {"c0"})
        self.put(LISTENER, "l0", [(ROUTES, "r0")])
        if known:
            self.publish()
        self.connect()

    def publish(self):
        resources = [
            model.resource(type_url, name, version, *named)
            for type_url, several in self.mesh.items()
            for name, (version, named) in several.items()
        ]
        self.snapshot = snapshot.Snapshot.of(snapshot.Part.of(resources[::2]), snapshot.Part.of(resources[1::2]))
        assert snapshot.dangling(self.snapshot) == ()
        self.carry_out(self.proxy.client.publish(self.snapshot) if self.proxy.client else ())

    def connect(self):
        self.sent, self.to_proxy = [], []
        client = self.client_kind(None, self.shared)
        client.machine.rests()
        if self.snapshot is not None:
            client.publish(self.snapshot)
        self.proxy.connect(client)
        self.proxy.begin()
        self.unread = sum(map(len, self.proxy.to_server.values()))

    def carry_out(self, several):
        for effect in several:
            assert not isinstance(effect, effects.Refuse)
            if isinstance(effect, effects.Send):
                assert len({*effect.names, *effect.removed}) == len(effect.names) + len(effect.removed), "C4"
                content, _ = self.proxy.content(effect)
                again = {(effect.type_url, *each) for each in content.items()} & self.proxy.refused
                assert not again, "C8"
                self.sent.append(effect)
                self.to_proxy.append(effect)

    @stateful.rule(data=st.data(), count=st.integers(1, 3))
    def edit(self, data, count):
        edits = (self.edit_routes, self.edit_cluster, self.withdraw_cluster, self.edit_endpoints, self.edit_listener)
        for _ in range(count):
            data.draw(st.sampled_from(edits))(data)
        self.publish()

    def edit_routes(self, data):
        name = data.draw(st.sampled_from(POOL[ROUTES]))
        self.route(name, data.draw(st.sets(st.sampled_from(sorted(self.mesh[CLUSTER])), min_size=1)), data.draw(BAD))

    def edit_cluster(self, data):
        self.add_cluster(data.draw(st.sampled_from(POOL[CLUSTER])), data.draw(BAD))

    def withdraw_cluster(self, data):
        name = data.draw(st.sampled_from(sorted(self.mesh[CLUSTER])))
        if len(self.mesh[CLUSTER]) > 1:
            del self.mesh[CLUSTER][name], self.mesh[ENDPOINTS][name]
            rest = sorted(self.mesh[CLUSTER])
            for route, (_, named) in sorted(self.mesh[ROUTES].items()):
                if (CLUSTER, name) in named:
                    others = {target for _, target in named} - {name}
                    self.route(route, others or {data.draw(st.sampled_from(rest))}, data.draw(BAD))

    def edit_endpoints(self, data):
        self.put(ENDPOINTS, data.draw(st.sampled_from(sorted(self.mesh[ENDPOINTS]))))

    def edit_listener(self, data):
        name = data.draw(st.sampled_from(POOL[LISTENER]))
        if name in self.mesh[LISTENER] and data.draw(st.booleans()):
            del self.mesh[LISTENER][name]
        else:
            self.put(LISTENER, name, [(ROUTES, data.draw(st.sampled_from(sorted(self.mesh[ROUTES]))))], data.draw(BAD))

    @stateful.precondition(lambda self: any(self.proxy.to_server.values()))
    @stateful.rule(data=st.data())
    def server_reads(self, data):
        waiting = [type_url for type_url, queue in self.proxy.to_server.items() if queue]
        # the requests at the beginning of a stream come in the order in which Envoy once subscribed, clusters first
        self.server_reads_of(waiting[0] if self.unread > 0 else data.draw(st.sampled_from(waiting)))

    def server_reads_of(self, type_url):
        self.unread -= 1
        self.carry_out(self.proxy.to_server[type_url].pop(0)())

    @stateful.precondition(lambda self: self.to_proxy)
    @stateful.rule(count=st.integers(1, 4))
    def proxy_reads(self, count):
        for _ in range(min(count, len(self.to_proxy))):
            self.proxy.take(self.to_proxy.pop(0))
            self.no_route_leads_nowhere()

    @stateful.precondition(lambda self: self.proxy.warming)
    @stateful.rule()
    def a_fetch_times_out(self):
        self.proxy.warm(min(self.proxy.warming.keys() - self.mesh[CLUSTER].keys() or self.proxy.warming))
        self.proxy.resume()

    @stateful.precondition(lambda self: self.sent)
    @stateful.rule(data=st.data())
    def server_waits_no_longer(self, data):
        self.carry_out(self.proxy.client.machine.release(data.draw(st.sampled_from(self.sent)).nonce))

    @stateful.precondition(lambda self: self.unread <= 0)
    @stateful.rule()
    def a_while_passes(self):
        """It is far longer than the requests at the beginning of a stream take."""
        self.carry_out(self.proxy.client.machine.rested())

    @stateful.precondition(lambda self: self.proxy.proven)
    @stateful.rule()
    def reconnect(self):
        self.connect()

    @stateful.rule()
    def all_is_read(self):
        while (
            self.to_proxy or any(self.proxy.to_server.values()) or self.proxy.warming.keys() - self.mesh[CLUSTER].keys()
        ):
            for type_url in self.proxy.to_server:
                while self.proxy.to_server[type_url]:
                    self.server_reads_of(type_url)
            if self.to_proxy:
                self.proxy_reads(1)
            elif not any(self.proxy.to_server.values()) and self.proxy.warming.keys() - self.mesh[CLUSTER].keys():
                self.a_fetch_times_out()  # of a cluster withdrawn as it warms: its endpoints went with it

    @stateful.invariant()
    def no_route_leads_nowhere(self):
        assert not self.proxy.dangling(), "C12"

    @stateful.precondition(lambda self: self.snapshot is not None)
    @stateful.rule()
    def in_the_end_it_holds_the_newest_snapshot(self):
        self.all_is_read()
        while self.proxy.client.machine.resting:
            self.a_while_passes()
            self.all_is_read()
        assert not self.proxy.warming
        assert self.proxy.proven, "S4: a version tells what it has"
        self.has_what_it_should(CLUSTER, self.proxy.clusters, lambda _: set())
        missing = self.mesh[CLUSTER].keys() - self.proxy.clusters.keys()
        self.has_what_it_should(ROUTES, self.proxy.routes, lambda name: self.named(ROUTES, name) & missing)
        self.has_what_it_should(LISTENER, self.proxy.listeners, lambda name: self.behind_routes(name) & missing)
        self.has_what_it_should(ENDPOINTS, self.proxy.endpoints, lambda _: set())
        routes = {each for each in self.current(ROUTES) if each[0] in self.proxy.wanted[ROUTES]}
        # what a proxy had before its stream may be unknown; while it refuses what is newer, anything may be in use
        if routes <= self.proxy.routes.items() and self.current(LISTENER) == {*self.proxy.listeners.items()}:
            assert self.proxy.clusters.keys() <= self.mesh[CLUSTER].keys(), "withdrawn"
        assert self.proxy.listeners.keys() <= self.mesh[LISTENER].keys(), "withdrawn"
        equal = snapshot.Snapshot.of(*reversed(self.snapshot.parts))
        assert self.proxy.client.publish(equal) == (), "C6"
        self.snapshot = equal

    def current(self, type_url):
        return {(name, version) for name, (version, _) in self.mesh[type_url].items()}

    def named(self, type_url, name):
        return {target for _, target in self.mesh[type_url][name][1]} if name in self.mesh[type_url] else set()

    def behind_routes(self, listener):
        return {target for route in self.named(LISTENER, listener) for target in self.named(ROUTES, route)}

    def has_what_it_should(self, type_url, held, behind):
        wanted = self.proxy.wanted.get(type_url, self.mesh[type_url].keys())
        for name, (version, _) in self.mesh[type_url].items():
            if name in wanted and not version.endswith("!") and not behind(name):
                assert held.get(name) == version, (type_url, name)

    def teardown(self):
        if self.snapshot is not None:
            self.in_the_end_it_holds_the_newest_snapshot()


class SotwEdited(Edited):
    proxy_kind = envoy.Sotw
    client_kind = model.Sotw


class DeltaEdited(Edited):
    proxy_kind = envoy.Delta
    client_kind = model.Delta


SETTINGS = hypothesis.settings(
    max_examples=100, stateful_step_count=40, deadline=None, derandomize=True, report_multiple_bugs=False,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)  # fmt: skip
TestSotwSchedule = SotwEdited.TestCase
TestSotwSchedule.settings = SETTINGS
TestDeltaSchedule = DeltaEdited.TestCase
TestDeltaSchedule.settings = SETTINGS
