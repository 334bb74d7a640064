"""One authority as time passes: it takes its state from the store, moves it on, and stores it before it counts.

Law: nothing is signed or shown by a state that the store does not hold. After a crash at any moment the next start goes
on from the state before or after the write.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509

from meshloom.identity.authority import document, issue, keys, rotation, stores
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.rotation import BUILT_IN, Facts, Move, Policy, Signer, State

MOST_MOVES = 10
"""In one go; more can only mean that others who share the store move it too."""

REREAD = 20.0
"""Seconds between looks at what others who share the store have made of it."""

LOST = "put it back from a backup; without one, restart meshloom to begin with a root that no proxy trusts yet"
BROKEN = "put it back from a backup; without one, move it away to begin with a root that no proxy trusts yet"


@dataclass(frozen=True, slots=True)
class Ground:
    """What every authority stands on: its store and its policy, and where new keys come from."""

    store: stores.Store
    policy: Policy
    generated: Callable[[], keys.PrivateKey] = keys.generated


class Succession:
    """The authority of a trust domain, under its name in the store."""

    def __init__(self, name: str, domain: str, ground: Ground) -> None:
        self._name, self._domain, self._ground = name, domain, ground
        self._version = ""
        self._read_at: float | None = None
        self._given: dict[str, Signer] = {}
        self.state: State | None = None

    def recalled(self, now: float) -> State | None:
        """Return the state that the store holds, None if it holds none. Raises AuthorityError."""
        if self._read_at is None or not 0 <= now - self._read_at < REREAD:
            self._read(now)
        return self.state

    def advanced(self, given: Signer | None, facts: Callable[[State], Facts], now: float) -> tuple[Move, ...]:
        """Bring the state up to date and return what was done. Without one that is given the authority is built in.

        Raises AuthorityError; the state is then one that the store held.
        """
        state, done = self._begun(given, now), list[Move]()
        for _ in range(MOST_MOVES):
            state = self._known(state, given)
            move = rotation.move(state, given.origin if given else BUILT_IN, facts(state), now, self._ground.policy)
            if move is Move.STAY:
                break
            if self._stored(self._moved(state, move, given, facts, now)):
                done.append(move)
            state = self._begun(given, now)
        return tuple(done)

    def ask(self, now: float) -> None:
        """Ask for a new root; the store remembers it. Raises AuthorityError."""
        state = self.recalled(now)
        if state is None or state.signer.origin != BUILT_IN:
            raise AuthorityError("has no root of meshloom's own", "replace the Secret its authority is taken from")
        if not self._stored(rotation.asked(state)):
            raise AuthorityError(f"{self._where} has just been changed by another process", "try again")

    @property
    def _where(self) -> str:
        return self._ground.store.where(self._name)

    def _begun(self, given: Signer | None, now: float) -> State:
        state = self.recalled(now)
        if state is not None:
            return state
        first = rotation.first(given or self._root(None, now), now, self._ground.policy)
        version = self._ground.store.create(self._name, document.written(first, self._domain))
        if version is None:  # another process was first
            self._read(now)
        else:
            self._adopt(first, version)
        return self._begun(given, now)

    def _known(self, state: State, given: Signer | None) -> State:
        """Return the state with the keys of those that were given, which the store does not hold."""
        origins = {state.signer.origin, state.incoming.origin if state.incoming else ""}
        self._given = {origin: one for origin, one in self._given.items() if origin in origins}
        if given:
            self._given[given.origin] = given
        self.state = rotation.known(state, self._given.values())
        return self.state

    def _moved(
        self, state: State, move: Move, given: Signer | None, facts: Callable[[State], Facts], now: float
    ) -> State:
        match move:
            case Move.STAY:
                return state
            case Move.LENGTHEN:
                return rotation.lengthened(state, self._ground.policy)
            case Move.BEGIN:
                return rotation.begun(state, given or self._root(state.signer, now), now)
            case Move.CANCEL:
                return rotation.cancelled(state)
            case Move.SIGN:
                return rotation.signing(state, now, self._ground.policy)
            case Move.DROP:
                return rotation.dropped(state, facts(state), now)

    def _root(self, before: Signer | None, now: float) -> Signer:
        """Return a new root; those who trust only the one before can verify it, if that was meshloom's own too."""
        made = issue.root(self._ground.generated(), self._domain, self._ground.policy.root_life, now)
        chain: tuple[x509.Certificate, ...] = ()
        if before and before.origin == BUILT_IN and before.issuer and now < before.ends:
            chain = (issue.cross_signed(before.issuer, made.certificate),)
        return Signer(BUILT_IN, (made.certificate,), issue.Issuer(made.certificate, made.key, chain))

    def _read(self, now: float) -> None:
        self._read_at = None
        found = self._ground.store.read(self._name)
        if found is None and self.state is not None:
            raise AuthorityError(f"{self._where} is gone; the last state goes on to serve", LOST)
        if found and found.version != self._version:
            try:
                self._adopt(document.read(found.content, self._domain), found.version)
            except document.DocumentError as fault:
                raise AuthorityError(f"{self._where} {fault}", BROKEN) from None
        self._read_at = now

    def _stored(self, state: State) -> bool:
        """Store a state and adopt it; if another was there first, it is read next."""
        self._read_at, read_at = None, self._read_at
        version = self._ground.store.replace(self._name, document.written(state, self._domain), self._version)
        if version is None:
            return False
        self._adopt(state, version)
        self._read_at = read_at
        return True

    def _adopt(self, state: State, version: str) -> None:
        self.state, self._version = state, version
