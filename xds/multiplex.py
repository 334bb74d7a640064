"""One ADS stream: several types side by side, sent in order, parents followed by what they wait for.

Law: what is sent next is a function of the snapshot and of what this client has, is being sent and has answered. Each
change of one of them ends in `flush`, which sends all that may go now; the newest snapshot wins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

from xds import effects, gate, requests, resource_types, responses, rest, snapshot, type_state
from xds import node as nodes
from xds import standing as standings
from xds import subscription as subscriptions

_EMPTY: Final = snapshot.Snapshot.of()


S = TypeVar("S", bound=type_state.TypeState)


class Multiplex(Generic[S]):
    """The types of one stream. Types are wholly separate (rule C2) but for the order of sending (C10, C11).

    Both variants are made of it, and differ in what a request means.
    """

    __slots__ = ("_busy", "_parents", "_responses", "_rest", "node", "snapshot", "types")

    def __init__(self, shared: responses.Responses) -> None:
        self._responses = shared
        self.node: nodes.Node | None = None
        self.snapshot: snapshot.Snapshot | None = None
        self.types: dict[str, S] = {}
        self._busy: set[str] = set()  # all types that are not idle, and perhaps others
        self._rest = rest.Rest()
        self._parents: dict[str, dict[str, tuple[str, ...] | None]] = {}  # child type -> parent type -> names, or all

    def publish(self, new: snapshot.Snapshot) -> tuple[effects.Effect, ...]:
        """Make this the snapshot to converge to, and return what to send now."""
        old, self.snapshot = self.snapshot, new
        if old is new:
            return ()
        if old is None:
            return self.flush()
        changes = self._responses.changes(old, new)
        single = self._responses.single(changes, old, new) if not (self._busy or self._rest) else None
        if single is not None and (sent := self._only(single, new)) is not None:
            return (sent,)
        for type_url, names in changes.items():
            if (state := self.types.get(type_url)) is not None:
                self._busy.add(type_url)
                state.change(names, old, new)
        return self.flush()

    def _only(self, change: responses.Single, held: snapshot.Snapshot) -> effects.Send | None:
        """Return what `flush` would after this change, at a fraction of its cost, where it is what most changes are: a
        new version of one resource, for a client that waits for nothing. None in any other case.
        """
        type_url, name, before, entry = change
        state = self.types.get(type_url)
        if state is None or not self._is_open(type_url, held):
            return None
        known = name not in state.accepted.noted and state.subscription.covers(name)
        response = state.alone(entry, held) if known else None
        if response is None:
            return None
        state.accepted.noted[name] = (before,)
        return self._sent(type_url, response)

    def _is_open(self, type_url: str, held: snapshot.Snapshot) -> bool:
        """Return whether resources of a type go out at once, and nothing has to be sent with them."""
        is_busy = self.types[type_url].flight.busy or type_url in resource_types.WARMED_BY
        return not is_busy and self._gate(type_url, held) is gate.OPEN

    def answer(self, type_url: str, nonce: str, message: str | None) -> tuple[effects.Effect, ...]:
        """Take note of an ACK, or of a NACK if there is a `message` (C7: never inferred from the version)."""
        state = self.types[type_url]
        self._busy.add(type_url)
        content = state.flight.answered(nonce)
        if content is None:
            return ()  # S3, D2: a stale nonce, or a spontaneous request
        if message is None:
            state.acked(content, self._snapshot)
            older = state.accepted.noted  # or newer than what was accepted just now
            names = tuple(name for name in content.names if name not in older) if older else content.names
            return (effects.Acked(type_url, nonce, content.version, names),)
        state.nacked(content, message, self._snapshot)
        return (effects.Nacked(type_url, nonce, content.version, content.names, message[: requests.MOST_WORDS]),)

    def release(self, nonce: str) -> tuple[effects.Effect, ...]:
        """Stop waiting for the answer to a nonce, and return what may go now."""
        for type_url, state in self.types.items():
            if (content := state.flight.release(nonce)) is not None:
                self._busy.add(type_url)
                state.released(content)
        return self.flush()

    def flush(self) -> tuple[effects.Effect, ...]:
        """Return all that may be sent now, in push order, removals last (rule C10)."""
        self._busy = {type_url for type_url in self._busy if not self.types[type_url].idle}
        if self.snapshot is None or not (self._busy or self._rest):
            return ()
        return tuple(self._sends(self.snapshot))

    def holdings(self, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what the client has accepted of a type, as far as the current snapshot goes."""
        if self.snapshot is None or type_url not in self.types:
            return {}
        return {entry.name: entry.version for entry in self.types[type_url].holdings(self.snapshot)}

    @property
    def held_back(self) -> bool:
        """Whether anything waits for clusters or for what still names a withdrawn resource."""
        for type_url in self._busy:
            state = self.types[type_url]
            if state.gated or state.withdrawing:
                return True
        return False

    def waits(self) -> tuple[gate.Wait, ...]:
        """Return what is held back, and by what."""
        return tuple(self._waits(self.snapshot)) if self.snapshot is not None and self.held_back else ()

    @property
    def resting(self) -> bool:
        """Whether withdrawn resources that nothing needs any more are left in place for a while."""
        return self._rest.resting

    def rests(self) -> None:
        """From now on leave withdrawn clusters in place for a while, until `rested` is called twice."""
        self._rest = rest.Rest(patient=True)

    def rested(self) -> tuple[effects.Effect, ...]:
        """Note that a while has passed, and return what may go now."""
        self._rest = self._rest.later()
        return self.flush()

    def standing(self, type_url: str) -> standings.Standing:
        """Return how far the client is with a type."""
        state = self.types.get(type_url)
        if state is None or self.snapshot is None:
            asked = state.subscription if state is not None else subscriptions.Subscription()
            return standings.Standing(asked.wildcard, asked.names)
        marks, asked = state.flight.marks, state.subscription
        settled = state.begun and not marks and self._quiet(type_url)
        return standings.Standing(asked.wildcard, asked.names, marks, state.withdrawn(self.snapshot), settled)

    @property
    def _snapshot(self) -> snapshot.Snapshot:
        return self.snapshot if self.snapshot is not None else _EMPTY

    def _sends(self, held: snapshot.Snapshot) -> Iterator[effects.Effect]:
        for type_url in resource_types.PUSH_ORDER:
            if type_url in self._busy:
                yield from self._updates(type_url, held)
        if self._rest:
            self._rest = self._rest.among(self._withdrawn(held))  # what came back rests no more
        for type_url in resource_types.REMOVAL_ORDER:
            if type_url in self._busy and not self.types[type_url].idle:
                for outgoing in self.types[type_url].removals(held, self._free(type_url, held)):
                    yield self._sent(type_url, outgoing.response)

    def _withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        kept = (self.types[url] for url in resource_types.KEPT_UNTIL_UNUSED if url in self.types)
        return frozenset().union(*(state.withdrawn(held) for state in kept))

    def _free(self, type_url: str, held: snapshot.Snapshot) -> Callable[[frozenset[str]], frozenset[str]]:
        def free(names: frozenset[str]) -> frozenset[str]:
            unused = gate.unused(names, type_url, held, self.types)
            if type_url not in resource_types.KEPT_UNTIL_UNUSED:
                return unused
            self._rest = self._rest.of(unused)
            return self._rest.over(unused)

        return free

    def _updates(self, type_url: str, held: snapshot.Snapshot) -> Iterator[effects.Effect]:
        state = self.types[type_url]
        if not state.begun:
            parents = self._parents.pop(type_url, {})
            state.begin(held, lambda: _warming(type_url, parents, held))
        for outgoing in state.updates(held, self._gate(type_url, held)):
            yield self._sent(type_url, outgoing.response)
            if type_url in resource_types.WARMED_BY:
                self._warm(type_url, outgoing.news, held)

    def _gate(self, type_url: str, held: snapshot.Snapshot) -> gate.Gate:
        if type_url not in resource_types.GATED:
            return gate.OPEN
        # C10: parts do not overtake the listeners that they may belong to
        listeners = self.types.get(resource_types.LISTENER) if type_url in resource_types.PARTS else None
        clusters = self.types.get(resource_types.CLUSTER)
        return gate.gate(held, clusters, listeners is not None and listeners.waiting)

    def _waits(self, held: snapshot.Snapshot) -> Iterator[gate.Wait]:
        for type_url, state in self.types.items():
            for entry in state.gated:
                yield gate.Wait(type_url, entry.name, tuple(sorted(self._gate(type_url, held).culprits(entry))))
            behind: dict[str, set[snapshot.ResourceName]] = {name: set() for name in state.withdrawn(held)}
            for name, user in gate.users(behind.keys(), type_url, held, self.types):
                behind[name].add(user)
            yield from (gate.Wait(type_url, name, tuple(sorted(users))) for name, users in behind.items())

    def _sent(self, type_url: str, response: responses.Response) -> effects.Send:
        self.types[type_url].flight.sent(response)
        return effects.Send(response)

    def _quiet(self, type_url: str) -> bool:
        state = self.types.get(type_url)
        return state is None or not (state.waiting or state.gated or state.withdrawing or state.flight.busy)

    def _warm(self, parent: str, news: tuple[str, ...], held: snapshot.Snapshot) -> None:
        # C11: a resource just sent waits for what it names, also where that did not change
        for child in resource_types.WARMED_BY[parent]:
            state = self.types.get(child)
            if state is not None and state.begun:
                self._busy.add(child)
                state.forget(_named(held, parent, news, child))
            else:
                parents = self._parents.setdefault(child, {})
                parents[parent] = None if parent in parents else news


def _warming(child: str, parents: Mapping[str, tuple[str, ...] | None], held: snapshot.Snapshot) -> frozenset[str]:
    groups = ((parent, names if names is not None else held.names(parent)) for parent, names in parents.items())
    return frozenset().union(*(_named(held, parent, names, child) for parent, names in groups))


def _named(held: snapshot.Snapshot, parent: str, news: Iterable[str], child: str) -> frozenset[str]:
    references = (entry.references for entry in held.select(parent, frozenset(news)))
    return frozenset(name for several in references for type_url, name in several if type_url == child)
