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


class Watch:
    """One stream's hold on a key. `wake` is called when there is a snapshot it has not taken."""

    __slots__ = ("_cache", "key", "wake")

    def __init__(self, cache: "Cache", key: Hashable, wake: Callable[[], None]) -> None:
        self._cache = cache
        self.key = key
        self.wake = wake

    @property
    def snapshot(self) -> snapshot.Snapshot | None:
        """The newest snapshot of the key; None if it has none yet."""
        return self._cache.get(self.key)

    def close(self) -> None:
        """Let go of the key."""
        self._cache.leave(self)


class Cache:
    """The newest snapshot of each key, and the streams that watch it."""

    __slots__ = ("_interest", "_snapshots", "_watches")

    def __init__(self, interest: Interest | None = None) -> None:
        self._interest = interest if interest is not None else Interest()
        self._snapshots: dict[Hashable, snapshot.Snapshot] = {}
        self._watches: dict[Hashable, dict[Watch, None]] = {}

    @property
    def wanted(self) -> frozenset[Hashable]:
        """The keys that streams hold now, with a snapshot or without."""
        return frozenset(self._watches)

    def get(self, key: Hashable) -> snapshot.Snapshot | None:
        """Return the newest snapshot of a key, None if there is none."""
        return self._snapshots.get(key)

    def replace(self, snapshots: Mapping[Hashable, snapshot.Snapshot]) -> None:
        """Take these snapshots for their keys and wake the streams concerned; other keys stay as they are."""
        changed = [key for key, new in snapshots.items() if self._snapshots.get(key) is not new]
        self._snapshots.update({key: snapshots[key] for key in changed})
        for key in changed:
            for watch in tuple(self._watches.get(key, ())):
                watch.wake()

    def discard(self, keys: Iterable[Hashable]) -> None:
        """Drop the snapshots of these keys. Streams that hold one keep what they were sent and wait for the next."""
        for key in keys:
            self._snapshots.pop(key, None)

    def watch(self, key: Hashable, wake: Callable[[], None]) -> Watch:
        """Hold a key; if it has a snapshot already, the watch offers it at once, without a call of `wake`."""
        watch = Watch(self, key, wake)
        first = key not in self._watches
        self._watches.setdefault(key, {})[watch] = None
        if first:
            self._interest.wanted(key)
        return watch

    def leave(self, watch: Watch) -> None:
        """Let a watch go; does nothing if it was let go before."""
        watches = self._watches.get(watch.key, {})
        if watch not in watches:
            return
        del watches[watch]
        if not watches:
            del self._watches[watch.key]
            self._interest.unwanted(watch.key)
