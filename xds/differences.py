"""Delta: each response holds only what differs from what the client has, and removals are said.

Law: rule D12, what is not sent stays; so every name is either at the client as the snapshot says, or in the ledger.
"""

from collections.abc import Callable, Iterator, Mapping

from xds import flight, ledger, multiplex, responses, snapshot
from xds import subscription as subscriptions


class Differences:
    """One delta stream's state of a type; `claims` are the name -> version pairs of its first request (rule D11)."""

    __slots__ = (
        "_claims", "_ledger", "_responses", "_type_url", "begun", "flight", "subscription", "waiting", "withdrawing",
    )  # fmt: skip

    def __init__(
        self,
        type_url: str,
        shared: responses.Responses,
        wanted: subscriptions.Subscription,
        claims: Mapping[str, str],
    ) -> None:
        self._type_url = type_url
        self._responses = shared
        self._ledger = ledger.Ledger()
        self._claims: Mapping[str, str] = claims
        self.flight = flight.Flight()
        self.subscription = wanted
        self.begun = False
        self.waiting = False
        self.withdrawing = False

    def ask(self, wanted: subscriptions.Subscription, more: frozenset[str], less: frozenset[str]) -> None:
        """Note a later request: names subscribed to, and unsubscribed from."""
        last, self.subscription = self.subscription, wanted
        # D3: answered even if held; "*" is in the names only of types without a wildcard
        self._ledger.ask(name for name in more - less if name in wanted.names)
        gone = less & last.names  # D4: a phantom unsubscribe changes nothing
        self._ledger.ask(name for name in gone if wanted.covers(name))  # D5: sent again, or removed
        self._ledger.drop(name for name in gone if not wanted.covers(name))  # D4: no answer
        if last.wildcard and not wanted.wildcard:
            strangers = self._ledger.pending.keys() | self._ledger.refused.keys()
            self._ledger.drop(name for name in strangers if not wanted.covers(name))

    def begin(self, held: snapshot.Snapshot, warming: Callable[[], frozenset[str]]) -> None:
        """Compare what the client says it holds with what it should hold (rule D11)."""
        self.begun = True
        claims, self._claims = self._claims, {}
        current = self._confirmed(held, claims) - warming() if claims else frozenset()
        self._ledger.forget(name for name in self._wanted(held, claims) if name not in current)

    def widen(self, held: snapshot.Snapshot) -> None:
        """Note that the wildcard was subscribed to: all is owed, and word of what is on its way but gone meanwhile."""
        self._ledger.ask(self.flight.names.union(held.names(self._type_url)))

    def change(self, old: snapshot.Snapshot, new: snapshot.Snapshot) -> None:
        """Note a new snapshot."""
        self._ledger.change(self._responses.changed(old, new, self._type_url), self.subscription.covers)

    def forget(self, names: frozenset[str]) -> None:
        """Note what a resource just sent waits for (rule C11)."""
        self._ledger.forget(name for name in names if self.subscription.covers(name))

    def updates(self, held: snapshot.Snapshot, behind: bool) -> Iterator[multiplex.Outgoing]:
        """Yield what is new or changed; what was not asked for waits for the answers to what went before."""
        due = self._ledger.due(held, self._type_url).entries
        closed = behind or self.flight.busy
        ready = [entry for entry in due if not closed or self._ledger.urgent(entry.name)]
        self.waiting = len(ready) < len(due)
        self._ledger.settle([entry.name for entry in ready])
        for response in self._responses.delta(self._type_url, ready, self.flight.last):
            yield multiplex.Outgoing(response, response.content.names)

    def removals(self, held: snapshot.Snapshot, free: bool) -> Iterator[multiplex.Outgoing]:
        """Yield names that do not exist: asked for, at once (D8); withdrawn, once nothing needs them (D9, C10)."""
        absent = self._ledger.due(held, self._type_url).absent
        closed = not free or self.flight.busy or self.waiting
        ready = [name for name in absent if not closed or self._ledger.urgent(name)]
        self.withdrawing = len(ready) < len(absent)
        self._ledger.settle(ready)
        if ready:
            yield multiplex.Outgoing(self._responses.withdrawal(self._type_url, ready, self.flight.last), ())

    def acked(self, content: responses.Content) -> None:
        """Do nothing: what was sent is taken to be held until it is refused."""

    def nacked(self, content: responses.Content) -> None:
        """Note content the client refused: not sent again before it changes (rule C8)."""
        self._ledger.refuse(content, self.flight.names, self.subscription.covers)

    def released(self, content: responses.Content) -> None:
        """Do nothing: each resource stands for itself."""

    def holdings(self, held: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        """Yield what the client has accepted and not been sent anything newer for."""
        unsure = self._ledger.pending.keys() | self._ledger.refused.keys() | self.flight.names
        for entry in self.subscription.entries(held, self._type_url) if self.begun else ():
            if entry.name not in unsure:
                yield entry

    def withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names whose removal is held back."""
        return frozenset(name for name in self._ledger.pending if held.get(self._type_url, name) is None)

    def _confirmed(self, held: snapshot.Snapshot, claims: Mapping[str, str]) -> frozenset[str]:
        entries = self.subscription.entries(held, self._type_url)
        return frozenset(entry.name for entry in entries if claims.get(entry.name) == entry.version)

    def _wanted(self, held: snapshot.Snapshot, claims: Mapping[str, str]) -> frozenset[str]:
        if not self.subscription.wildcard:
            return self.subscription.names  # D11: what is claimed is not thereby subscribed to
        return self.subscription.names.union(held.names(self._type_url), claims)  # D11: what vanished is removed
