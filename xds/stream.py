"""The state-of-the-world variant of an ADS stream: requests in, effects out, no I/O.

Law: every branch names the rule it implements; requests change only what their nonce entitles them to.
"""

from xds import effects, full_set, multiplex, requests, resource_types, responses, subsets
from xds import node as nodes
from xds import subscription as subscriptions
from xds.wire import discovery_pb2

_State = full_set.FullSet | subsets.Subsets


class Stream(multiplex.Multiplex[_State]):
    """One state-of-the-world stream. `most_names` bounds the names of a request, and so of a subscription."""

    __slots__ = ("_most_names", "_pool")

    def __init__(self, shared: responses.Responses, pool: subscriptions.Pool, most_names: int) -> None:
        super().__init__(shared)
        self._pool = pool
        self._most_names = most_names

    def receive(self, request: discovery_pb2.DiscoveryRequest) -> tuple[effects.Effect, ...]:
        """Take one request and return what follows from it."""
        type_url, nonce, names = request.type_url, request.response_nonce, tuple(request.resource_names)
        if (refusal := requests.refusal(request, self.node is not None, len(names), self._most_names)) is not None:
            return (refusal,)
        if self.node is None:
            self.node = nodes.node(request.node)  # C1: later requests may omit it
        state = self._state(request)
        answered = self.answer(type_url, nonce, requests.complaint(request))
        if state.flight.is_last(nonce):
            self._ask(type_url, state, names)  # C8: also when it is a NACK
        else:
            state.missed(frozenset(names))  # S3, S13: a stale request subscribes to nothing
        return answered + self.flush()

    def _state(self, request: discovery_pb2.DiscoveryRequest) -> _State:
        state = self.types.get(request.type_url)  # C2: everything is separate per type
        if state is None:
            whole = request.type_url in resource_types.WILDCARD_TYPES
            kind = full_set.FullSet if whole else subsets.Subsets
            state = self.types[request.type_url] = kind(request.type_url, self._responses)
            state.claim(
                request.version_info
            )  # S4: what the client holds from an earlier stream; its nonce means nothing
        return state

    def _ask(self, type_url: str, state: _State, names: tuple[str, ...]) -> None:
        if isinstance(state, subsets.Subsets) and state.asks_for(names):
            return  # S8: each request lists them all, most of them the same
        wildcards = type_url in resource_types.WILDCARD_TYPES
        wanted = subscriptions.listed(state.subscription, names, wildcards)
        state.ask(self._pool.shared(wanted), self.snapshot)
