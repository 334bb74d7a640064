"""The delta variant of an ADS stream: requests in, effects out, no I/O.

Law: every branch names the rule it implements; subscriptions change by what a request adds and takes away, whatever
its nonce (rule D2).
"""

from collections.abc import Mapping

from xds import differences, effects, gate, multiplex, requests, resource_types, responses, snapshot
from xds import node as nodes
from xds import standing as standings
from xds import subscription as subscriptions
from xds.wire import discovery_pb2


class Stream:
    """One delta stream. `most_names` bounds the names of each list in a request, and of a subscription."""

    __slots__ = ("_most_names", "_multiplex", "_pool", "_responses", "_states", "node")

    def __init__(self, shared: responses.Responses, pool: subscriptions.Pool, most_names: int) -> None:
        self._responses = shared
        self._pool = pool
        self._most_names = most_names
        self._multiplex = multiplex.Multiplex(shared)
        self._states: dict[str, differences.Differences] = {}
        self.node: nodes.Node | None = None

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest) -> tuple[effects.Effect, ...]:
        """Take one request and return what follows from it."""
        if (
            refusal := requests.refusal(request, self.node is not None, _longest(request), self._most_names)
        ) is not None:
            return (refusal,)
        self.node = self.node or nodes.node(request.node)  # C1: later requests may omit it
        wanted = self._wanted(request)
        if len(wanted.names) > self._most_names:
            return (requests.too_many(len(wanted.names), self._most_names),)
        answered = self._answered(request)
        self._ask(request, self._pool.shared(wanted))  # D2: also with a stale nonce; C8: also with a NACK
        return answered + self._multiplex.flush()

    def publish(self, new: snapshot.Snapshot) -> tuple[effects.Effect, ...]:
        """Make this the snapshot to converge to, and return what follows from it."""
        return self._multiplex.publish(new)

    def release(self, nonce: str) -> tuple[effects.Effect, ...]:
        """Stop waiting for the answer to a nonce, and return what may go now."""
        return self._multiplex.release(nonce)

    def rests(self) -> None:
        """From now on leave withdrawn clusters in place until `rested` is called twice after nothing needs them."""
        self._multiplex.rests()

    @property
    def resting(self) -> bool:
        """Whether withdrawn clusters wait for time to pass."""
        return self._multiplex.resting

    def rested(self) -> tuple[effects.Effect, ...]:
        """Note that a while has passed, and return what may go now."""
        return self._multiplex.rested()

    @property
    def held_back(self) -> bool:
        """Whether anything waits for other resources; cheap."""
        return self._multiplex.held_back

    def waits(self) -> tuple[gate.Wait, ...]:
        """Return what is held back, and by what."""
        return self._multiplex.waits()

    def holdings(self, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what the client has accepted of a type and is still current."""
        return self._multiplex.holdings(type_url)

    def standing(self, type_url: str) -> standings.Standing:
        """Return how far the client is with a type."""
        return self._multiplex.standing(type_url)

    def _wanted(self, request: discovery_pb2.DeltaDiscoveryRequest) -> subscriptions.Subscription:
        state = self._states.get(request.type_url)  # C2: everything is separate per type
        more, less = _lists(request)
        wildcards = request.type_url in resource_types.WILDCARD_TYPES
        return subscriptions.amended(state.subscription if state is not None else None, more, less, wildcards)

    def _answered(self, request: discovery_pb2.DeltaDiscoveryRequest) -> tuple[effects.Effect, ...]:
        if request.type_url not in self._states or not request.response_nonce:
            return ()  # D1: spontaneous
        return self._multiplex.answer(request.type_url, request.response_nonce, requests.complaint(request))

    def _ask(self, request: discovery_pb2.DeltaDiscoveryRequest, wanted: subscriptions.Subscription) -> None:
        state = self._states.get(request.type_url)
        if state is None:
            claims = dict(request.initial_resource_versions)  # D11: only in the first request of a type
            state = differences.Differences(request.type_url, self._responses, wanted, claims)
            self._multiplex.types[request.type_url] = self._states[request.type_url] = state
            return
        widened = wanted.wildcard and not state.subscription.wildcard
        state.ask(wanted, *_lists(request), self._multiplex.snapshot)
        if widened and self._multiplex.snapshot is not None:
            state.widen(self._multiplex.snapshot)


def _lists(request: discovery_pb2.DeltaDiscoveryRequest) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(request.resource_names_subscribe), frozenset(request.resource_names_unsubscribe)


def _longest(request: discovery_pb2.DeltaDiscoveryRequest) -> int:
    subscribed, unsubscribed = request.resource_names_subscribe, request.resource_names_unsubscribe
    return max(len(subscribed), len(unsubscribed), len(request.initial_resource_versions))
