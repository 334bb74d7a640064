"""The state-of-the-world variant of an ADS stream: requests in, effects out, no I/O.

Law: every branch names the rule it implements; requests change only what their nonce entitles them to.
"""

from collections.abc import Mapping

from xds import effects, full_set, gate, multiplex, requests, resource_types, responses, snapshot, subsets
from xds import node as nodes
from xds import standing as standings
from xds import subscription as subscriptions
from xds.wire import discovery_pb2

_State = full_set.FullSet | subsets.Subsets


class Stream:
    """One state-of-the-world stream. `most_names` bounds the names of a request, and so of a subscription."""

    __slots__ = ("_most_names", "_multiplex", "_pool", "_responses", "_states", "node")

    def __init__(self, shared: responses.Responses, pool: subscriptions.Pool, most_names: int) -> None:
        self._responses = shared
        self._pool = pool
        self._most_names = most_names
        self._multiplex = multiplex.Multiplex(shared)
        self._states: dict[str, _State] = {}
        self.node: nodes.Node | None = None

    def receive(self, request: discovery_pb2.DiscoveryRequest) -> tuple[effects.Effect, ...]:
        """Take one request and return what follows from it."""
        names = len(request.resource_names)
        if (refusal := requests.refusal(request, self.node is not None, names, self._most_names)) is not None:
            return (refusal,)
        self.node = self.node or nodes.node(request.node)  # C1: later requests may omit it
        state = self._state(request)
        answered = self._multiplex.answer(request.type_url, request.response_nonce, requests.complaint(request))
        if state.flight.is_last(request.response_nonce):
            self._ask(state, request)  # C8: also when it is a NACK
        else:
            state.missed(frozenset(request.resource_names))  # S3, S13: a stale request subscribes to nothing
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

    def _state(self, request: discovery_pb2.DiscoveryRequest) -> _State:
        state = self._states.get(request.type_url)  # C2: everything is separate per type
        if state is None:
            whole = request.type_url in resource_types.WILDCARD_TYPES
            kind = full_set.FullSet if whole else subsets.Subsets
            state = self._states[request.type_url] = kind(request.type_url, self._responses)
            self._multiplex.types[request.type_url] = state
            state.claim(
                request.version_info
            )  # S4: what the client holds from an earlier stream; its nonce means nothing
        return state

    def _ask(self, state: _State, request: discovery_pb2.DiscoveryRequest) -> None:
        wildcards = request.type_url in resource_types.WILDCARD_TYPES
        wanted = subscriptions.listed(state.subscription, request.resource_names, wildcards)
        state.ask(self._pool.shared(wanted), self._multiplex.snapshot)
