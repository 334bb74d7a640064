"""The leaves in use: one of each identity, in memory only, renewed at about half of its life.

Law: a leaf is the same object until it is renewed; it is renewed if its issuer is another, if its time has come and a
new one would last longer, or if everything is to be renewed.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mesh.identity import Identity
from meshloom.identity.authority import issue, keys
from meshloom.identity.authority.issue import Issuer, Leaf

FORGET = 3600.0
"""Seconds after which the leaf of an identity that nobody wants is forgotten."""

EARLIEST, LATEST = 0.45, 0.55
"""The part of a leaf's life after which it is renewed lies between these, so that not all are renewed at once."""


@dataclass(frozen=True, slots=True)
class Making:
    """How leaves are made."""

    life: float
    chance: random.Random
    generated: Callable[[], keys.PrivateKey] = keys.generated


@dataclass(slots=True)
class _Kept:
    leaf: Leaf
    renew_at: float
    wanted_at: float


class Leaves:
    """The leaves of all identities."""

    def __init__(self, making: Making) -> None:
        self._making = making
        self._kept: dict[Identity, _Kept] = {}

    def get(self, identity: Identity) -> Leaf | None:
        """Return the leaf of an identity, if it has one."""
        kept = self._kept.get(identity)
        return kept.leaf if kept else None

    def refreshed(
        self, wanted: Iterable[Identity], issuer: Issuer, now: float, all_of_them: bool = False
    ) -> tuple[Identity, ...]:
        """Issue what is missing or due of one trust domain; return whose leaf is new. Raises issue.IssueError."""
        fresh = sorted(wanted if all_of_them else (one for one in wanted if self._is_due(one, issuer, now)))
        for identity in fresh:
            self._kept[identity] = self._made(identity, issuer, now)
        return tuple(fresh)

    def forget(self, wanted: Iterable[Identity], now: float) -> None:
        """Remember that these are wanted; forget the leaves that nobody has wanted for a while."""
        for identity in wanted:
            if kept := self._kept.get(identity):
                kept.wanted_at = now
        for identity in [one for one, kept in self._kept.items() if now - kept.wanted_at >= FORGET]:
            del self._kept[identity]

    def due(self, wanted: Iterable[Identity]) -> float:
        """Return the moment at which the first of these is renewed; infinite without any."""
        kept = (self._kept.get(identity) for identity in wanted)
        return min((each.renew_at for each in kept if each), default=float("inf"))

    def _is_due(self, identity: Identity, issuer: Issuer, now: float) -> bool:
        kept = self._kept.get(identity)
        if kept is None or kept.leaf.issuer != issuer.fingerprint:
            return True
        if now < kept.renew_at:
            return False
        if int(min(now + self._making.life, issuer.ends)) > kept.leaf.not_after:
            return True
        kept.renew_at = float("inf")  # it lasts as long as its issuer: only another issuer can help
        return False

    def _made(self, identity: Identity, issuer: Issuer, now: float) -> _Kept:
        leaf = issue.leaf(issuer, self._making.generated(), identity, self._making.life, now)
        part = self._making.chance.uniform(EARLIEST, LATEST)
        return _Kept(leaf, now + part * (leaf.not_after - now), now)
