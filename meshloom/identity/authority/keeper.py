"""The keeper of all meshes' authorities: what each proxy identity presents, and what it trusts.

Law: for one worker thread; what it returns is immutable, and what did not change is the same object. A fault of a mesh
leaves the others alone, and a mesh that has had certificates keeps the last good ones.
"""

import itertools
import operator
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mesh import graph, layers, problems, workloads
from mesh.identity import Identity
from mesh.problems import Problem, Ref
from meshloom.identity.authority import issue, leaves
from meshloom.identity.authority.credentials import (
    Acknowledged,
    Bundle,
    Credentials,
    Event,
    Note,
    What,
    rotation_events,
)
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.mesh_authority import FIELD, MeshAuthority, Source, is_storable
from meshloom.identity.authority.rotation import Facts, State
from meshloom.identity.authority.succession import REREAD, Ground

Meshes = Mapping[Ref, graph.Mesh]
Secrets = Mapping[Ref, workloads.Secret]
ByDomain = Mapping[str, list[Identity]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a call was about; an equal one soon after it has an equal answer."""

    meshes: Meshes
    identities: frozenset[Identity]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done for a mesh, and what was wrong."""

    events: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = ()


class Keeper:
    """Keeps the authorities and leaves of all meshes. `sources` maps ids of authorities to Secrets, `namespace/name`.

    `now` tells seconds since the epoch; `chance` spreads renewals in time.
    """

    def __init__(
        self,
        ground: Ground,
        sources: Mapping[str, str],
        now: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._ground, self._sources, self._now = ground, sources, now
        self._authorities: dict[Ref, MeshAuthority] = {}
        chance = chance or random.SystemRandom()
        self._leaves = leaves.Leaves(leaves.Making(ground.policy.leaf_life, chance, ground.generated))
        self._asked: _Asked | None = None
        self._last = Credentials({}, {}, 0.0)
        self._answered_at, self._good_until = 0.0, 0.0
        self._is_renewing = False

    def credentials(
        self, meshes: Meshes, identities: Iterable[Identity], secrets: Secrets, acknowledged: Acknowledged
    ) -> Credentials:
        """Return what the identities that are wanted present and trust now. A fault of a mesh is among the problems."""
        now = self._now()
        sources = tuple(self._source(mesh, secrets) for mesh in meshes.values())
        asked = _Asked(meshes, frozenset(identities), sources)
        if asked == self._asked and self._answered_at <= now < self._good_until and not self._is_renewing:
            return replace(self._last, due=self._good_until - now, events=())
        self._last = self._answer(asked, acknowledged, now)
        self._asked, self._answered_at, self._good_until = asked, now, now + self._last.due
        self._is_renewing = False
        return self._last

    def renew_all(self) -> None:
        """Have every certificate replaced by the next call of `credentials`."""
        self._is_renewing = True

    def rotate(self, mesh: Ref) -> None:
        """Ask for a new root of a mesh, which survives a restart. Raises AuthorityError."""
        authority = self._authorities.get(mesh)
        if authority is None:
            raise AuthorityError(f"{mesh} has no authority here", "name a Mesh that exists")
        authority.ask(self._now())
        self._good_until = 0.0

    def _source(self, mesh: graph.Mesh, secrets: Secrets) -> Source:
        address = self._sources.get(mesh.authority)
        if address is None:
            return Source(None, None)
        namespace, _, name = address.partition("/")
        secret = Ref("Secret", namespace, name)
        return Source(secret, secrets.get(secret))

    def _answer(self, asked: _Asked, acknowledged: Acknowledged, now: float) -> Credentials:
        wanted = _by_domain(asked.identities)
        self._authorities = dict(self._present(asked.meshes))
        done = [
            self._advanced(mesh, source, wanted.get(mesh.trust_domain, []), acknowledged, now)
            for mesh, source in zip(asked.meshes.values(), asked.sources, strict=True)
        ]
        self._leaves.forget(asked.identities, now)
        return Credentials(
            leaves=self._held_leaves(asked.identities),
            roots=self._held_roots(),
            due=self._due(asked.identities, now),
            problems=tuple(sorted(itertools.chain.from_iterable(each.problems for each in done))),
            notes=tuple(self._notes(asked)),
            events=tuple(itertools.chain.from_iterable(each.events for each in done)),
            is_watching=any(authority.is_changing for authority in self._authorities.values()),
        )

    def _present(self, meshes: Meshes) -> Iterator[tuple[Ref, MeshAuthority]]:
        """Yield the authority of each mesh; of two with one trust domain, the first has it."""
        domains = dict[str, Ref]()
        for ref, mesh in sorted(meshes.items()):
            if is_storable(ref) and domains.setdefault(mesh.trust_domain, ref) == ref:
                known = self._authorities.get(ref)
                is_same = known is not None and known.domain == mesh.trust_domain
                yield ref, known if known and is_same else MeshAuthority(ref, mesh.trust_domain, self._ground)

    def _advanced(
        self, mesh: graph.Mesh, source: Source, wanted: list[Identity], acknowledged: Acknowledged, now: float
    ) -> _Done:
        authority = self._authorities.get(mesh.ref)
        if authority is None:
            fault = (
                f"its trust domain `{mesh.trust_domain}` is that of another Mesh, or cannot be stored under its name"
            )
            return _Done(problems=(problems.error(mesh.ref, "metadata.name", fault, "choose another"),))
        try:
            moves = authority.advance(source, lambda state: self._facts(state, mesh, wanted, acknowledged), now)
            return _Done(
                (*rotation_events(mesh.trust_domain, moves), *self._issued(authority, wanted, now)), authority.problems
            )
        except issue.IssueError as fault:
            remedy = "set the clock, or mend its authority"
            return _Done(problems=(*authority.problems, problems.error(mesh.ref, FIELD, f"{fault}", remedy)))
        except Exception as fault:  # whose text may hold anything
            what = f"its certificates fail with {type(fault).__name__}"
            remedy = "this is a fault of meshloom, please report it"
            return _Done(problems=(problems.error(mesh.ref, FIELD, what, remedy),))

    def _issued(self, authority: MeshAuthority, wanted: list[Identity], now: float) -> Iterator[Event]:
        issuer = authority.state.signer.issuer if authority.state else None
        if issuer is None:
            return
        before = {identity for identity in wanted if self._leaves.get(identity)}
        for identity in self._leaves.refreshed(wanted, issuer, now, self._is_renewing):
            yield Event(What.RENEWED if identity in before else What.ISSUED, identity.uri)

    def _facts(self, state: State, mesh: graph.Mesh, wanted: list[Identity], acknowledged: Acknowledged) -> Facts:
        issuer = state.signer.issuer

        def is_held(identity: Identity) -> bool:
            leaf = self._leaves.get(identity)
            is_new = leaf is not None and issuer is not None and leaf.issuer == issuer.fingerprint
            return leaf is not None and is_new and acknowledged.is_held(identity, leaf)

        return Facts(
            is_trusted=lambda: acknowledged.is_everywhere(Bundle.of(mesh.trust_domain, state)),
            is_held=lambda: all(is_held(identity) for identity in wanted),
        )

    def _held_leaves(self, wanted: frozenset[Identity]) -> Mapping[Identity, issue.Leaf]:
        found = {identity: leaf for identity in wanted if (leaf := self._leaves.get(identity))}
        before = self._last.leaves
        if found.keys() != before.keys():
            return dict(sorted(found.items(), key=operator.itemgetter(0)))
        return layers.patched(before, {one: leaf for one, leaf in found.items() if leaf is not before[one]})

    def _held_roots(self) -> Mapping[str, Bundle]:
        bundles = (authority.bundle for _, authority in sorted(self._authorities.items()))
        found = {bundle.trust_domain: bundle for bundle in bundles if bundle}
        return self._last.roots if found == self._last.roots else found

    def _due(self, wanted: frozenset[Identity], now: float) -> float:
        policy = self._ground.policy
        moments = (authority.due(now, policy) for authority in self._authorities.values())
        return max(0.0, min(self._leaves.due(wanted) - now, *moments, REREAD))

    def _notes(self, asked: _Asked) -> Iterator[Note]:
        for mesh, source in zip(asked.meshes.values(), asked.sources, strict=True):
            if authority := self._authorities.get(mesh.ref):
                yield from authority.notes(source, mesh.authority)


def _by_domain(identities: Iterable[Identity]) -> ByDomain:
    found = dict[str, list[Identity]]()
    for identity in identities:
        found.setdefault(identity.trust_domain, []).append(identity)
    return found
