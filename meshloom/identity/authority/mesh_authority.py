"""The authority of one Mesh: where it comes from, what is wrong with it, and what it is about.

Law: nothing raises. A given authority that breaks or goes is used as it last was good; what is wrong is a problem of
the Mesh at the field that names the authority.
"""

import datetime
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mesh import identity, problems, workloads
from mesh.problems import Problem, Ref
from mesh.rules import names
from meshloom.identity.authority import given, rotation
from meshloom.identity.authority.credentials import Bundle, Note
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.rotation import BUILT_IN, DAY, Facts, Move, Policy, Signer, Stage, State
from meshloom.identity.authority.succession import REREAD, Ground, Succession

FIELD = "spec.certificateAuthorities[0].id"
POLL = 5.0
"""Seconds between looks at what proxies have acknowledged, or at what was broken."""
SOON = 7 * DAY


@dataclass(frozen=True, slots=True)
class Source:
    """Where the authority of a mesh is taken from: a Secret, or, without an address, the built-in one."""

    address: Ref | None
    secret: workloads.Secret | None


class MeshAuthority:
    """The authority of a mesh as time passes."""

    def __init__(self, mesh: Ref, domain: str, ground: Ground) -> None:
        self._mesh, self.domain = mesh, domain
        self._succession = Succession(store_name(mesh, domain), domain, ground)
        self._seen: workloads.Secret | None = None
        self._good: Signer | None = None
        self._bundle: Bundle | None = None
        self._bundled: State | None = None
        self.problems: tuple[Problem, ...] = ()

    @property
    def state(self) -> State | None:
        """Where it stands; None as long as it could not begin."""
        return self._succession.state

    @property
    def bundle(self) -> Bundle | None:
        """The roots to be trusted now; the same object as long as they are the same."""
        if self.state and self.state is not self._bundled:
            new = Bundle.of(self.domain, self.state)
            self._bundle, self._bundled = self._bundle if new == self._bundle else new, self.state
        return self._bundle

    @property
    def is_changing(self) -> bool:
        """Whether there is more than one authority to be trusted, so that acknowledgements count."""
        return self.state is not None and rotation.stage(self.state) is not Stage.STEADY

    def advance(self, source: Source, facts: Callable[[State], Facts], now: float) -> tuple[Move, ...]:
        """Take up what changed and what time has brought; return what was done."""
        fault = self._take(source, now)
        moves: tuple[Move, ...] = ()
        try:
            if source.address is None or self._good:
                moves = self._succession.advanced(self._good if source.address else None, facts, now)
            else:
                self._succession.recalled(now)
        except AuthorityError as raised:
            fault = fault or raised
        self.problems = tuple(self._told(fault, now))
        return moves

    def ask(self, now: float) -> None:
        """Ask for a new root. Raises AuthorityError."""
        self._succession.ask(now)

    def due(self, now: float, policy: Policy) -> float:
        """Return the seconds until it may have something to do."""
        if self.state is None or self.problems:
            return POLL
        return min(REREAD, rotation.due(self.state, now, policy, POLL))

    def notes(self, source: Source, authority: str) -> Iterator[Note]:
        """Yield what is good to know about it."""
        if source.address is None and authority:
            yield Note(self._mesh, f"no Secret is mapped to `{authority}`, so a root of meshloom's own signs")
        if self.state is None:
            return
        signer = self.state.signer
        by = "a root of meshloom's own" if signer.origin == BUILT_IN else f"the authority in {source.address}"
        yield Note(self._mesh, f"certificates are signed by {by}, until {_date(signer.ends)} at the latest")
        if self.is_changing:
            yield Note(self._mesh, f"its authority is {rotation.stage(self.state).value}")

    def _take(self, source: Source, now: float) -> AuthorityError | None:
        """Take up the authority that is given, if it is another; return what is wrong with it."""
        if source.address is None:
            self._seen = self._good = None
            return None
        if source.secret is None:
            self._seen = None
            return AuthorityError(
                f"is mapped to {source.address}, which does not exist", "create it, or mend the mapping"
            )
        if source.secret is not self._seen:
            try:
                self._good = given.signer(source.secret, now)
            except AuthorityError as fault:
                return AuthorityError(f"is mapped to a Secret that cannot be used: {fault.fault}", fault.remedy)
            self._seen = source.secret
        return None

    def _told(self, fault: AuthorityError | None, now: float) -> Iterator[Problem]:
        signer = self.state.signer if self.state else None
        if fault:
            meanwhile = (
                "the last good one goes on to serve" if signer and signer.issuer else "no certificates are issued"
            )
            yield problems.error(self._mesh, FIELD, f"{fault.fault}; {meanwhile}", fault.remedy)
        if signer and signer.origin != BUILT_IN and signer.issuer and now > signer.ends - SOON:
            sort = problems.error if now >= signer.ends else problems.warning
            ended = "ended" if now >= signer.ends else "ends"
            yield sort(
                self._mesh, FIELD, f"what its authority signs {ended} at {_date(signer.ends)}", "renew its Secret"
            )


def store_name(mesh: Ref, domain: str) -> str:
    """Return the name of a mesh's authority in the store; a namespace has no dot, so that no two meshes have one name.

    A trust domain that was chosen has an authority of its own: another one is another mesh to those who trust it.
    """
    name = f"{mesh.namespace}.{mesh.name}"
    if domain == identity.trust_domain(mesh):
        return name
    return f"{name}.{hashlib.sha256(domain.encode()).hexdigest()[:8]}"


def is_storable(mesh: Ref) -> bool:
    """Return whether the API server would accept a mesh's namespace and name."""
    return names.is_label(mesh.namespace) and names.is_subdomain(mesh.name)


def _date(moment: float) -> str:
    return f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m-%d %H:%M} UTC"
