"""What a stream asks of its state of one type, whichever variant it speaks.

Law: a type knows nothing of other types; what concerns several is the stream's to decide.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from xds import accepted, flight, gate, responses, snapshot
from xds import subscription as subscriptions


class Outgoing(NamedTuple):
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
    def accepted(self) -> accepted.Accepted:
        """What the client has accepted, where that differs from the snapshot."""

    @property
    def waiting(self) -> bool:
        """Whether changes of this type wait for an answer."""

    @property
    def gated(self) -> tuple[snapshot.Entry, ...]:
        """The changed resources that wait for clusters (rule C12)."""

    @property
    def withdrawing(self) -> bool:
        """Whether removals of this type are held back."""

    @property
    def idle(self) -> bool:
        """Whether nothing of this type is or becomes due before something is asked, answered or changed; cheap."""

    def begin(self, held: snapshot.Snapshot, warming: Callable[[], frozenset[str]]) -> None:
        """Compare what the client said with the snapshot; the warming names are sent whatever it holds (rule C11)."""

    def change(self, names: Mapping[str, int], old: snapshot.Snapshot, new: snapshot.Snapshot) -> None:
        """Note a new snapshot; `names` are those whose resource differs from the old one, each with its old mark."""

    def alone(self, entry: snapshot.Entry, held: snapshot.Snapshot) -> responses.Response | None:
        """Return a response that holds a new version of this resource alone, where nothing else is to be said of an
        idle type; otherwise None.
        """

    def forget(self, names: frozenset[str]) -> None:
        """Note that the client must be sent those of these names that it subscribes to (rule C11)."""

    def unsettled(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that changed and are unsent, or sent and waited for."""

    def updates(self, held: snapshot.Snapshot, gates: gate.Gate) -> Iterable[Outgoing]:
        """Yield what to send now of what the gate lets through (rules C10, C12)."""

    def removals(self, held: snapshot.Snapshot, free: Callable[[frozenset[str]], frozenset[str]]) -> Iterable[Outgoing]:
        """Yield the removals to send now; `free` returns those names that nothing needs any more (rule C10)."""

    def acked(self, content: responses.Content, held: snapshot.Snapshot) -> None:
        """Note that the client accepted this content."""

    def nacked(self, content: responses.Content, words: str, held: snapshot.Snapshot) -> None:
        """Note that the client refused this content, in these words (rule C8)."""

    def released(self, content: responses.Content) -> None:
        """Note that nobody waits for the answer to this content any more."""

    def holdings(self, held: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        """Yield what the client has accepted and not been sent anything newer for."""

    def withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that the snapshot has no more and whose removal is held back."""
