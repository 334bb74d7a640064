"""The keeper: what each identity presents and trusts, what is renewed when, and whose fault hurts whom."""

import dataclasses
import random
import time

import pytest
from cryptography import x509

from mesh import identity
from mesh.problems import Ref, Severity
from meshloom.identity.authority import issue, keeper, keys, leaves, rotation, stores, succession
from meshloom.identity.authority.credentials import What
from meshloom.identity.authority.faults import AuthorityError
from tests.meshloom.authority import test_given, tls, worlds
from tests.meshloom.authority.worlds import DAY, SHOP, START, YEAR, ZOO, Clock, Everybody, Memory, member

PETS, WEB, LION = member("pets"), member("web"), member("lion", ZOO)
BOTH = worlds.meshes(worlds.mesh(SHOP), worlds.mesh(ZOO))
GIVEN = {"ocid1.given": "vault/ca"}
VAULT = Ref("Secret", "vault", "ca")
MAPPED = worlds.meshes(worlds.mesh(SHOP, "ocid1.given"), worlds.mesh(ZOO))


class Plane:
    """A keeper, its clock and its store, and what proxies have acknowledged."""

    def __init__(self, store=None, policy=worlds.DEFAULT, sources=None, meshes=BOTH, members=(PETS, WEB, LION)):
        self.clock, self.store = Clock(), store or Memory()
        self.policy, self.sources, self.meshes = policy, sources, meshes
        self.identities, self.secrets, self.proxies = frozenset(members), {}, Everybody()
        self.restart()

    def restart(self):
        self.keeper = worlds.made(self.store, self.clock, self.policy, self.sources)

    def ask(self, after=0.0):
        self.clock.now += after
        return self.keeper.credentials(self.meshes, self.identities, self.secrets, self.proxies)

    def pass_days(self, days):
        """Ask about as often as the keeper wants to be asked; return the last answer and all events."""
        events, end = [], self.clock.now + days * DAY
        found = self.ask()
        while self.clock.now < end:
            found = self.ask(min(max(found.due, 900.0), end - self.clock.now))
            events += [event.what for event in found.events]
        return found, events


def certificate(leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.chain)


def test_members_of_one_mesh_understand_each_other_and_those_of_two_do_not():
    plane = Plane()
    found = plane.ask()
    parties = {one: worlds.party(found.leaves[one], found.roots[one.trust_domain]) for one in plane.identities}
    assert tls.refusal(parties[PETS], parties[WEB], START) == ""
    assert tls.refusal(parties[PETS], parties[LION], START)
    assert tls.refusal(parties[LION], parties[PETS], START)


def test_each_identity_has_a_key_of_its_own_and_no_text_shows_one():
    found = Plane().ask()
    pems = {leaf.key.pem for leaf in found.leaves.values()}
    assert len(pems) == 3
    assert "PRIVATE" not in repr(found)
    assert not any(pem.decode().split()[4] in repr(found) for pem in pems)


def test_what_did_not_change_is_the_same_object():
    plane = Plane()
    first, second = plane.ask(), plane.ask(60.0)
    assert first.leaves is second.leaves
    assert first.roots is second.roots
    assert second.events == ()
    assert second.due <= first.due
    plane.identities |= {member("new")}
    third = plane.ask()
    assert third.leaves[PETS] is first.leaves[PETS]
    assert third.roots is first.roots
    assert [event.subject for event in third.events] == [member("new").uri]


def test_a_leaf_is_renewed_at_about_half_of_its_life_and_not_all_at_once():
    plane = Plane(members=tuple(member(f"pets-{number}") for number in range(50)))
    first, renewed_at = plane.ask(), {}
    while plane.clock.now < START + DAY:
        found = plane.ask(600.0)
        for event in found.events:
            assert event.what is What.RENEWED
            renewed_at.setdefault(event.subject, plane.clock.now - START)
    assert len(renewed_at) == 50
    assert all(0.45 * DAY <= moment <= 0.55 * DAY + 600 for moment in renewed_at.values())
    assert len(set(renewed_at.values())) > 8
    assert all(found.leaves[one].key is not first.leaves[one].key for one in plane.identities)


def test_it_says_when_the_next_renewal_is_due():
    plane = Plane()
    found = plane.ask()
    assert found.due == succession.REREAD, "sooner than any renewal"
    waited = 0.0
    while not (found := plane.ask(found.due)).events:
        waited += found.due
    assert waited < 0.55 * DAY


def test_everything_is_renewed_when_asked_for_and_only_then():
    plane = Plane()
    seen = {plane.ask().leaves[PETS].serial}
    for _ in range(100):
        plane.keeper.renew_all()
        found = plane.ask()
        assert [event.what for event in found.events] == [What.RENEWED] * 3
        seen.add(found.leaves[PETS].serial)
    assert len(seen) == 101
    assert plane.ask().events == ()


def test_an_identity_that_comes_back_soon_has_its_certificate_still():
    plane = Plane()
    before = plane.ask()
    everybody, plane.identities = plane.identities, frozenset({WEB})
    assert plane.ask(60).leaves.keys() == {WEB}
    plane.identities = everybody
    assert plane.ask(60).leaves[PETS] is before.leaves[PETS]
    plane.identities = frozenset({WEB})
    plane.ask(60)
    plane.ask(leaves.FORGET)
    plane.identities = everybody
    assert plane.ask(60).leaves[PETS] is not before.leaves[PETS]


def test_after_a_restart_the_root_is_the_same_and_the_keys_are_new(tmp_path):
    plane = Plane(worlds.folder(tmp_path))
    before = plane.ask()
    plane.restart()
    after = plane.ask()
    assert after.roots == before.roots
    assert after.leaves[PETS].key.pem != before.leaves[PETS].key.pem
    parties = (
        worlds.party(each.leaves[one], each.roots[one.trust_domain]) for each, one in ((before, PETS), (after, WEB))
    )
    assert tls.refusal(*parties, START) == ""


def test_a_mesh_without_a_mapped_authority_has_a_root_of_meshloom_s_own_and_says_so():
    plane = Plane(meshes=worlds.meshes(worlds.mesh(SHOP, "ocid1.certificateauthority.oc1..x")))
    found = plane.ask()
    assert found.problems == ()
    assert [note.text for note in found.notes] == [
        "no Secret is mapped to `ocid1.certificateauthority.oc1..x`, so a root of meshloom's own signs",
        "certificates are signed by a root of meshloom's own, until 2032-01-14 08:00 UTC at the latest",
    ]


# ---------------------------------------------------------------------------- rotation


def test_a_root_is_replaced_in_time_without_being_asked_for():
    plane = Plane(policy=rotation.Policy(root_life=50 * DAY), members=(PETS,), meshes=worlds.meshes())
    first = plane.ask()
    found, events = plane.pass_days(45)
    assert [what for what in events if what is not What.RENEWED] == [What.SPREADING, What.SIGNING, What.DROPPED]
    assert found.roots[PETS.trust_domain] != first.roots[PETS.trust_domain]
    assert not found.is_watching


def test_a_new_root_that_is_asked_for_survives_a_restart_and_concerns_one_mesh():
    plane = Plane()
    first = plane.ask()
    plane.keeper.rotate(SHOP)
    plane.restart()
    found = plane.ask()
    assert found.is_watching
    assert len(x509.load_pem_x509_certificates(found.roots[PETS.trust_domain].pem)) == 2
    assert found.roots[LION.trust_domain] == first.roots[LION.trust_domain]
    assert "its authority is spreading a new root" in [note.text for note in found.notes]


def test_nothing_goes_on_before_proxies_have_acknowledged():
    plane = Plane(members=(PETS,), meshes=worlds.meshes())
    plane.proxies.trust = False
    plane.ask()
    plane.keeper.rotate(SHOP)
    assert plane.pass_days(3)[1].count(What.SIGNING) == 0
    plane.proxies.trust, plane.proxies.hold = True, False
    signing = plane.ask(60)
    assert What.SIGNING in [event.what for event in signing.events]
    assert len(x509.load_pem_x509_certificates(signing.leaves[PETS].chain)) == 2, "with the proof for the old root"
    assert plane.pass_days(3)[1].count(What.DROPPED) == 0
    plane.proxies.hold = True
    dropped = plane.ask(60)
    assert What.DROPPED in [event.what for event in dropped.events]
    assert len(x509.load_pem_x509_certificates(dropped.leaves[PETS].chain)) == 1


def test_while_it_waits_it_wants_to_be_asked_often():
    plane = Plane()
    plane.proxies.trust = False
    plane.ask()
    plane.keeper.rotate(SHOP)
    plane.ask()
    assert plane.ask(plane.policy.spread).due <= 5.0


def test_only_a_mesh_that_is_there_and_has_a_root_of_ours_can_be_rotated():
    plane = Plane(sources=GIVEN, meshes=MAPPED)
    plane.secrets = {VAULT: test_given.secret()}
    plane.ask()
    with pytest.raises(AuthorityError, match="Mesh shop/other has no authority here"):
        plane.keeper.rotate(Ref("Mesh", "shop", "other"))
    with pytest.raises(AuthorityError, match="replace the Secret"):
        plane.keeper.rotate(SHOP)


@pytest.mark.parametrize("nth", range(1, 6))
@pytest.mark.parametrize("fate", [worlds.Fate.CRASH_BEFORE, worlds.Fate.CRASH_AFTER])
def test_a_crash_at_any_write_of_a_rotation_loses_no_handshake(nth, fate):
    """Five writes: the first root, the wish for another, and the three steps to it."""
    fates = (fate if number == nth else worlds.Fate.DONE for number in range(1, 100))
    plane = Plane(Memory(fates=fates), members=(PETS, WEB), meshes=worlds.meshes())
    held, crashes, wished, events = {}, 0, False, []
    while plane.clock.now < START + 4 * DAY:
        try:
            found = plane.ask(3600.0)
            if not wished:
                plane.keeper.rotate(SHOP)
                wished = True
        except worlds.CrashError:
            crashes += 1
            wished = wished or (nth == 2 and fate is worlds.Fate.CRASH_AFTER)
            plane.restart()
            continue
        events += [event.what for event in found.events]
        new = {one: worlds.party(found.leaves[one], found.roots[one.trust_domain]) for one in (PETS, WEB)}
        for client in (held.get(PETS, new[PETS]), new[PETS]):
            assert tls.refusal(client, new[WEB], plane.clock.now) == ""
        held = new
    assert crashes == 1
    assert plane.store.writes == 5
    assert len(x509.load_pem_x509_certificates(found.roots[PETS.trust_domain].pem)) == 1


def test_two_control_planes_on_one_store_end_with_one_root(tmp_path):
    one, other = (Plane(worlds.folder(tmp_path), members=(PETS,), meshes=worlds.meshes()) for _ in range(2))
    other.clock = one.clock
    other.restart()
    assert one.ask().roots == other.ask().roots
    one.keeper.rotate(SHOP)
    for _ in range(3 * 24 * 30):
        first, second = one.ask(120.0), other.ask()
        client = worlds.party(first.leaves[PETS], first.roots[PETS.trust_domain])
        server = worlds.party(second.leaves[PETS], second.roots[PETS.trust_domain])
        if one.clock.now % 3600 < 120:
            assert tls.refusal(client, server, one.clock.now) == ""
    assert first.roots == second.roots
    assert not first.is_watching
    assert not second.is_watching


# ---------------------------------------------------------------------------- given authorities


def given_plane(**made):
    plane = Plane(sources=GIVEN, meshes=MAPPED)
    plane.secrets = {VAULT: test_given.secret(**made)}
    return plane


def test_a_given_authority_signs_for_its_mesh_and_for_no_other():
    found = given_plane().ask()
    assert found.roots[PETS.trust_domain].pem == test_given.ROOT.pem
    assert certificate(found.leaves[PETS]).issuer == test_given.SIGNING.name
    assert found.roots[LION.trust_domain].pem != test_given.ROOT.pem
    assert found.problems == ()


def test_another_root_in_the_secret_is_followed_as_a_rotation():
    plane = given_plane()
    old = plane.ask()
    new = test_given.Made("new root", end=START + YEAR)
    plane.secrets = {VAULT: test_given.secret((new,), new, (new,))}
    spreading = plane.ask(60.0)
    assert {*x509.load_pem_x509_certificates(spreading.roots[PETS.trust_domain].pem)} == {
        test_given.ROOT.certificate,
        new.certificate,
    }
    assert spreading.leaves[PETS] is old.leaves[PETS]
    signing = plane.ask(plane.policy.spread)
    assert certificate(signing.leaves[PETS]).issuer == new.name
    client = worlds.party(old.leaves[PETS], spreading.roots[PETS.trust_domain])
    server = worlds.party(signing.leaves[WEB], signing.roots[PETS.trust_domain])
    assert tls.refusal(client, server, plane.clock.now) == ""
    found, _ = plane.pass_days(2)
    assert found.roots[PETS.trust_domain].pem == new.pem


def test_the_roots_of_a_secret_that_was_replaced_during_a_restart_stay_trusted():
    plane = given_plane()
    old = plane.ask()
    new = test_given.Made("new root")
    plane.secrets = {VAULT: test_given.secret((new,), new, (new,))}
    plane.restart()
    found = plane.ask(60.0)
    assert certificate(found.leaves[PETS]).issuer == new.name, "nobody has the key of the other"
    client = worlds.party(old.leaves[PETS], found.roots[PETS.trust_domain])
    assert tls.refusal(client, worlds.party(found.leaves[WEB], found.roots[PETS.trust_domain]), plane.clock.now) == ""


@pytest.mark.parametrize("secrets", [{}, {VAULT: test_given.secret(tls_key=None)}], ids=["gone", "broken"])
def test_a_secret_that_goes_or_breaks_leaves_the_last_good_one_and_says_so(secrets):
    plane = given_plane()
    good = plane.ask()
    plane.secrets = secrets
    found = plane.ask(60.0)
    assert found.leaves is good.leaves
    assert found.roots is good.roots
    (problem,) = found.problems
    assert (problem.subject, problem.field, problem.severity) == (
        SHOP,
        "spec.certificateAuthorities[0].id",
        Severity.ERROR,
    )
    assert "Secret vault/ca" in problem.fault
    assert problem.fault.endswith("the last good one goes on to serve")
    renewed, events = plane.pass_days(1)
    assert What.RENEWED in events
    assert certificate(renewed.leaves[PETS]).issuer == test_given.SIGNING.name


def test_without_any_good_secret_nothing_is_issued_and_no_root_of_our_own_steps_in():
    plane = Plane(sources=GIVEN, meshes=MAPPED)
    found = plane.ask()
    assert found.leaves.keys() == {LION}
    assert found.roots.keys() == {LION.trust_domain}
    (problem,) = found.problems
    assert problem.fault == "is mapped to Secret vault/ca, which does not exist; no certificates are issued"
    plane.secrets = {VAULT: test_given.secret()}
    assert plane.ask().leaves.keys() == {PETS, WEB, LION}


def test_an_authority_that_ends_soon_is_warned_of_and_then_told_of():
    short = test_given.Made("short", end=START + 8 * DAY)
    plane = given_plane(chain=(short,), key=short, roots=(short,))
    assert plane.ask().problems == ()
    (warning,) = plane.ask(2 * DAY).problems
    assert warning.severity is Severity.WARNING
    assert "ends at 2027-01-23" in warning.fault
    (fault, *_) = plane.ask(7 * DAY).problems
    assert fault.severity is Severity.ERROR
    assert plane.ask().leaves[LION]


def test_certificates_that_last_as_long_as_their_authority_are_not_renewed_in_vain():
    short = test_given.Made("short", end=START + DAY / 2)
    plane = given_plane(chain=(short,), key=short, roots=(short,))
    plane.identities = frozenset({PETS})
    leaf = plane.ask().leaves[PETS]
    found, events = plane.pass_days(0.49)
    assert leaf.not_after == START + DAY / 2
    assert found.leaves[PETS] is leaf
    assert events == []


def test_from_our_own_root_to_a_given_one_and_back():
    plane = Plane(meshes=MAPPED)
    own = plane.ask()
    plane.sources, plane.secrets = GIVEN, {VAULT: test_given.secret()}
    plane.restart()
    plane.ask()
    found, _ = plane.pass_days(2)
    assert found.roots[PETS.trust_domain].pem == test_given.ROOT.pem
    plane.sources = None
    plane.restart()
    plane.ask()
    found, _ = plane.pass_days(2)
    assert found.roots[PETS.trust_domain].pem not in (test_given.ROOT.pem, own.roots[PETS.trust_domain].pem)
    assert certificate(found.leaves[PETS]).issuer != test_given.SIGNING.name


# ---------------------------------------------------------------------------- whose fault hurts whom


def test_a_broken_file_hurts_its_own_mesh_alone(tmp_path):
    plane = Plane(worlds.folder(tmp_path))
    plane.ask()
    file = tmp_path / "state" / "authorities" / "shop.main" / stores.FILE
    file.write_text("broken")
    plane.restart()
    found = plane.ask()
    assert found.leaves.keys() == {LION}
    (problem,) = found.problems
    assert problem.subject == SHOP
    assert problem.fault == f"{file} is not whole; no certificates are issued"
    assert problem.remedy == succession.BROKEN


@pytest.mark.parametrize("harm", ["unlink", "chmod", "garble"])
def test_a_file_that_goes_or_breaks_under_way_leaves_the_last_state(tmp_path, harm):
    plane = Plane(worlds.folder(tmp_path))
    good = plane.ask()
    file = tmp_path / "state" / "authorities" / "shop.main" / stores.FILE
    content = file.read_bytes()
    {"unlink": file.unlink, "chmod": lambda: file.chmod(0o644), "garble": lambda: file.write_text("x")}[harm]()
    found = plane.ask(succession.REREAD)
    assert found.leaves is good.leaves
    assert [problem.subject for problem in found.problems] == [SHOP]
    assert "goes on to serve" in found.problems[0].fault
    file.write_bytes(content)
    file.chmod(0o600)
    assert plane.ask(10.0).problems == ()
    assert not file.is_symlink()


def test_two_meshes_of_one_trust_domain_do_not_share_it():
    twin = worlds.mesh(Ref("Mesh", "zoo", "twin"))
    rival = type(twin)(twin.ref, twin.name, twin.minimum, PETS.trust_domain)
    found = Plane(meshes=worlds.meshes(worlds.mesh(SHOP), rival), members=(PETS,)).ask()
    assert PETS in found.leaves
    assert [problem.subject for problem in found.problems] == [twin.ref]


def test_another_trust_domain_of_a_mesh_has_another_root_and_going_back_finds_the_first():
    plane = Plane(members=(PETS,), meshes=worlds.meshes())
    before = plane.ask()
    other = dataclasses.replace(worlds.mesh(), trust_domain="pets.example.com")
    plane.meshes, plane.identities = (
        worlds.meshes(other),
        frozenset({identity.Identity(other.trust_domain, PETS.owner)}),
    )
    moved = plane.ask()
    assert moved.problems == ()
    assert len(moved.leaves) == 1
    assert moved.roots[other.trust_domain].pem != before.roots[PETS.trust_domain].pem
    plane.meshes, plane.identities = worlds.meshes(), frozenset({PETS})
    assert plane.ask().roots == before.roots


def test_a_fault_of_ours_in_one_mesh_hurts_no_other_and_quotes_nothing():
    class Failing(Memory):
        def read(self, name):
            if name == "shop.main":
                raise RuntimeError("a secret")
            return Memory.read(self, name)

    found = Plane(Failing()).ask()
    assert found.leaves.keys() == {LION}
    (problem,) = found.problems
    assert problem.fault == "its certificates fail with RuntimeError"
    assert "report it" in problem.remedy


def test_a_clock_that_is_wrong_is_told_of():
    plane = Plane(meshes=worlds.meshes())
    plane.ask()
    plane.clock.now -= YEAR
    plane.restart()
    (problem,) = plane.ask().problems
    assert "not valid before 2027-01-15" in problem.fault
    assert "set the clock" in problem.remedy


# ---------------------------------------------------------------------------- cost


@pytest.mark.timeout(60)
def test_a_thousand_identities_cost_little_and_nothing_new_costs_next_to_nothing():
    plane = Plane(members=tuple(member(f"pets-{number}") for number in range(1000)), meshes=worlds.meshes())
    begun = time.process_time()
    assert len(plane.ask().leaves) == 1000
    issued = time.process_time() - begun
    begun = time.process_time()
    for _ in range(100):
        plane.ask()
    quiet = (time.process_time() - begun) / 100
    assert issued < 2.0
    assert quiet < 0.002


def test_the_same_chance_gives_the_same_moments():
    def moments(seed):
        made = leaves.Leaves(leaves.Making(DAY, random.Random(seed)))
        root = issue.root(keys.generated(), PETS.trust_domain, YEAR, START)
        made.refreshed([PETS], root, START)
        return made.due([PETS])

    assert moments(1) == moments(1) != moments(2)


def test_default_clock_and_chance_serve():
    made = keeper.Keeper(succession.Ground(Memory(), worlds.DEFAULT), {})
    found = made.credentials(worlds.meshes(), [PETS], {}, Everybody())
    assert found.leaves[PETS].not_before < time.time() < found.leaves[PETS].not_after
