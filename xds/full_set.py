"""State of the world, listeners and clusters: each response is the full set of what the client subscribes to.

Law: rule S5, absence deletes; so a set is sent when its digest differs from the one sent last, and only then.
"""

import bisect
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from xds import flight, multiplex, resource_types, responses, snapshot
from xds import subscription as subscriptions

_RETURNED: Final = "+"
"""Ends the version of a set that was replaced and came back on the same stream."""

_MOST_SEEN: Final = 256
"""Sets remembered per stream and type; further ones are taken to have been there."""


class FullSet:
    """One stream's state of a type that is always sent whole."""

    __slots__ = (
        "_asked", "_claim", "_content", "_dropped", "_kept", "_news", "_refused", "_responses", "_seen", "_sent",
        "_sent_news", "_type_url", "begun", "flight", "subscription", "waiting",
    )  # fmt: skip

    def __init__(self, type_url: str, shared: responses.Responses) -> None:
        self._type_url = type_url
        self._responses = shared
        self.flight = flight.Flight()
        self.subscription = subscriptions.Subscription()
        self.begun = False
        self.waiting = False
        self._claim = ""
        self._dropped: frozenset[str] = frozenset()  # by stale requests
        self._asked = True  # an answer is owed whatever the client holds
        self._sent = snapshot.ABSENT  # digest of the set the client was sent last
        self._sent_news: frozenset[str] | None = None
        self._content: responses.Content | None = None  # that set; None: skipped, the client had it already
        self._news: frozenset[str] | None = None  # names changed since; None: all
        self._seen: set[int] = set()  # digests of all sets the client had on this stream
        self._refused: int | None = None  # digest of a set the client NACKed
        self._kept: dict[str, snapshot.Entry] = {}  # withdrawn, but still in the set for the sake of routes

    @property
    def withdrawing(self) -> bool:
        """Whether withdrawn resources are still in the set."""
        return bool(self._kept)

    def claim(self, version: str) -> None:
        """Note the version in the first request of a stream (rule S4)."""
        self._claim = version

    def ask(self, wanted: subscriptions.Subscription, held: snapshot.Snapshot | None) -> None:
        """Note a subscription; what is newly named is owed an answer, what is dropped is not (rules S7, S8)."""
        last, self.subscription = self.subscription, wanted
        again, self._dropped = wanted.names & self._dropped, frozenset()
        if wanted.wildcard > last.wildcard or not wanted.names <= last.names or again:
            self._asked, self._news = True, None
        elif wanted != last and held is not None and not self._asked:
            self._shrink(last, held)

    def missed(self, names: frozenset[str]) -> None:
        """Note the names in a stale request: those it does not list were dropped, and count as new if still wanted."""
        self._dropped |= self.subscription.names - names

    def begin(self, held: snapshot.Snapshot, _warming: Callable[[], frozenset[str]]) -> None:
        """Skip the first answer if the client proved to hold it: an equal version is an equal set (rule S4)."""
        self.begun = True
        if self._claim == snapshot.version_text(self._digest(held, self.subscription)):
            self._asked, self._news, self._sent = False, frozenset(), self._digest(held, self.subscription)
            self._seen.add(self._sent)

    def change(self, old: snapshot.Snapshot, new: snapshot.Snapshot) -> None:
        """Note a new snapshot, keeping withdrawn resources in the set where the type says so (rule C10)."""
        changed = {name for name in self._responses.changed(old, new, self._type_url) if self.subscription.covers(name)}
        self._news = None if self._news is None else self._news | changed
        for name in changed:
            self._kept.pop(name, None)
        if self._type_url in resource_types.KEPT_UNTIL_UNUSED and not self._asked:
            self._kept |= {entry.name: entry for entry in self._withdrawn(changed, old, new)}

    def forget(self, names: frozenset[str]) -> None:
        """Do nothing: no resource waits for a cluster or a listener to be sent again (rule C11)."""

    def updates(self, held: snapshot.Snapshot, behind: bool) -> Iterator[multiplex.Outgoing]:
        """Yield the set if it differs from what was sent, unless an answer is waited for or others go first."""
        digest = self._digest(held, self.subscription)
        due = self._due(digest)
        self.waiting = due and (self.flight.busy or (behind and not self._asked))
        if due and not self.waiting:
            yield self._outgoing(held, digest)
        elif not due:
            self._asked = False
            self._news = frozenset() if self._refused is None else self._news

    def removals(self, held: snapshot.Snapshot, free: bool) -> Iterable[multiplex.Outgoing]:
        """Yield the set without what was withdrawn, once nothing needs it any more (rules C10, S5)."""
        if not (self._kept and free) or self.flight.busy or self.waiting:
            return ()
        self._kept.clear()
        return self.updates(held, behind=False)

    def acked(self, content: responses.Content) -> None:
        """Note that the client accepted a set."""
        self._refused = None

    def nacked(self, content: responses.Content) -> None:
        """Note a set the client refused: it is not sent again before something in it changes (rule C8)."""
        self._refused = snapshot.total(content.marks)
        # which of the changed ones were applied is not known: what they wait for goes out again with the next set
        self._news = None if self._news is None or self._sent_news is None else self._news | self._sent_news

    def released(self, content: responses.Content) -> None:
        """Do nothing: a set stands for itself."""

    def holdings(self, held: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        """Yield the set if the client accepted it as the snapshot has it."""
        digest = self._digest(held, self.subscription)
        if not self.flight.busy and self._refused is None and self._sent == digest:
            yield from self.subscription.entries(held, self._type_url)

    def withdrawn(self, held: snapshot.Snapshot) -> frozenset[str]:
        """Return the names that stay in the set for the sake of routes and listeners."""
        return frozenset(self._kept)

    def _due(self, digest: int) -> bool:
        if not self.subscription or digest == self._refused:
            return False  # S11: nothing is subscribed to; C8: the same content is not sent again
        return self._asked or digest != self._sent  # C6: never resend what did not change, S7: but what is newly named

    def _outgoing(self, held: snapshot.Snapshot, digest: int) -> multiplex.Outgoing:
        entries = (*self.subscription.entries(held, self._type_url), *self._kept.values())
        response = self._responses.sotw(self._type_url, self._version(digest), entries, self.flight.last)
        news = response.content.names if self._news is None else tuple(self._news)
        self._asked, self._sent, self._sent_news, self._content = False, digest, self._news, response.content
        self._news, self._refused = frozenset(), None
        return multiplex.Outgoing(response, news)

    def _version(self, digest: int) -> str:
        # S1: changes when any resource of the type does. S4: a set that comes back on a stream may have made the client
        # drop and ask again for what it names, perhaps without an answer yet; so its version will not match a claim
        returned = digest != self._sent and (digest in self._seen or len(self._seen) >= _MOST_SEEN)
        if not returned:
            self._seen.add(digest)
        return snapshot.version_text(digest) + (_RETURNED if returned else "")

    def _digest(self, held: snapshot.Snapshot, wanted: subscriptions.Subscription) -> int:
        if wanted.wildcard:
            digest = held.digest(self._type_url)
        else:
            digest = self._responses.digest(held, self._type_url, wanted.names)
        return snapshot.total((digest, *(entry.mark for entry in self._kept.values())))

    def _shrink(self, last: subscriptions.Subscription, held: snapshot.Snapshot) -> None:
        settled = self._refused is None and self._sent == self._digest(held, last)
        self._kept = {name: entry for name, entry in self._kept.items() if self.subscription.covers(name)}
        if not self.subscription:
            self._refused = None  # S11, S7: whatever is asked for next is new
        if settled:
            self._sent = self._digest(held, self.subscription)  # S8: dropping a name needs no answer

    def _withdrawn(self, changed: set[str], old: snapshot.Snapshot, new: snapshot.Snapshot) -> Iterator[snapshot.Entry]:
        for name in changed:
            entry = old.get(self._type_url, name)
            if entry is not None and self._was_sent(name) and new.get(self._type_url, name) is None:
                yield entry

    def _was_sent(self, name: str) -> bool:
        if self._content is None:
            return True
        names = self._content.names
        position = bisect.bisect_left(names, name)
        return position < len(names) and names[position] == name
