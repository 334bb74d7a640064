"""An authority that lives as long as the program: roots and leaves in memory, made when they are first asked for.

Law: for what starts and ends as a whole, such as a measurement; a restart makes other roots.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh import graph, identity, inventory
from mesh.problems import Problem
from meshloom.identity.authority import issue, keys

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Roots:
    """What is trusted."""

    pem: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """What was issued; nothing is renewed."""

    leaves: Mapping[identity.Identity, issue.Leaf]
    roots: Mapping[str, Roots]
    problems: tuple[Problem, ...] = ()
    due: float = DAY
    is_watching: bool = False


@dataclass(slots=True)
class Momentary:
    """Roots by trust domain and leaves by identity."""

    roots: dict[str, issue.Issuer] = field(default_factory=dict)
    leaves: dict[identity.Identity, issue.Leaf] = field(default_factory=dict)
    given: Issued = field(default_factory=lambda: Issued({}, {}))

    def credentials(
        self, _of: graph.Graph, identities: frozenset[identity.Identity], _seen: inventory.Inventory, _held: object
    ) -> Issued:
        """Return credentials for these identities, and for all who have been asked for before."""
        new = sorted(identities.difference(self.leaves))
        if new:
            now = time.time()
            self.leaves |= {one: issue.leaf(self._root(one, now), keys.generated(), one, DAY, now) for one in new}
            before = self.given.roots
            roots = {name: before.get(name) or Roots(issue.pem(root.certificate)) for name, root in self.roots.items()}
            self.given = Issued({**self.leaves}, roots)
        return self.given

    def _root(self, of: identity.Identity, now: float) -> issue.Issuer:
        if of.trust_domain not in self.roots:
            self.roots[of.trust_domain] = issue.root(keys.generated(), of.trust_domain, 365 * DAY, now)
        return self.roots[of.trust_domain]
