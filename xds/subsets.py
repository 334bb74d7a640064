"""State of the world, endpoints, routes and secrets: a response may hold any part of what the client subscribes to.

Law: rule S4, the version of a response is the digest of what the client holds of its subscription once it has accepted
it. An equal version in the first request of a later stream therefore proves that the client holds exactly that. To
keep it true, one response of a type is in flight at a time, and what is not proven to be held is not counted. One case
such a version cannot tell: a name dropped and asked for again whose stream died before the answer. Names follow the
listeners and clusters that hold them, so the versions of these see to it (`full_set`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from xds import accepted, flight, gate, ledger, resource_types, responses, snapshot, type_state
from xds import subscription as subscriptions
from xds.following import ABSENT


class Subsets:
    """One stream's state of a type that is sent by and by."""

    __slots__ = (
        "_claim", "_dropped", "_ledger", "_responses", "_type_url", "_unproven", "accepted", "begun", "flight", "gated",
        "subscription", "waiting",
    )  # fmt: skip

    withdrawing = False  # S6: absence deletes nothing, so there are no removals

    def __init__(self, type_url: str, shared: responses.Responses) -> None:
        self._type_url = type_url
        self._responses = shared
        self._ledger = ledger.Ledger()
        self._unproven: set[str] = set()  # sent, but nobody waits for the answer any more
        self._dropped: frozenset[str] = frozenset()  # by stale requests
        self._claim = ""
        self.accepted = accepted.Accepted()
        self.gated: tuple[snapshot.Entry, ...] = ()
        self.flight = flight.Flight()
        self.subscription = subscriptions.Subscription()
        self.begun = False
        self.waiting = False

    @property
    def idle(self) -> bool:
        """Whether nothing is or becomes due before something is asked, answered or changed."""
        return self.begun and not (self._ledger.pending or self.waiting or self.gated)

    def claim(self, version: str) -> None:
        """Note the version in the first request of a stream (rule S4)."""
        self._claim = version

    def ask(self, wanted: subscriptions.Subscription, held: snapshot.Snapshot | None) -> None:
        """Note a subscription; what is newly named is owed an answer, what is dropped is not (rules S7, S8)."""
        last, self.subscription = self.subscription, wanted
        if wanted == last and not self._dropped:
            return
        if self.begun and held is not None:
            for name in wanted.names - last.names:
                self.accepted.take(name, accepted.NOTHING, held.get(self._type_url, name))
            self._ledger.ask((wanted.names - last.names) | (wanted.names & self._dropped))
        self._ledger.drop(last.names - wanted.names)
        self.accepted.forget(last.names - wanted.names)
        self._unproven &= wanted.names
        self._dropped = frozenset()

    def asks_for(self, names: Iterable[str]) -> bool:
        """Say whether to ask for exactly these names would change nothing."""
        return not self._dropped and self.subscription.names == frozenset(names)

    def missed(self, names: frozenset[str]) -> None:
        """Note the names in a stale request: those it does not list were dropped, and count as new if still wanted."""
        self._dropped |= self.subscription.names - names

    def begin(self, held: snapshot.Snapshot, warming: Callable[[], frozenset[str]]) -> None:
        """Skip what the client proved to hold (rule S4), but not what a resource just sent waits for (rule C11)."""
        self.begun = True
        names = self.subscription.names
        proven = self._claim == snapshot.version_text(self._responses.digest(held, self._type_url, names))
        self._ledger.ask(names & warming() if proven else names)
        versions = accepted.PERHAPS if self._claim else accepted.NOTHING
        for name in () if proven else names:
            self.accepted.take(name, versions, held.get(self._type_url, name))

    def change(self, names: Mapping[str, int], old: snapshot.Snapshot, new: snapshot.Snapshot) -> None:
        """Note a new snapshot, which differs from the old one at these names."""
        changed = self.subscription.among(names)
        if changed:
            self.accepted.change(changed, old.lookup(self._type_url), new.lookup(self._type_url), moving=False)
            self._ledger.change(changed)

    def alone(self, entry: snapshot.Entry, held: snapshot.Snapshot) -> responses.Response | None:
        """Return a response that holds this resource alone; None where its version is not that of the snapshot."""
        if self._ledger.refused or self._unproven:
            return None
        version = self._responses.version(held, self._type_url, self.subscription.names)
        return self._responses.sotw(self._type_url, version, (entry,), self.flight.last)

    def forget(self, names: frozenset[str]) -> None:
        """Note what a resource just sent waits for (rule C11)."""
        self._ledger.forget(names & self.subscription.names)

    def unsettled(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that changed and are unsent, or sent and waited for."""
        return self.flight.waited_for.union(self._ledger.pending)

    def updates(self, held: snapshot.Snapshot, gates: gate.Gate) -> Iterator[type_state.Outgoing]:
        """Yield the next response, unless an answer is waited for; the others follow when it is accepted or refused."""
        due = self._ledger.due(held, self._type_url)
        self._ledger.settle(due.absent)  # S12: there is no way to say "does not exist"; C9: it is sent when it appears
        self.gated = gates.gated(due.entries)  # C12
        going = [entry for entry in due.entries if entry not in self.gated] if self.gated else due.entries
        ready = [entry for entry in going if not gates.behind or self._ledger.urgent(entry.name)]
        if ready and not self.flight.busy:
            yield self._outgoing(held, self._next(ready))
        self.waiting = any(entry.name in self._ledger.pending for entry in going)

    def removals(
        self, _held: snapshot.Snapshot, _free: Callable[[frozenset[str]], frozenset[str]]
    ) -> Iterable[type_state.Outgoing]:
        """Return nothing: deletion follows the parent (rule S6)."""
        return ()

    def acked(self, content: responses.Content, held: snapshot.Snapshot) -> None:
        """Note that the client holds this content."""
        self._unproven.difference_update(content.names)
        self._took(content.entries, held)

    def nacked(self, content: responses.Content, words: str, held: snapshot.Snapshot) -> None:
        """Note content the client refused: not sent again before it changes (rule C8)."""
        # the good ones may have been dropped in silence: only a single resource is told by name
        self._ledger.refuse(content.entries, self.flight.marks, self.subscription.covers)
        for entry in content.entries if len(content.entries) > 1 else ():
            self.accepted.doubt(entry, entry.name, held.get(self._type_url, entry.name))

    def released(self, content: responses.Content) -> None:
        """Count this content no longer as held."""
        self._unproven.update(name for name in content.names if self.subscription.covers(name))

    def holdings(self, held: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        """Yield what the client has accepted and not been sent anything newer for."""
        unsure = self._ledger.pending.keys() | self._ledger.refused.keys() | self._unproven | self.flight.names
        unsure |= self.accepted.noted.keys()
        if self.begun:
            yield from held.select(self._type_url, self.subscription.names - unsure)

    def withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return nothing: absence deletes nothing (rule S6)."""
        return frozenset()

    def _took(self, entries: Iterable[snapshot.Entry], held: snapshot.Snapshot) -> None:
        for entry in entries:
            if self.subscription.covers(entry.name):
                self.accepted.take(entry.name, (entry,), held.get(self._type_url, entry.name))

    def _next(self, ready: list[snapshot.Entry]) -> responses.Entries:
        if self._type_url in resource_types.ONE_PER_RESPONSE:
            return (min(ready, key=lambda entry: entry.name),)
        return self._responses.first_batch(ready)

    def _outgoing(self, held: snapshot.Snapshot, entries: responses.Entries) -> type_state.Outgoing:
        names = tuple(entry.name for entry in entries)
        self._ledger.settle(names)
        self._unproven.difference_update(names)
        version = snapshot.version_text(self._held(held))
        return type_state.Outgoing(self._responses.sotw(self._type_url, version, entries, self.flight.last), names)

    def _held(self, held: snapshot.Snapshot) -> int:
        # all that is subscribed, less what is not proven to be there, plus what is there in an older version
        pending, refused = self._ledger.pending, self._ledger.refused
        everything = self._responses.digest(held, self._type_url, self.subscription.names)
        unsure = pending.keys() | refused.keys() | self._unproven
        missing = snapshot.total(entry.mark for entry in held.select(self._type_url, frozenset(unsure)))
        proven = (
            pending.items()
            if not self._unproven
            else [item for item in pending.items() if item[0] not in self._unproven]
        )
        return everything - missing + snapshot.total(mark for _, mark in proven if mark > ABSENT)
