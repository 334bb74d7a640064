"""Ten years of certificates under a clock of our own, with real handshakes at every step.

Proxies connect, disconnect and lag behind; the control plane crashes at every write. Two proxies of a mesh whose
certificates have not expired always understand each other, connected or not; a foreigner is never let in.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mesh.identity import Identity
from meshloom.identity.authority import issue, keeper, keys, rotation
from meshloom.identity.authority.credentials import Bundle, Credentials, What
from meshloom.identity.authority.issue import Leaf
from tests.meshloom.authority import tls, worlds
from tests.meshloom.authority.worlds import DAY, YEAR, Fate

POLICY = rotation.Policy(leaf_life=30 * DAY, root_life=2 * YEAR, rotate_at=0.6, spread=DAY, linger=DAY)
FATES = (Fate.CRASH_BEFORE, Fate.CRASH_AFTER, Fate.DONE)
"""Of each write: it is tried again after the crash, so that of two writes one is lost and one is not told of."""
SEEDS = (1,)
MEMBERS = tuple(worlds.member(name) for name in ("cats", "dogs", "pets", "web"))


@dataclass(slots=True, eq=False)
class Proxy:
    """A proxy, and what it was last given. News reach it one by one, some time after they are sent."""

    identity: Identity
    leaf: Leaf
    roots: Bundle
    is_connected: bool = True

    def hear(self, news: Credentials, chance: random.Random) -> None:
        if self.is_connected and chance.random() < 0.6:
            self.leaf = news.leaves[self.identity]
        if self.is_connected and chance.random() < 0.6:
            self.roots = news.roots[self.identity.trust_domain]

    @property
    def party(self) -> tls.Party:
        return worlds.party(self.leaf, self.roots)


@dataclass(slots=True)
class World:
    """A mesh and its control plane, whose store ends the process at each write once."""

    chance: random.Random
    clock: worlds.Clock = field(default_factory=worlds.Clock)
    store: worlds.Memory = field(default_factory=lambda: worlds.Memory(fates=itertools.cycle(FATES)))
    proxies: list[Proxy] = field(default_factory=list)
    events: list[What] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    restarts: int = 0
    control_plane: keeper.Keeper | None = None

    def is_everywhere(self, bundle: Bundle) -> bool:
        return all(proxy.roots == bundle for proxy in self.proxies if proxy.is_connected)

    def is_held(self, identity: Identity, leaf: Leaf) -> bool:
        return all(proxy.leaf is leaf for proxy in self.proxies if proxy.is_connected and proxy.identity == identity)

    def news(self) -> Credentials:
        """Ask the control plane, starting it again as often as it takes."""
        while True:
            self.control_plane = self.control_plane or worlds.made(self.store, self.clock, POLICY)
            try:
                found = self.control_plane.credentials(worlds.meshes(), MEMBERS, {}, self)
            except worlds.CrashError:
                self.control_plane, self.restarts = None, self.restarts + 1
            else:
                self.bundles += [each for each in found.roots.values() if each not in self.bundles]
                self.events += [event.what for event in found.events]
                return found

    def pass_time(self, seconds: float) -> Credentials:
        self.clock.now += seconds
        found = self.news()
        for proxy in self.proxies:
            proxy.hear(found, self.chance)
        return found

    def reconnect(self, found: Credentials) -> None:
        """Let some proxies go and others come back, which get everything then."""
        for proxy in self.proxies:
            if self.chance.random() < 0.04:
                proxy.is_connected = not proxy.is_connected
                if proxy.is_connected:
                    proxy.leaf = found.leaves[proxy.identity]
                    proxy.roots = found.roots[proxy.identity.trust_domain]

    def failures(self) -> Iterator[str]:
        """Yield the handshakes that should have succeeded; each proxy calls the next and another."""
        alive = [proxy for proxy in self.proxies if self.clock.now <= proxy.leaf.not_after]
        callers = self.chance.sample(alive, len(alive))
        for client, server in itertools.pairwise(callers):
            if why := tls.refusal(client.party, server.party, self.clock.now):
                yield f"{client.identity.uri} to {server.identity.uri} at {self.clock.now}: {why}"

    def intrusions(self) -> Iterator[str]:
        """Yield the handshakes of foreigners that succeeded: self-made, with the right name, or of another mesh."""
        proxy = self.chance.choice(self.proxies)
        made = issue.root(keys.generated(), proxy.identity.trust_domain, YEAR, self.clock.now)
        foreign = issue.leaf(made, keys.generated(), self.chance.choice(MEMBERS), DAY, self.clock.now)
        intruder = tls.Party(foreign.chain, foreign.key.pem, proxy.roots.pem)
        if not tls.refusal(intruder, proxy.party, self.clock.now):
            yield f"into {proxy.identity.uri} at {self.clock.now}"
        if not tls.refusal(proxy.party, intruder, self.clock.now):
            yield f"out of {proxy.identity.uri} at {self.clock.now}"


def world(seed: int) -> World:
    made = World(random.Random(seed))
    found = made.news()
    made.proxies = [
        Proxy(one, found.leaves[one], found.roots[one.trust_domain]) for one in MEMBERS for _replica in range(2)
    ]
    return made


@pytest.mark.load
@pytest.mark.parametrize("seed", SEEDS)
def test_ten_years_of_rotations_fail_no_handshake_and_let_nobody_in(seed):
    made = world(seed)
    steps, absent = 0, 0
    while made.clock.now < worlds.START + 10 * YEAR:
        is_changing = made.pass_time(0.0).is_watching
        found = made.pass_time(made.chance.uniform(0.1, 1.0 if is_changing else 6.0) * DAY)
        made.reconnect(found)
        assert not [*made.failures()]
        assert not [*made.intrusions()]
        assert not found.problems
        steps += 1
        absent += sum(not each.is_connected and made.clock.now <= each.leaf.not_after for each in made.proxies)
    rotations = (len(made.bundles) - 1) / 2  # each shows a bundle of two roots and then one of one
    assert rotations >= 7
    assert all(made.events.count(what) >= 3 for what in (What.SPREADING, What.SIGNING, What.DROPPED))
    assert made.events.count(What.RENEWED) > 500
    assert made.restarts > 20
    assert absent > 500, "proxies that were away took part"
    assert steps > 900
