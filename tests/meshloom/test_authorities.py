"""What proxies acknowledged, told to the authorities by versions; what these do, logged and counted."""

import random
from collections import Counter

import structlog

from mesh import inventory, resolve
from mesh.problems import Ref
from meshloom import secured
from meshloom.identity import authorities, claim
from meshloom.identity.authority import keeper, rotation, stores, succession
from meshloom.identity.authority.credentials import What
from tests import written
from tests.meshloom import shop
from translator import names, secrets

FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
PETS = claim.sidecar("shop/pets-v1", "127.0.9.2", "127.0.0.1", {})
SEEN = inventory.inventory_of(written.objects("---".join((shop.MESH, shop.PETS, shop.weights(90, 10)))))
GRAPH = resolve.resolve(SEEN).graph
DOMAIN, MESH = "main.shop.mesh", Ref("Mesh", "shop", "main")
POLICY = rotation.Policy(leaf_life=600, spread=10, linger=10)


class Counting:
    """An observer that remembers."""

    def __init__(self):
        self.events, self.soonest = Counter(), []

    def issued(self, what, count):
        self.events[what] += count

    def lasts(self, soonest):
        self.soonest.append(soonest)


class World:
    """Authorities in a folder, a clock, and proxies that acknowledge what they are given, or do not."""

    def __init__(self, folder):
        self.now, self.counted, self.held = 1_800_000_000.0, Counting(), {}
        ground = succession.Ground(stores.FolderStore(folder), POLICY)
        self.keeper = keeper.Keeper(ground, {}, lambda: self.now, random.Random(1))
        self.all = authorities.Authorities(self.keeper, self.counted)

    def given(self, *wanted, is_looked=True):
        """Return the credentials of these proxies now."""
        members = secured.members(GRAPH, frozenset(wanted), secured.NOBODY)
        return self.all.credentials(GRAPH, members.identities, SEEN, self.held if is_looked else None)

    def acknowledge(self, given, proxy, **others):
        """Let a proxy hold what was given for it, but for the secrets named, which it holds at another version."""
        leaf = given.leaves[secured.members(GRAPH, frozenset({proxy}), secured.NOBODY).proxies.values[proxy]]
        versions = {
            names.IDENTITY: secrets.identity_secret(leaf.chain, leaf.key.pem).version,
            names.AUTHORITIES: secrets.authorities_secret(given.roots[DOMAIN].pem).version,
        }
        self.held[proxy] = ({**versions, **others},)


def test_a_new_root_signs_when_every_proxy_that_asks_for_roots_has_acknowledged_it(tmp_path):
    world = World(tmp_path / "authorities")
    first = world.given(FRONT, PETS)
    world.keeper.rotate(MESH)
    spreading = world.given(FRONT, PETS)
    assert spreading.is_watching
    assert spreading.roots[DOMAIN] != first.roots[DOMAIN]

    world.now += 2 * POLICY.spread
    world.acknowledge(spreading, FRONT)
    world.acknowledge(spreading, PETS, authorities="an older version")
    assert world.given(FRONT, PETS).leaves == spreading.leaves, "PETS does not trust the new root yet"

    world.acknowledge(spreading, PETS)
    world.now += 10
    signing = world.given(FRONT, PETS)
    assert world.counted.events[What.SIGNING] == 1
    assert signing.leaves.keys() == spreading.leaves.keys()
    assert all(signing.leaves[one] is not spreading.leaves[one] for one in signing.leaves)


def test_an_old_root_is_trusted_until_every_proxy_holds_a_new_certificate(tmp_path):
    world = World(tmp_path / "authorities")
    world.given(FRONT)
    world.keeper.rotate(MESH)
    spreading = world.given(FRONT)
    world.acknowledge(spreading, FRONT)
    world.now += 2 * POLICY.spread
    world.given(FRONT)
    world.now += 10 * POLICY.leaf_life
    world.given(FRONT)
    assert not world.counted.events[What.DROPPED], "FRONT holds its old certificate"
    world.now += 30
    world.acknowledge(world.given(FRONT), FRONT)
    world.now += 30
    world.given(FRONT)
    assert world.counted.events[What.DROPPED] == 1


def test_where_nobody_has_looked_nothing_is_acknowledged(tmp_path):
    world = World(tmp_path / "authorities")
    world.given(FRONT)
    world.keeper.rotate(MESH)
    world.given(FRONT, is_looked=False)
    world.now += 2 * POLICY.spread
    world.given(FRONT, is_looked=False)
    assert not world.counted.events[What.SIGNING]


def test_who_asks_for_no_secrets_holds_nobody_up(tmp_path):
    world = World(tmp_path / "authorities")
    world.given(FRONT)
    world.keeper.rotate(MESH)
    world.given(FRONT)
    world.held[FRONT] = ({},)
    world.now += 2 * POLICY.spread
    world.given(FRONT)
    assert world.counted.events[What.SIGNING] == 1


def test_what_is_issued_is_counted_and_said_once_and_holds_no_key(tmp_path):
    world = World(tmp_path / "authorities")
    with structlog.testing.capture_logs() as logs:
        given = world.given(FRONT, PETS)
        world.given(FRONT, PETS)
    assert world.counted.events == {What.ISSUED: 2}
    assert world.counted.soonest == [min(leaf.not_after for leaf in given.leaves.values())]
    assert [(each["event"], each["count"]) for each in logs] == [("certificates.issued", 2)]
