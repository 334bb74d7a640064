"""Delta: each response holds only what differs from what the client has, and removals are said.

Law: rule D12, what is not sent stays; so every name is either at the client as the snapshot says, or in the ledger.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from xds import accepted, flight, gate, ledger, responses, snapshot, type_state
from xds import subscription as subscriptions


class Differences:
    """One delta stream's state of a type; `claims` are the name -> version pairs of its first request (rule D11)."""

    __slots__ = (
        "_answered", "_claims", "_ledger", "_responses", "_type_url", "accepted", "begun", "flight", "gated",
        "subscription", "waiting", "withdrawing",
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
        self._answered = (
            bool(claims) or not wanted.wildcard
        )  # C14: who asks for all and holds nothing is owed an answer
        self.accepted = accepted.Accepted()
        self.flight = flight.Flight()
        self.subscription = wanted
        self.begun = False
        self.waiting = False
        self.gated: tuple[snapshot.Entry, ...] = ()
        self.withdrawing = False

    @property
    def idle(self) -> bool:
        """Whether nothing is or becomes due before something is asked, answered or changed."""
        busy = self._ledger.pending or self.waiting or self.gated or self.withdrawing
        return not busy and self.begun and self._answered

    def ask(
        self,
        wanted: subscriptions.Subscription,
        more: frozenset[str],
        less: frozenset[str],
        held: snapshot.Snapshot | None,
    ) -> None:
        """Note a later request: names subscribed to, and unsubscribed from."""
        last, self.subscription = self.subscription, wanted
        if self.begun and held is not None:
            self._reconsider(last, more, less, held)
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
        current = self._confirmed(held, claims) if claims else frozenset[str]()
        warm = current & warming() if current else frozenset[str]()
        for name in self._wanted(held, claims) - current:
            versions = accepted.SOMETHING if name in claims else accepted.NOTHING
            self.accepted.take(name, versions, held.get(self._type_url, name))
            if name in self.subscription.names or held.get(self._type_url, name) is not None:
                self._ledger.ask((name,))
            else:
                self._ledger.vanish(name, snapshot.mark(name, claims[name]))  # C10: what still names it goes first
        self._ledger.forget(warm)

    def widen(self, held: snapshot.Snapshot) -> None:
        """Note that the wildcard was subscribed to: all is owed, and word of what is on its way but gone meanwhile."""
        self._ledger.ask(self.flight.names.union(held.names(self._type_url)))

    def change(self, names: Mapping[str, int], old: snapshot.Snapshot, new: snapshot.Snapshot) -> None:
        """Note a new snapshot, which differs from the old one at these names."""
        changed = self.subscription.among(names)
        if changed:
            self.accepted.change(changed, old.lookup(self._type_url), new.lookup(self._type_url), moving=False)
            self._ledger.change(changed)

    def alone(self, entry: snapshot.Entry, held: snapshot.Snapshot) -> responses.Response | None:
        """Return a response that holds this resource alone."""
        return self._responses.alone(self._type_url, entry, self.flight.last)

    def forget(self, names: frozenset[str]) -> None:
        """Note what a resource just sent waits for (rule C11)."""
        self._ledger.forget(name for name in names if self.subscription.covers(name))

    def unsettled(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that changed and are unsent, or sent and waited for."""
        return self.flight.waited_for.union(self._ledger.pending)

    def updates(self, held: snapshot.Snapshot, gates: gate.Gate) -> Iterator[type_state.Outgoing]:
        """Yield what is new or changed; what was not asked for waits for the answers to what went before."""
        due = self._ledger.due(held, self._type_url).entries
        self.gated = gates.gated(due)  # C12
        going = [entry for entry in due if entry not in self.gated] if self.gated else due
        closed = gates.behind or self.flight.busy
        ready = [entry for entry in going if self._ledger.urgent(entry.name)] if closed else going
        self.waiting = len(ready) < len(going)
        self._ledger.settle([entry.name for entry in ready])
        for response in self._responses.delta(self._type_url, ready, self.flight.last):
            yield type_state.Outgoing(response, response.content.names)
        if not (self._answered or due):  # Envoy starts no sooner than it is told that there is nothing
            yield type_state.Outgoing(self._responses.withdrawal(self._type_url, (), self.flight.last), ())
        self._answered = self._answered or not (self.waiting or self.gated)

    def removals(
        self, held: snapshot.Snapshot, free: Callable[[frozenset[str]], frozenset[str]]
    ) -> Iterator[type_state.Outgoing]:
        """Yield names that do not exist: asked for, at once (D8); withdrawn, once nothing needs them (D9, C10)."""
        absent = self._ledger.due(held, self._type_url).absent
        asked = [name for name in absent if self._ledger.asked(name)]
        closed = self.flight.busy or self.waiting
        others = frozenset(absent).difference(asked)
        ready = [*asked, *(free(others) if others and not closed else ())]
        self.withdrawing = len(ready) < len(absent)
        self._ledger.settle(ready)
        self.accepted.forget(ready)
        if ready:
            yield type_state.Outgoing(self._responses.withdrawal(self._type_url, ready, self.flight.last), ())

    def acked(self, content: responses.Content, held: snapshot.Snapshot) -> None:
        """Note what the client holds now."""
        self._took(content.entries, held)

    def nacked(self, content: responses.Content, words: str, held: snapshot.Snapshot) -> None:
        """Note content the client refused: not sent again before it changes (rule C8)."""
        blamed = accepted.blamed(content.names, words) or frozenset(content.names)
        refused = [entry for entry in content.entries if entry.name in blamed]
        self._ledger.refuse(refused, self.flight.marks, self.subscription.covers)
        self._took([entry for entry in content.entries if entry.name not in blamed], held)
        if len(refused) == len(content.entries) > 1:
            for entry in refused:  # nobody says which of them were applied
                self.accepted.doubt(entry, entry.name, held.get(self._type_url, entry.name))

    def released(self, content: responses.Content) -> None:
        """Do nothing: each resource stands for itself."""

    def holdings(self, held: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        """Yield what the client has accepted and not been sent anything newer for."""
        unsure = (
            self._ledger.pending.keys() | self._ledger.refused.keys() | self.accepted.noted.keys() | self.flight.names
        )
        for entry in self.subscription.entries(held, self._type_url) if self.begun else ():
            if entry.name not in unsure:
                yield entry

    def withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names whose removal is held back."""
        return frozenset(name for name in self._ledger.pending if held.get(self._type_url, name) is None)

    def _took(self, entries: Iterable[snapshot.Entry], held: snapshot.Snapshot) -> None:
        gone = self.flight.removed  # withdrawn since: when the client hears of anything newer, it holds them no more
        for entry in entries:
            if self.subscription.covers(entry.name) and entry.name not in gone:
                self.accepted.take(entry.name, (entry,), held.get(self._type_url, entry.name))

    def _reconsider(
        self, last: subscriptions.Subscription, more: frozenset[str], less: frozenset[str], held: snapshot.Snapshot
    ) -> None:
        # what was not asked for is not there, and what is asked for no longer is nobody's concern
        widened = self.subscription.wildcard and not last.wildcard
        for name in {*more, *held.names(self._type_url)} if widened else more:
            if self.subscription.covers(name) and not last.covers(name):
                self.accepted.take(name, accepted.NOTHING, held.get(self._type_url, name))
        narrowed = last.wildcard and not self.subscription.wildcard
        strangers = {*less, *self.accepted.noted} if narrowed else less
        self.accepted.forget([name for name in strangers if not self.subscription.covers(name)])

    def _confirmed(self, held: snapshot.Snapshot, claims: Mapping[str, str]) -> frozenset[str]:
        entries = self.subscription.entries(held, self._type_url)
        return frozenset(entry.name for entry in entries if claims.get(entry.name) == entry.version)

    def _wanted(self, held: snapshot.Snapshot, claims: Mapping[str, str]) -> frozenset[str]:
        if not self.subscription.wildcard:
            return self.subscription.names  # D11: what is claimed is not thereby subscribed to
        return self.subscription.names.union(held.names(self._type_url), claims)  # D11: what vanished is removed
