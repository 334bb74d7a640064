"""The delta variant of an ADS stream: requests in, effects out, no I/O.

Law: every branch names the rule it implements; subscriptions change by what a request adds and takes away, whatever
its nonce (rule D2).
"""

from xds import differences, effects, multiplex, requests, resource_types, responses
from xds import node as nodes
from xds import subscription as subscriptions
from xds.wire import discovery_pb2


class Stream(multiplex.Multiplex[differences.Differences]):
    """One delta stream. `most_names` bounds the names of each list in a request, and of a subscription."""

    __slots__ = ("_most_names", "_pool")

    def __init__(self, shared: responses.Responses, pool: subscriptions.Pool, most_names: int) -> None:
        super().__init__(shared)
        self._pool = pool
        self._most_names = most_names

    def receive(self, request: discovery_pb2.DeltaDiscoveryRequest) -> tuple[effects.Effect, ...]:
        """Take one request and return what follows from it."""
        longest = _longest(request)
        if self.node is not None and not longest and request.type_url in self.types:
            return self._answered(request) + self.flush()  # what most requests are: an answer and nothing else
        if (refusal := requests.refusal(request, self.node is not None, longest, self._most_names)) is not None:
            return (refusal,)
        if self.node is None:
            self.node = nodes.node(request.node)  # C1: later requests may omit it
        wanted = self._wanted(request)
        if len(wanted.names) > self._most_names:
            return (requests.too_many(len(wanted.names), self._most_names),)
        answered = self._answered(request)
        self._ask(request, self._pool.shared(wanted))  # D2: also with a stale nonce; C8: also with a NACK
        return answered + self.flush()

    def plain(self, type_url: str, nonce: str) -> tuple[effects.Effect, ...] | None:
        """Take a request that says no more than this, which is an ACK; None if it is the first of the stream or of the
        type, and so more than that.
        """
        if self.node is None or type_url not in self.types:
            return None
        return self.answer(type_url, nonce, None) + self.flush()

    def _wanted(self, request: discovery_pb2.DeltaDiscoveryRequest) -> subscriptions.Subscription:
        state = self.types.get(request.type_url)  # C2: everything is separate per type
        more, less = _lists(request)
        wildcards = request.type_url in resource_types.WILDCARD_TYPES
        return subscriptions.amended(state.subscription if state is not None else None, more, less, wildcards)

    def _answered(self, request: discovery_pb2.DeltaDiscoveryRequest) -> tuple[effects.Effect, ...]:
        type_url, nonce = request.type_url, request.response_nonce
        if type_url not in self.types or not nonce:
            return ()  # D1: spontaneous
        return self.answer(type_url, nonce, requests.complaint(request))

    def _ask(self, request: discovery_pb2.DeltaDiscoveryRequest, wanted: subscriptions.Subscription) -> None:
        state = self.types.get(request.type_url)
        self._busy.add(request.type_url)
        if state is None:
            claims = dict(request.initial_resource_versions)  # D11: only in the first request of a type
            self.types[request.type_url] = differences.Differences(request.type_url, self._responses, wanted, claims)
            return
        widened = wanted.wildcard and not state.subscription.wildcard
        state.ask(wanted, *_lists(request), self.snapshot)
        if widened and self.snapshot is not None:
            state.widen(self.snapshot)


def _lists(request: discovery_pb2.DeltaDiscoveryRequest) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(request.resource_names_subscribe), frozenset(request.resource_names_unsubscribe)


def _longest(request: discovery_pb2.DeltaDiscoveryRequest) -> int:
    subscribed, unsubscribed = request.resource_names_subscribe, request.resource_names_unsubscribe
    return max(len(subscribed), len(unsubscribed), len(request.initial_resource_versions))
