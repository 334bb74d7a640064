"""What the tests of authorities share: a clock, meshes, and a store that fails when it is told to."""

import enum
import itertools
import pathlib
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mesh import graph, identity, mtls
from mesh.problems import Ref
from meshloom.identity.authority import keeper, rotation, stores, succession
from meshloom.identity.authority.credentials import Bundle
from meshloom.identity.authority.issue import Leaf
from tests.meshloom.authority import tls

START = 1_800_000_000.0
SHOP, ZOO = Ref("Mesh", "shop", "main"), Ref("Mesh", "zoo", "main")
DEFAULT = rotation.Policy()
DAY, YEAR = rotation.DAY, rotation.YEAR


@dataclass(slots=True)
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


def mesh(ref: Ref = SHOP, authority: str = "") -> graph.Mesh:
    return graph.Mesh(ref, ref.key, mtls.Mode.STRICT, identity.trust_domain(ref), authority)


def meshes(*several: graph.Mesh) -> Mapping[Ref, graph.Mesh]:
    return {each.ref: each for each in several or (mesh(),)}


def member(name: str, of: Ref = SHOP) -> identity.Identity:
    return identity.Identity(identity.trust_domain(of), Ref("VirtualService", of.namespace, name))


@dataclass(slots=True)
class Everybody:
    """What proxies have acknowledged, if they are one opinion."""

    trust: bool = True
    hold: bool = True

    def is_everywhere(self, _bundle: Bundle) -> bool:
        return self.trust

    def is_held(self, _identity: identity.Identity, _leaf: Leaf) -> bool:
        return self.hold


class CrashError(BaseException):
    """The process ends here, without a chance to tidy up."""


class Fate(enum.Enum):
    """What becomes of a write, and of the process."""

    DONE = "done"
    CRASH_BEFORE = "the process ends before it counts"
    CRASH_AFTER = "the process ends after it counts"


@dataclass(slots=True)
class Memory:
    """A store in memory; each write meets the next fate."""

    contents: dict[str, stores.Stored] = field(default_factory=dict)
    fates: Iterator[Fate] = field(default_factory=lambda: itertools.repeat(Fate.DONE))
    writes: int = 0

    def where(self, name: str) -> str:
        return f"memory/{name}"

    def read(self, name: str) -> stores.Stored | None:
        return self.contents.get(name)

    def create(self, name: str, content: bytes) -> str | None:
        return None if name in self.contents else self._written(name, content)

    def replace(self, name: str, content: bytes, version: str) -> str | None:
        found = self.contents.get(name)
        return self._written(name, content) if found and found.version == version else None

    def _written(self, name: str, content: bytes) -> str:
        fate = next(self.fates)
        if fate is Fate.CRASH_BEFORE:
            raise CrashError
        self.writes += 1
        self.contents[name] = stores.Stored(content, str(self.writes))
        if fate is Fate.CRASH_AFTER:
            raise CrashError
        return str(self.writes)


def made(
    store: stores.Store,
    clock: Clock,
    policy: rotation.Policy = DEFAULT,
    sources: Mapping[str, str] | None = None,
) -> keeper.Keeper:
    return keeper.Keeper(succession.Ground(store, policy), sources or {}, clock, random.Random(7))


def folder(path: pathlib.Path) -> stores.FolderStore:
    return stores.FolderStore(path / "state" / "authorities")


def party(leaf: Leaf, roots: Bundle, expects: Iterable[identity.Identity] = ()) -> tls.Party:
    return tls.Party(leaf.chain, leaf.key.pem, roots.pem, frozenset(each.uri for each in expects))
