"""The control plane's own authority: the certificate of its server, and the file of roots by which proxies verify it.

Law: as the authority of a mesh; but proxies watch a file and acknowledge nothing, so that a new root signs only after
it has been public for a while.
"""

import contextlib
import math
import os
import pathlib
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from meshloom.identity.authority import issue, leaves, rotation
from meshloom.identity.authority.credentials import Bundle, Event, What, rotation_events
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.issue import Leaf
from meshloom.identity.authority.mesh_authority import POLL
from meshloom.identity.authority.rotation import DAY, Facts, Policy, State
from meshloom.identity.authority.succession import REREAD, Ground, Succession

NAME = "control-plane"
"""Its name in the store; those of meshes have a dot."""

POLICY = Policy(spread=DAY, linger=DAY)
"""Proxies have a day to read the file again before a new root signs."""

PUBLIC = 0o644


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """What the server presents and what proxies trust. `fault` says why it could not be brought up to date, or nothing.

    `due`: seconds until the next call is wanted. `events` are those of this call.
    """

    leaf: Leaf
    roots: Bundle
    due: float
    fault: str = ""
    events: tuple[Event, ...] = ()


class Publication(Protocol):
    """Where everybody can read the roots by which the control plane is known. Both methods raise AuthorityError."""

    def publish(self, roots: Bundle, now: float) -> None:
        """Have these roots read, by whoever looks from now on."""
        ...

    def since(self, roots: Bundle) -> float:
        """Return since when exactly these roots could be read everywhere; math.inf if they cannot yet."""
        ...


class ServerKeeper:
    """Keeps the certificate of the control plane's server. `published` is where proxies learn what to trust."""

    def __init__(
        self,
        ground: Ground,
        published: Publication,
        now: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._ground, self._published, self._now = ground, published, now
        self._chance = chance or random.SystemRandom()
        self._succession = Succession(NAME, issue.CONTROL_PLANE, ground)
        self._last: Serving | None = None
        self._names: tuple[str, ...] = ()
        self._renew_at = 0.0

    def credentials(self, names: Iterable[str]) -> Serving:
        """Return what to serve with now, for these DNS names and IP addresses beside issue.CONTROL_PLANE.

        Raises AuthorityError if there is nothing to serve with; later on it keeps the last and says why.
        """
        now, names = self._now(), tuple(names)
        try:
            self._last = self._brought_up_to_date(names, now)
        except (AuthorityError, issue.IssueError) as fault:
            if self._last is None:
                raise _told(fault) from None
            return replace(self._last, due=POLL, fault=str(fault), events=())
        return self._last

    def renew(self) -> None:
        """Have the certificate replaced by the next call of `credentials`."""
        self._renew_at = 0.0

    def rotate(self) -> None:
        """Ask for a new root, which survives a restart. Raises AuthorityError."""
        self._succession.ask(self._now())

    def _brought_up_to_date(self, names: tuple[str, ...], now: float) -> Serving:
        moves = self._succession.advanced(None, lambda state: self._facts(state, now), now)
        state = self._state()
        roots = self._roots(state, now)
        leaf = self._leaf(state, names, now)
        what = (Event(What.RENEWED if self._last else What.ISSUED, leaf.name),)
        is_same = self._last is not None and self._last.leaf is leaf
        due = min(self._renew_at - now, REREAD, rotation.due(state, now, self._ground.policy, POLL))
        events = (*rotation_events(issue.CONTROL_PLANE, moves), *(() if is_same else what))
        return Serving(leaf, roots, max(0.0, due), events=events)

    def _state(self) -> State:
        if self._succession.state is None:
            raise AuthorityError("the control plane has no authority", "this is a fault of meshloom, please report it")
        return self._succession.state

    def _leaf(self, state: State, names: tuple[str, ...], now: float) -> Leaf:
        issuer, last = state.signer.issuer, self._last
        if issuer is None:
            raise AuthorityError("the control plane's root has no key", "put its state back from a backup")
        is_current = last and last.leaf.issuer == issuer.fingerprint and self._names == names
        if last and is_current and now < self._renew_at:
            return last.leaf
        leaf = issue.server(issuer, self._ground.generated(), names, self._ground.policy.leaf_life, now)
        self._names, part = names, self._chance.uniform(leaves.EARLIEST, leaves.LATEST)
        self._renew_at = now + part * (leaf.not_after - now)
        return leaf

    def _facts(self, state: State, now: float) -> Facts:
        def is_trusted() -> bool:
            return now - self._published.since(self._roots(state, now)) >= self._ground.policy.spread

        return Facts(is_trusted=is_trusted, is_held=lambda: True)

    def _roots(self, state: State, now: float) -> Bundle:
        """Return the roots that are trusted, after they are published."""
        roots = Bundle.of(issue.CONTROL_PLANE, state)
        self._published.publish(roots, now)
        return self._last.roots if self._last and self._last.roots == roots else roots


class RootFile:
    """A public file, replaced as a whole (`Publication`); its time is that of the clock that decides."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def publish(self, roots: Bundle, now: float) -> None:
        """Write the file if it does not hold these roots."""
        with self._told():
            if not self._path.exists() or self._path.read_bytes() != roots.pem:
                _written(self._path, roots.pem, now)

    def since(self, roots: Bundle) -> float:
        """Return when the file was written, if it holds these roots."""
        with self._told():
            return self._path.stat().st_mtime if self._path.read_bytes() == roots.pem else math.inf

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            remedy = "make it a file that meshloom may write, in a folder that it may write"
            raise AuthorityError(f"{self._path} cannot be written: {reason}", remedy) from None


def _written(path: pathlib.Path, content: bytes, now: float) -> None:
    """Put a public file in the place of another; its time is that of the clock that decides."""
    descriptor, unfinished = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fchmod(descriptor, PUBLIC)
            os.fsync(descriptor)
        os.utime(unfinished, (now, now))
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise


def _told(fault: AuthorityError | issue.IssueError) -> AuthorityError:
    remedy = "set the clock, or mend the names that the control plane is to have"
    return fault if isinstance(fault, AuthorityError) else AuthorityError(f"{fault}", remedy)
