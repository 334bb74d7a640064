"""One ADS stream: several types side by side, sent in order, parents followed by what they wait for.

Law: what is sent next is a function of the snapshot and of what this client has, is being sent and has answered. Each
change of one of them ends in `flush`, which sends all that may go now; the newest snapshot wins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from xds import effects, flight, resource_types, responses, snapshot
from xds import standing as standings
from xds import subscription as subscriptions


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A response to send, and the names in it that are new or changed for this client."""

    response: responses.Response
    news: tuple[str, ...]


class TypeState(Protocol):
    """What one stream knows of one type; implemented per variant, without any knowledge of other types."""

    @property
    def flight(self) -> flight.Flight:
        """What was sent and not yet answered."""

    @property
    def subscription(self) -> subscriptions.Subscription:
        """What the client asks for."""

    @property
    def begun(self) -> bool:
        """Whether what the client said it holds from an earlier stream was compared with a snapshot."""

    @property
    def waiting(self) -> bool:
        """Whether changes of this type are held back."""

    @property
    def withdrawing(self) -> bool:
        """Whether removals of this type are held back."""

    def begin(self, held: snapshot.Snapshot, warming: Callable[[], frozenset[str]]) -> None:
        """Compare what the client said with the snapshot; the warming names are sent whatever it holds (rule C11)."""

    def change(self, old: snapshot.Snapshot, new: snapshot.Snapshot) -> None:
        """Note a new snapshot."""

    def forget(self, names: frozenset[str]) -> None:
        """Note that the client must be sent those of these names that it subscribes to (rule C11)."""

    def updates(self, held: snapshot.Snapshot, behind: bool) -> Iterable[Outgoing]:
        """Yield what to send now; `behind` says that an earlier type has changes that must go first (rule C10)."""

    def removals(self, held: snapshot.Snapshot, free: bool) -> Iterable[Outgoing]:
        """Yield the removals to send now; `free` says that nothing this client has may still need them (rule C10)."""

    def acked(self, content: responses.Content) -> None:
        """Note that the client accepted this content."""

    def nacked(self, content: responses.Content) -> None:
        """Note that the client refused this content (rule C8)."""

    def released(self, content: responses.Content) -> None:
        """Note that nobody waits for the answer to this content any more."""

    def holdings(self, held: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        """Yield what the client has accepted and not been sent anything newer for."""

    def withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that the snapshot has no more and whose removal is held back."""


class Multiplex:
    """The types of one stream. Types are wholly separate (rule C2) but for the order of sending (C10, C11)."""

    __slots__ = ("_parents", "_responses", "snapshot", "types")

    def __init__(self, shared: responses.Responses) -> None:
        self._responses = shared
        self.snapshot: snapshot.Snapshot | None = None
        self.types: dict[str, TypeState] = {}
        self._parents: dict[str, dict[str, tuple[str, ...] | None]] = {}  # child type -> parent type -> names, or all

    def publish(self, new: snapshot.Snapshot) -> tuple[effects.Effect, ...]:
        """Make this the snapshot to converge to, and return what to send now."""
        old, self.snapshot = self.snapshot, new
        if old is new:
            return ()
        if old is not None:
            for state in self.types.values():
                state.change(old, new)
        return self.flush()

    def answer(self, type_url: str, nonce: str, message: str | None) -> tuple[effects.Effect, ...]:
        """Take note of an ACK, or of a NACK if there is a `message` (C7: never inferred from the version)."""
        state = self.types[type_url]
        content = state.flight.answered(nonce)
        if content is None:
            return ()  # S3, D2: a stale nonce, or a spontaneous request
        if message is None:
            state.acked(content)
            return (effects.Acked(type_url, nonce, content.version, content.names),)
        state.nacked(content)
        return (effects.Nacked(type_url, nonce, content.version, content.names, message),)

    def release(self, nonce: str) -> tuple[effects.Effect, ...]:
        """Stop waiting for the answer to a nonce, and return what may go now."""
        for state in self.types.values():
            if (content := state.flight.release(nonce)) is not None:
                state.released(content)
        return self.flush()

    def flush(self) -> tuple[effects.Effect, ...]:
        """Return all that may be sent now, in push order, removals last (rule C10)."""
        if self.snapshot is None:
            return ()
        return tuple(self._sends(self.snapshot))

    def holdings(self, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what the client has accepted of a type, as far as the current snapshot goes."""
        if self.snapshot is None or type_url not in self.types:
            return {}
        return {entry.name: entry.version for entry in self.types[type_url].holdings(self.snapshot)}

    def standing(self, type_url: str) -> standings.Standing:
        """Return how far the client is with a type."""
        state = self.types.get(type_url)
        if state is None or self.snapshot is None:
            asked = state.subscription if state is not None else subscriptions.Subscription()
            return standings.Standing(asked.wildcard, asked.names)
        marks, asked = state.flight.marks, state.subscription
        settled = state.begun and not marks and self._quiet(type_url)
        return standings.Standing(asked.wildcard, asked.names, marks, state.withdrawn(self.snapshot), settled)

    def _sends(self, held: snapshot.Snapshot) -> Iterator[effects.Effect]:
        for type_url in resource_types.PUSH_ORDER:
            if type_url in self.types:
                yield from self._updates(type_url, held)
        for type_url, users in resource_types.REMOVAL_ORDER:
            if type_url in self.types:
                removals = self.types[type_url].removals(held, all(map(self._quiet, users)))
                yield from (self._sent(type_url, outgoing) for outgoing in removals)

    def _updates(self, type_url: str, held: snapshot.Snapshot) -> Iterator[effects.Effect]:
        state = self.types[type_url]
        if not state.begun:
            parents = self._parents.pop(type_url, {})
            state.begin(held, lambda: _warming(type_url, parents, held))
        behind = any(self.types[earlier].waiting for earlier in self._known(resource_types.BEHIND[type_url]))
        for outgoing in state.updates(held, behind):
            yield self._sent(type_url, outgoing)
            self._warm(type_url, outgoing.news, held)

    def _sent(self, type_url: str, outgoing: Outgoing) -> effects.Send:
        response, content = outgoing.response, outgoing.response.content
        self.types[type_url].flight.sent(response)
        return effects.Send(type_url, response.nonce, content.version, response.data, content.names, content.removed)

    def _quiet(self, type_url: str) -> bool:
        state = self.types.get(type_url)
        return state is None or not (state.waiting or state.withdrawing or state.flight.busy)

    def _known(self, type_urls: Iterable[str]) -> Iterator[str]:
        return (type_url for type_url in type_urls if type_url in self.types)

    def _warm(self, parent: str, news: tuple[str, ...], held: snapshot.Snapshot) -> None:
        # C11: a resource just sent waits for what it names, also where that did not change
        for child in resource_types.WARMED_BY.get(parent, ()):
            state = self.types.get(child)
            if state is not None and state.begun:
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
