"""Key -> snapshot, and who waits for which: from a changed snapshot straight to the streams that hold it.

Law: lives on the event loop, so there are no locks; a stream is woken only if the snapshot object of its key changed,
and it then takes the newest, however many it missed.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

from xds import snapshot


@dataclass(frozen=True, slots=True)
class Interest:
    """Which snapshots streams want: called with a key when its first stream comes and when its last goes."""

    wanted: Callable[[Hashable], None] = lambda _key: None
    unwanted: Callable[[Hashable], None] = lambda _key: None


class _Place:
    """What there is of a key: its snapshot, and the streams that watch it."""

    __slots__ = ("snapshot", "watches")

    def __init__(self) -> None:
        self.snapshot: snapshot.Snapshot | None = None
        self.watches: dict[Watch, None] = {}


class Watch:
    """One stream's hold on a key. `wake` is called when there is a snapshot it has not taken."""

    __slots__ = ("_cache", "_place", "key", "wake")

    def __init__(self, cache: "Cache", place: _Place, key: Hashable, wake: Callable[[], None]) -> None:
        self._cache = cache
        self._place = place
        self.key = key
        self.wake = wake

    @property
    def snapshot(self) -> snapshot.Snapshot | None:
        """The newest snapshot of the key; None if it has none yet."""
        return self._place.snapshot

    def close(self) -> None:
        """Let go of the key."""
        self._cache.leave(self)


class Cache:
    """The newest snapshot of each key, and the streams that watch it."""

    __slots__ = ("_interest", "_places")

    def __init__(self, interest: Interest | None = None) -> None:
        self._interest = interest if interest is not None else Interest()
        self._places: dict[Hashable, _Place] = {}  # of keys that have a snapshot or are watched

    @property
    def wanted(self) -> frozenset[Hashable]:
        """The keys that streams hold now, with a snapshot or without."""
        return frozenset(key for key, place in self._places.items() if place.watches)

    @property
    def held(self) -> frozenset[Hashable]:
        """The keys that have a snapshot."""
        return frozenset(key for key, place in self._places.items() if place.snapshot is not None)

    def get(self, key: Hashable) -> snapshot.Snapshot | None:
        """Return the newest snapshot of a key, None if there is none."""
        place = self._places.get(key)
        return place.snapshot if place is not None else None

    def replace(self, snapshots: Mapping[Hashable, snapshot.Snapshot]) -> None:
        """Take these snapshots for their keys and wake the streams concerned; other keys stay as they are."""
        changed = []
        for key, new in snapshots.items():
            place = self._place(key)
            if place.snapshot is not new:
                place.snapshot = new
                changed.append(place)
        for place in changed:
            for watch in tuple(place.watches):
                watch.wake()

    def discard(self, keys: Iterable[Hashable]) -> None:
        """Drop the snapshots of these keys. Streams that hold one keep what they were sent and wait for the next."""
        for key in keys:
            place = self._places.get(key)
            if place is not None:
                place.snapshot = None
                self._forget(key, place)

    def watch(self, key: Hashable, wake: Callable[[], None]) -> Watch:
        """Hold a key; if it has a snapshot already, the watch offers it at once, without a call of `wake`."""
        place = self._place(key)
        watch = Watch(self, place, key, wake)
        first = not place.watches
        place.watches[watch] = None
        if first:
            self._interest.wanted(key)
        return watch

    def leave(self, watch: Watch) -> None:
        """Let a watch go; does nothing if it was let go before."""
        place = self._places.get(watch.key)
        if place is None or watch not in place.watches:
            return
        del place.watches[watch]
        if not place.watches:
            self._forget(watch.key, place)
            self._interest.unwanted(watch.key)

    def _place(self, key: Hashable) -> _Place:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place()
        return place

    def _forget(self, key: Hashable, place: _Place) -> None:
        if place.snapshot is None and not place.watches:
            del self._places[key]
