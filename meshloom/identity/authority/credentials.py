"""What the keeper of the authorities returns, and what it wants to know of the proxies.

Law: immutable; no text of these holds a key.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mesh.identity import Identity
from mesh.problems import Problem, Ref
from meshloom.identity.authority import issue
from meshloom.identity.authority.issue import Leaf
from meshloom.identity.authority.rotation import Move, State


@dataclass(frozen=True, slots=True)
class Bundle:
    """The roots that everybody in a trust domain trusts, as PEM. Equal bundles have equal bytes."""

    trust_domain: str
    pem: bytes = field(repr=False)
    fingerprint: str

    @staticmethod
    def of(domain: str, state: State) -> "Bundle":
        """Return the roots that are trusted in this state."""
        return Bundle(domain, issue.pem(*state.trusted), issue.fingerprint(*state.trusted))


class Acknowledged(Protocol):
    """What the proxies that are connected now have acknowledged."""

    def is_everywhere(self, bundle: Bundle, /) -> bool:
        """Whether every connected proxy of the bundle's trust domain has acknowledged exactly this one."""
        ...

    def is_held(self, identity: Identity, leaf: Leaf, /) -> bool:
        """Whether every connected proxy of this identity has acknowledged exactly this certificate."""
        ...


class What(enum.Enum):
    """What has been done."""

    ISSUED = "issued a certificate"
    RENEWED = "renewed a certificate"
    SPREADING = "began to spread a new root"
    WITHDRAWN = "withdrew a root that had not signed yet"
    SIGNING = "began to sign with a new root"
    DROPPED = "ended the trust in an old root"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that has been done, to what: an identity's URI or a trust domain."""

    what: What
    subject: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something good to know, which is no fault: as where a mesh's root is, and until when it lasts."""

    subject: Ref
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """What each identity presents and each trust domain trusts. `due`: seconds until the next call is wanted.

    An identity or a domain without an entry has nothing yet; `problems` says why. `events` are those of this call.
    """

    leaves: Mapping[Identity, Leaf]
    roots: Mapping[str, Bundle]
    due: float
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()
    events: tuple[Event, ...] = ()
    is_watching: bool = False
    """Whether a change of roots waits for what proxies acknowledge."""


_MOVES: Mapping[Move, What] = {
    Move.BEGIN: What.SPREADING,
    Move.CANCEL: What.WITHDRAWN,
    Move.SIGN: What.SIGNING,
    Move.DROP: What.DROPPED,
}


def rotation_events(domain: str, moves: Iterable[Move]) -> Iterator[Event]:
    """Yield what the authority of a trust domain has done, as far as it concerns anybody."""
    return (Event(_MOVES[move], domain) for move in moves if move in _MOVES)
