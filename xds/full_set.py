"""State of the world, listeners and clusters: each response is the full set of what the client subscribes to.

Law: rule S5, absence deletes; so a set is sent when its digest differs from the one sent last, and only then. What
waits for other resources, or was refused, stands in the set as the client has accepted it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from xds import accepted, flight, gate, resource_types, responses, set_versions, snapshot, type_state
from xds import subscription as subscriptions
from xds.following import ABSENT


class FullSet:
    """One stream's state of a type that is always sent whole."""

    __slots__ = (
        "_asked", "_bad", "_claim", "_dropped", "_instead", "_kept", "_news", "_proven", "_quiet", "_refused",
        "_responses", "_sent", "_sent_news", "_stirred", "_type_url", "_versions", "accepted", "begun", "flight",
        "gated", "subscription", "waiting",
    )  # fmt: skip

    def __init__(self, type_url: str, shared: responses.Responses) -> None:
        self._type_url = type_url
        self._responses = shared
        self.accepted = accepted.Accepted()
        self.flight = flight.Flight()
        self.subscription = subscriptions.Subscription()
        self.begun, self._stirred = False, True  # stirred: something happened since `updates` looked
        self.waiting = False
        self.gated: tuple[snapshot.Entry, ...] = ()
        self._claim = ""
        self._dropped: frozenset[str] = frozenset()  # by stale requests
        self._asked = True  # an answer is owed whatever the client holds
        self._sent = ABSENT  # digest of the set the client was sent last
        self._sent_news: frozenset[str] | None = None
        self._news: frozenset[str] | None = None  # names changed since; None: all
        self._versions = set_versions.SetVersions()
        self._refused: int | None = None  # digest of a set the client NACKed
        self._quiet: int | None = None  # digest of that set without what was refused in it, if nothing is left to say
        self._proven = ABSENT  # digest of the set the client accepted last
        self._bad: dict[str, int] = {}  # name -> mark of what the client refused by name
        self._kept: dict[str, snapshot.Entry] = {}  # withdrawn, but still in the set for the sake of routes
        self._instead: dict[str, snapshot.Entry | None] = {}  # what is in the set where that is not the snapshot's

    @property
    def withdrawing(self) -> bool:
        """Whether withdrawn resources are still in the set."""
        return bool(self._kept)

    @property
    def idle(self) -> bool:
        """Whether nothing is or becomes due before something is asked, answered or changed."""
        open_ = self._asked or self.waiting or self._kept or self._instead or self.accepted.noted
        return self.begun and not (self._stirred or open_)

    def claim(self, version: str) -> None:
        """Note the version in the first request of a stream (rule S4)."""
        self._claim = version

    def ask(self, wanted: subscriptions.Subscription, held: snapshot.Snapshot | None) -> None:
        """Note a subscription; what is newly named is owed an answer, what is dropped is not (rules S7, S8)."""
        self._stirred = True
        last, self.subscription = self.subscription, wanted
        again, self._dropped = wanted.names & self._dropped, frozenset()
        if wanted.wildcard > last.wildcard or not wanted.names <= last.names or again:
            self._asked, self._news = True, None
            self._reconsider(last, again, held)
        elif wanted != last and held is not None and not self._asked:
            self._shrink(last, held)

    def missed(self, names: frozenset[str]) -> None:
        """Note the names in a stale request: those it does not list were dropped, and count as new if still wanted."""
        self._dropped |= self.subscription.names - names

    def begin(self, held: snapshot.Snapshot, _warming: Callable[[], frozenset[str]]) -> None:
        """Skip the first answer if the client proved to hold it: an equal version is an equal set (rule S4)."""
        self.begun = self._stirred = True
        if self._claim == snapshot.version_text(self._digest(held, self.subscription)):
            self._skip(held)
            return
        self._suppose(held)
        if self._kept and self._claim == snapshot.version_text(self._digest(held, self.subscription)):
            self._skip(held)  # only what was withdrawn meanwhile is missing from the snapshot

    def change(self, names: Mapping[str, int], old: snapshot.Snapshot, new: snapshot.Snapshot) -> None:
        """Note a new snapshot, which differs from the old one at these names; withdrawn resources are kept in the set
        where the type says so (rule C10).
        """
        self._stirred = True
        url, covered = self._type_url, [*self.subscription.among(names)]
        busy, sent = self.flight.busy, self.flight.names
        self.accepted.change(covered, old.lookup(url), new.lookup(url), bool(sent))
        self._news = None if self._news is None else self._news.union(covered)
        for name in covered:
            withdrawn = new.get(url, name) is None
            if not withdrawn:
                self._kept.pop(name, None)
            elif url in resource_types.KEPT_UNTIL_UNUSED and name not in self._kept:
                self._keep(name, old.get(url, name) if busy and name in sent else None)

    def alone(self, entry: snapshot.Entry, held: snapshot.Snapshot) -> responses.Response | None:
        """Return None: a set is sent whole."""

    def forget(self, names: frozenset[str]) -> None:
        """Do nothing: nothing waits for a cluster or a listener to be sent again (rule C11)."""

    def unsettled(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that changed and are unsent, or sent and waited for."""
        everything = frozenset(held.names(self._type_url))
        unsent = (everything if self._news is None else self._news) if self.waiting else frozenset[str]()
        sent = (everything if self._sent_news is None else self._sent_news) if self.flight.busy else frozenset[str]()
        return unsent | sent

    def updates(self, held: snapshot.Snapshot, gates: gate.Gate) -> Iterator[type_state.Outgoing]:
        """Yield the set if it differs from what was sent, unless an answer is waited for or others go first."""
        self._stirred = False
        self._substitute(held, gates)
        digest = self._digest(held, self.subscription)
        due = self._due(digest)
        # S5: an answer that lacks what will be there in a moment would delete it
        short = self._asked and bool(self.gated) and gates.soon
        self.waiting = due and (self.flight.busy or short or (gates.behind and not self._asked))
        if due and not self.waiting:
            yield self._outgoing(held, digest)
        elif not due:
            self._asked = False
            self._news = frozenset() if self._refused is None and not self._instead else self._news

    def removals(
        self, held: snapshot.Snapshot, free: Callable[[frozenset[str]], frozenset[str]]
    ) -> Iterable[type_state.Outgoing]:
        """Yield the set without what was withdrawn, once nothing needs it any more (rules C10, S5)."""
        if not self._kept or self.flight.busy or self.waiting:
            return ()
        gone = free(frozenset(self._kept))
        for name in gone:
            del self._kept[name], self._instead[name]
        self.accepted.forget(gone)
        digest = self._digest(held, self.subscription)
        return (self._outgoing(held, digest),) if gone and self._due(digest) else ()

    def acked(self, content: responses.Content, held: snapshot.Snapshot) -> None:
        """Note that the client accepted a set."""
        self._stirred = True
        self._refused = self._quiet = None
        self._proven = snapshot.total(content.marks)
        self._took(content, frozenset(), held)

    def nacked(self, content: responses.Content, words: str, held: snapshot.Snapshot) -> None:
        """Note a set the client refused: it is not sent again before something in it changes (rule C8)."""
        self._stirred, self._refused, self._quiet = True, snapshot.total(content.marks), None
        # which of the changed ones were applied is not known: what they wait for goes out again with the next set
        self._news = None if self._news is None or self._sent_news is None else self._news | self._sent_news
        if blamed := accepted.blamed(content.names, words):
            self._bad |= {entry.name: entry.mark for entry in content.entries if entry.name in blamed}
            self._took(content, blamed, held)
            corrected = (self._applied(entry, held) if entry.name in blamed else entry for entry in content.entries)
            # S4: what was applied goes out at once as a set of its own, so that a version tells it, unless one does
            corrected_digest = snapshot.total(entry.mark for entry in corrected if entry is not None)
            self._quiet = corrected_digest if corrected_digest == self._proven else None
            self._restore(blamed.intersection(self._kept), held)
        else:
            for name in tuple(self.accepted.noted):
                self.accepted.doubt(content.get(name), name, held.get(self._type_url, name))

    def released(self, content: responses.Content) -> None:
        """Do nothing: a set stands for itself."""

    def holdings(self, held: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        """Yield what the client has accepted as the snapshot has it."""
        for entry in self.subscription.entries(held, self._type_url) if self.begun and not self._asked else ():
            if entry.name not in self.accepted.noted:
                yield entry

    def withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that stay in the set for the sake of routes and listeners."""
        return frozenset(self._kept)

    def _due(self, digest: int) -> bool:
        if not self.subscription or digest == self._refused:
            return False  # S11: nothing is subscribed to; C8: the same content is not sent again
        if self._asked:
            return True  # S7: what is newly named
        return digest not in (self._sent, self._quiet)  # C6: never resend what did not change

    def _outgoing(self, held: snapshot.Snapshot, digest: int) -> type_state.Outgoing:
        instead = self._instead
        own = (entry for entry in self.subscription.entries(held, self._type_url) if entry.name not in instead)
        entries = (*own, *(entry for entry in instead.values() if entry is not None))
        version = self._versions.version(digest, self._sent)
        response = self._responses.sotw(self._type_url, version, entries, self.flight.last)
        later = frozenset(name for name in instead if name not in self._kept)
        news = response.content.names if self._news is None else tuple(self._news - later)
        self._asked, self._sent, self._sent_news = False, digest, frozenset(news)
        self._news, self._refused, self._quiet = later, None, None
        return type_state.Outgoing(response, news)

    def _digest(self, held: snapshot.Snapshot, wanted: subscriptions.Subscription) -> int:
        if wanted.wildcard:
            digest = held.digest(self._type_url)
        else:
            digest = self._responses.digest(held, self._type_url, wanted.names)
        if not self._instead:
            return digest
        covered = frozenset(filter(wanted.covers, self._instead))
        absent = snapshot.total(entry.mark for entry in held.select(self._type_url, covered))
        return snapshot.total((digest, -absent, *(e.mark for e in map(self._instead.get, covered) if e is not None)))

    def _substitute(self, held: snapshot.Snapshot, gates: gate.Gate) -> None:
        gated: list[snapshot.Entry] = []
        instead: dict[str, snapshot.Entry | None] = dict(self._kept)
        for name in self.accepted.noted:
            target = held.get(self._type_url, name)
            if target is None or not self.subscription.covers(name):
                continue
            if gates.culprits(target):  # C12
                gated.append(target)
            elif self._bad.get(name) != target.mark:  # C8
                continue
            if (known := self.accepted.exact(name)) is not accepted.UNKNOWN:
                instead[name] = known
        self._instead, self.gated = instead, tuple(gated)
        self._bad = {name: mark for name, mark in self._bad.items() if held.mark(self._type_url, name) == mark}

    def _skip(self, held: snapshot.Snapshot) -> None:
        self._asked, self._news, self._sent = False, frozenset(), self._digest(held, self.subscription)
        self._versions.has(self._sent)
        self._proven = self._sent

    def _suppose(self, held: snapshot.Snapshot) -> None:
        # S4: the version an earlier stream ended with tells what the client holds, if it is remembered
        known = self._responses.full_set(self._type_url, self._claim) if self._claim else None
        had = dict(zip(known.names, known.entries, strict=True)) if known is not None else {}
        unknown = accepted.PERHAPS if self._claim and known is None else accepted.NOTHING
        for name in {*had, *(entry.name for entry in self.subscription.entries(held, self._type_url))}:
            if self.subscription.covers(name):
                target = held.get(self._type_url, name)
                self.accepted.take(name, (had[name],) if name in had else unknown, target)
                if target is None and self._type_url in resource_types.KEPT_UNTIL_UNUSED:
                    self._keep(name, None)

    def _keep(self, name: str, sent: snapshot.Entry | None) -> None:
        # what the client has, or else what it is being sent
        entry = self.accepted.exact(name) if name in self.accepted.noted else None
        if entry is None or entry is accepted.UNKNOWN:
            entry = sent
        if entry is not None:
            self._kept[name] = self._instead[name] = entry
        elif sent is None:
            self.accepted.forget((name,))

    def _reconsider(
        self, last: subscriptions.Subscription, again: frozenset[str], held: snapshot.Snapshot | None
    ) -> None:
        # S7: what was not asked for before is not there, or so it must be taken
        if not self.begun or held is None:
            return
        named = frozenset(held.names(self._type_url)) if self.subscription.wildcard else self.subscription.names
        for name in named:
            if not last.covers(name):
                self.accepted.take(name, accepted.NOTHING, held.get(self._type_url, name))
            elif name in again:
                self.accepted.take(name, accepted.PERHAPS, held.get(self._type_url, name))

    def _applied(self, refused: snapshot.Entry, held: snapshot.Snapshot) -> snapshot.Entry | None:
        if refused.name not in self.accepted.noted:
            return held.get(self._type_url, refused.name)
        known = self.accepted.exact(refused.name)
        return known if known is not accepted.UNKNOWN else refused

    def _restore(self, refused: frozenset[str], held: snapshot.Snapshot) -> None:
        # C8: what was withdrawn when it was refused is kept as it was before, if it was there
        for name in refused:
            entry = self._applied(self._kept.pop(name), held)
            if entry is not None:
                self._kept[name] = entry
            else:
                self.accepted.forget((name,))

    def _took(self, content: responses.Content, blamed: frozenset[str], held: snapshot.Snapshot) -> None:
        later = self.flight.contents
        for name in tuple(self.accepted.noted):
            entry = content.get(name)
            if name in blamed or not all(each.get(name) for each in later):
                continue  # not applied, or about to be withdrawn
            self.accepted.take(name, (entry,), held.get(self._type_url, name))

    def _shrink(self, last: subscriptions.Subscription, held: snapshot.Snapshot) -> None:
        settled = self._refused is None and self._sent == self._digest(held, last)
        covers = self.subscription.covers
        self._kept = {name: entry for name, entry in self._kept.items() if covers(name)}
        self._instead = {name: entry for name, entry in self._instead.items() if covers(name)}
        self.accepted.forget([name for name in self.accepted.noted if not covers(name)])
        if not self.subscription:
            self._refused = None  # S11, S7: whatever is asked for next is new
        if settled:
            self._sent = self._digest(held, self.subscription)  # S8: dropping a name needs no answer
