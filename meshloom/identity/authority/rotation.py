"""From one root to the next: trust the new beside the old, then sign with the new, then trust the old no more.

Law: pure. Nobody is shown a certificate that he cannot verify: a new root signs only once it is trusted everywhere,
and an old one is trusted as long as a certificate by it can be in use. Times are seconds, moments since the epoch.
"""

import enum
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from cryptography import x509

from meshloom.identity.authority import issue

BUILT_IN = "built-in"
HOUR, DAY, YEAR = 3600.0, 86_400.0, 31_536_000.0
SHORTEST_LEAF = 300.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How long things last. Raises ValueError for what cannot work."""

    leaf_life: float = DAY
    root_life: float = 5 * YEAR
    rotate_at: float = 0.8
    """The part of a root's life after which the next one begins."""
    spread: float = 600.0
    """At least so long a new root is trusted before it signs."""
    linger: float = 600.0
    """So much longer than its last certificate an old root is trusted."""

    def __post_init__(self) -> None:
        if self.leaf_life < SHORTEST_LEAF:
            raise ValueError(f"certificates must live at least {SHORTEST_LEAF:.0f} s, not {self.leaf_life:.0f} s")
        left = self.root_life * (1 - self.rotate_at)
        needed = self.spread + self.linger + 3 * self.leaf_life
        if not 0 < self.rotate_at < 1 or left < needed:
            raise ValueError(
                f"a root that lives {self.root_life:.0f} s and is replaced after {self.rotate_at:.0%} of that leaves "
                f"{left:.0f} s for the change, which needs {needed:.0f} s: let roots live longer"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Signer:
    """An authority: its roots, and what it signs with. `origin` tells a given one from others and from built-in ones.

    Without an issuer it is known only by its roots: it was given once, and is no more.
    """

    origin: str
    roots: tuple[x509.Certificate, ...]
    issuer: issue.Issuer | None

    @property
    def ends(self) -> float:
        """The moment from which it signs no more; 0 if it cannot sign."""
        return self.issuer.ends if self.issuer else 0.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A root that signs no more. Until this moment a certificate by it may be in use."""

    root: x509.Certificate
    until: float


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where an authority stands. `since` is the moment its trust last grew."""

    signer: Signer
    since: float
    longest: float
    """The longest life of a certificate that the signer may have signed."""
    incoming: Signer | None = None
    outgoing: tuple[Outgoing, ...] = ()
    asked: bool = False
    """Whether a new root has been asked for."""
    trusted: tuple[x509.Certificate, ...] = field(init=False)
    """The roots that proxies are to trust, in an order that follows from the set."""

    def __post_init__(self) -> None:
        incoming = self.incoming.roots if self.incoming else ()
        all_of_them = (*self.signer.roots, *incoming, *(each.root for each in self.outgoing))
        object.__setattr__(self, "trusted", tuple(sorted({*all_of_them}, key=issue.fingerprint)))


class Stage(enum.Enum):
    """What an authority is about."""

    STEADY = "steady"
    SPREADING = "spreading a new root"
    REPLACING = "replacing certificates of an old root"


class Move(enum.Enum):
    """What is to be done next."""

    STAY = "stay"
    LENGTHEN = "lengthen"
    BEGIN = "begin"
    CANCEL = "cancel"
    SIGN = "sign"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the proxies that are connected."""

    is_trusted: Callable[[], bool]
    """Whether each of them has acknowledged the roots that are trusted now."""
    is_held: Callable[[], bool]
    """Whether each of them has acknowledged a certificate by the present signer."""


def stage(state: State) -> Stage:
    """Return what an authority is about."""
    if state.incoming:
        return Stage.SPREADING
    return Stage.REPLACING if state.outgoing else Stage.STEADY


def move(state: State, origin: str, facts: Facts, now: float, policy: Policy) -> Move:
    """Return what is to be done, if the authority that is wanted is of this origin."""
    if policy.leaf_life > state.longest:
        return Move.LENGTHEN
    if state.incoming:
        return _spreading(state, state.incoming, origin, facts, now, policy)
    if state.signer.origin != origin:
        return Move.BEGIN
    if any(_is_over(each, facts, now) for each in state.outgoing):
        return Move.DROP
    is_time = origin == BUILT_IN and (state.asked or now >= _replacement_at(state.signer, policy))
    return Move.BEGIN if is_time and not state.outgoing else Move.STAY


def _spreading(state: State, incoming: Signer, origin: str, facts: Facts, now: float, policy: Policy) -> Move:
    if incoming.origin != origin:
        return Move.CANCEL
    if incoming.issuer is None:
        return Move.STAY
    is_pressed = now >= state.signer.ends - 2 * state.longest
    is_ready = now >= state.since + policy.spread and facts.is_trusted()
    return Move.SIGN if is_pressed or is_ready else Move.STAY


def _replacement_at(signer: Signer, policy: Policy) -> float:
    root = signer.roots[0]
    start = issue.starts(root)
    return start + policy.rotate_at * (issue.ends(root) - start)


def _is_over(outgoing: Outgoing, facts: Facts, now: float) -> bool:
    return now >= issue.ends(outgoing.root) or (now >= outgoing.until and facts.is_held())


def due(state: State, now: float, policy: Policy, poll: float) -> float:
    """Return the seconds until something may change by time; at most `poll` while it waits for acknowledgements."""
    moments = tuple(_moments(state, policy))
    ahead = min((moment - now for moment in moments if moment > now), default=math.inf)
    waits = stage(state) is not Stage.STEADY and any(moment <= now for moment in moments)
    return min(ahead, poll) if waits else ahead


def _moments(state: State, policy: Policy) -> Iterator[float]:
    if state.incoming:
        yield state.since + policy.spread
        yield state.signer.ends - 2 * state.longest
    elif state.outgoing:
        for each in state.outgoing:
            yield min(each.until, issue.ends(each.root))
    elif state.signer.origin == BUILT_IN:
        yield _replacement_at(state.signer, policy)


def first(signer: Signer, now: float, policy: Policy) -> State:
    """Return the state of an authority that begins: it signs at once, for nobody trusts another."""
    return State(signer, now, policy.leaf_life)


def begun(state: State, incoming: Signer, now: float) -> State:
    """Return the state in which another signer is trusted too, in the place of one that had not signed yet."""
    grows = not {*state.trusted}.issuperset(incoming.roots)
    return replace(state, incoming=incoming, since=now if grows else state.since, asked=False)


def cancelled(state: State) -> State:
    """Return the state in which the incoming signer, which has not signed yet, is not trusted any more."""
    return replace(state, incoming=None)


def signing(state: State, now: float, policy: Policy) -> State:
    """Return the state in which the incoming signer signs; the other is trusted as long as what it signed lasts."""
    if state.incoming is None:
        return state
    new, until = state.incoming, now + state.longest + policy.linger
    old = (Outgoing(root, until) for root in state.signer.roots)
    outgoing = tuple(each for each in (*state.outgoing, *old) if each.root not in new.roots)
    return replace(state, signer=new, incoming=None, longest=policy.leaf_life, outgoing=outgoing)


def dropped(state: State, facts: Facts, now: float) -> State:
    """Return the state in which the roots that are over are trusted no more, nor is proof for those who trust them."""
    outgoing = tuple(each for each in state.outgoing if not _is_over(each, facts, now))
    signer = state.signer if outgoing or state.signer.origin != BUILT_IN else _alone(state.signer)
    return replace(state, outgoing=outgoing, signer=signer)


def _alone(signer: Signer) -> Signer:
    return replace(signer, issuer=replace(signer.issuer, chain=()) if signer.issuer else None)


def lengthened(state: State, policy: Policy) -> State:
    """Return the state in which the signer may sign for as long as the policy says."""
    return replace(state, longest=max(state.longest, policy.leaf_life))


def asked(state: State) -> State:
    """Return the state in which a new root is asked for."""
    return replace(state, asked=True)


def known(state: State, given: Iterable[Signer]) -> State:
    """Return the state with what these can sign with, where it knows of them only by their origin."""
    found = {each.origin: each for each in given}
    signer = found.get(state.signer.origin, state.signer)
    incoming = found.get(state.incoming.origin, state.incoming) if state.incoming else None
    if signer is state.signer and incoming is state.incoming:
        return state
    return replace(state, signer=signer, incoming=incoming)
