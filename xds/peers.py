"""Who is connected, and what each has accepted and refused, in its own words.

Law: one owner, the event loop; what is handed out is immutable. What a peer accepted is asked of its stream when
somebody wants to know, so that a connected peer costs no memory per resource.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from xds import accepted, effects, gate
from xds import standing as standings

_MOST_NACKS: Final = 16
"""Refusals remembered per stream and type, newest last."""


@dataclass(frozen=True, slots=True)
class Nack:
    """A refusal that still stands: `names` are the resources the client's words mention, else all in the response.

    `at` is the time of the clock the server was given, in seconds.
    """

    type_url: str
    names: tuple[str, ...]
    message: str
    nonce: str
    version: str
    at: float


@dataclass(frozen=True, slots=True)
class TypeView:
    """One type on one stream; versions are those of responses, "" where there was none yet.

    `sent_at` and `acked_at` are when these were, in seconds of the server's clock, 0 if never.
    """

    sent: str = ""
    acked: str = ""
    nacks: tuple[Nack, ...] = ()
    sent_at: float = field(default=0.0, compare=False)
    acked_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """One connected stream. `variant` is "sotw" or "delta"; `since` is in seconds of the server's clock."""

    stream: int
    key: Hashable
    node_id: str
    user_agent: str
    version: str
    variant: str
    address: str
    since: float


@dataclass(frozen=True, slots=True)
class PeerView:
    """A peer and, per type URL, how far it is."""

    peer: Peer
    types: Mapping[str, TypeView] = field(default_factory=dict)


Waits = tuple[tuple[gate.Wait, float], ...]
"""What is held back and by what, each with how many seconds it has been."""


class Stream(Protocol):
    """What is asked of a stream when somebody wants to know."""

    def holdings(self, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what the client has accepted of a type and is still current."""

    def standing(self, type_url: str) -> standings.Standing:
        """Return how far the client is with a type."""

    def waits(self) -> Waits:
        """Return what is held back."""

    @property
    def is_current(self) -> bool:
        """Whether it has taken the newest snapshot of its key."""


@dataclass(slots=True)
class _Progress:
    """One type on one stream, as in `TypeView`."""

    sent: str = ""
    acked: str = ""
    nacks: tuple[Nack, ...] = ()
    sent_at: float = 0.0
    acked_at: float = 0.0

    def note(self, effect: effects.Send | effects.Acked | effects.Nacked, at: float) -> None:
        if isinstance(effect, effects.Send):
            content = effect.response.content
            self.sent, self.sent_at = content.version, at
            self._settle(content.removed)
        elif isinstance(effect, effects.Acked):
            self.acked, self.acked_at = effect.version, at
            self._settle(effect.names)
        else:
            nack = Nack(effect.type_url, culprits(effect), effect.message, effect.nonce, effect.version, at)
            self.nacks = (*self.nacks, nack)[-_MOST_NACKS:]

    def _settle(self, names: tuple[str, ...]) -> None:
        # a resource accepted or withdrawn is no longer refused
        if self.nacks:
            self.nacks = tuple(nack for nack in self.nacks if not set(nack.names) <= set(names))

    def view(self) -> TypeView:
        return TypeView(self.sent, self.acked, self.nacks, self.sent_at, self.acked_at)


@dataclass(slots=True)
class _Record:
    peer: Peer
    stream: Stream
    types: dict[str, _Progress] = field(default_factory=dict)

    def view(self) -> PeerView:
        types = {type_url: progress.view() for type_url, progress in self.types.items()}
        return PeerView(self.peer, MappingProxyType(types))


class Peers:
    """The connected peers, by stream number."""

    __slots__ = ("_open", "_records", "_stirred")

    def __init__(self) -> None:
        self._records: dict[int, _Record] = {}
        self._open: Counter[tuple[Hashable, str]] = Counter()
        self._stirred: set[int] | None = None

    def opened(self, peer: Peer, stream: Stream) -> None:
        """Note a stream whose peer is identified."""
        self._stir(peer.stream)
        self._records[peer.stream] = _Record(peer, stream)
        self._open[peer.key, peer.node_id] += 1

    def closed(self, stream: int) -> None:
        """Forget a stream; does nothing if it is not known."""
        record = self._records.pop(stream, None)
        if record is not None:
            self._stir(stream)
            whose = (record.peer.key, record.peer.node_id)
            self._open[whose] -= 1
            if not self._open[whose]:
                del self._open[whose]

    def noted(self, stream: int, effect: effects.Effect, at: float) -> None:
        """Note what was sent to, accepted or refused by a peer."""
        record = self._records.get(stream)
        if record is not None and not isinstance(effect, effects.Refuse):
            progress = record.types.get(effect.type_url)
            if progress is None:
                progress = record.types[effect.type_url] = _Progress()
            progress.note(effect, at)
            self._stir(stream)

    def _stir(self, stream: int) -> None:
        if self._stirred is not None:
            self._stirred.add(stream)

    def stirred(self) -> frozenset[int]:
        """Return the streams that came, went, were sent or said something since this was asked last; at first all.

        For one who asks again and again: nothing is kept until somebody does.
        """
        found = frozenset(self._records) if self._stirred is None else frozenset(self._stirred)
        self._stirred = set()
        return found

    def streams(self, key: Hashable, node_id: str) -> int:
        """Return how many streams a peer has open."""
        return self._open[key, node_id]

    def views(self) -> tuple[PeerView, ...]:
        """Return all connected streams, oldest first."""
        return tuple(record.view() for record in self._records.values())

    def view(self, stream: int) -> PeerView | None:
        """Return one connected stream, None if it is not connected."""
        record = self._records.get(stream)
        return record.view() if record is not None else None

    def is_current(self, stream: int) -> bool:
        """Return whether a peer has been given the newest snapshot there is for it, so that its standing tells all."""
        record = self._records.get(stream)
        return record is not None and record.stream.is_current

    def held(self, stream: int, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what a peer has accepted and is still current; empty for an unknown stream."""
        record = self._records.get(stream)
        return record.stream.holdings(type_url) if record is not None else {}

    def standing(self, stream: int, type_url: str) -> standings.Standing:
        """Return how far a peer is with a type; for an unknown stream, that it asks for nothing."""
        record = self._records.get(stream)
        return record.stream.standing(type_url) if record is not None else standings.Standing()

    def waits(self, stream: int) -> Waits:
        """Return what is held back on a stream, and by what; nothing for an unknown stream."""
        record = self._records.get(stream)
        return record.stream.waits() if record is not None else ()


def culprits(effect: effects.Nacked) -> tuple[str, ...]:
    """Return the resources that the client's words blame, all in the response if they blame none."""
    blamed = accepted.blamed(effect.names, effect.message)
    return tuple(name for name in effect.names if name in blamed) or effect.names
