"""The control plane's own certificate, and the file by which proxies verify it."""

import random
import stat

import pytest
from cryptography import x509

from meshloom.identity.authority import issue, keys, rotation, serving, stores, succession
from meshloom.identity.authority.credentials import What
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.rotation import DAY, Policy
from tests.meshloom.authority import tls, worlds
from tests.meshloom.authority.worlds import START, Clock, member

POLICY = Policy(root_life=60 * DAY, spread=DAY, linger=DAY)


class Plane:
    """The keeper of the server's certificate, and a proxy that reads the file of roots now and then."""

    def __init__(self, folder):
        self.folder, self.file, self.clock = folder, folder / "root.pem", Clock()
        self.restart()

    def restart(self, policy=POLICY):
        ground = succession.Ground(worlds.folder(self.folder), policy)
        self.keeper = serving.ServerKeeper(ground, serving.RootFile(self.file), self.clock, random.Random(7))

    def ask(self, after=0.0, names=("10.0.0.7",)):
        self.clock.now += after
        return self.keeper.credentials(names)


@pytest.fixture
def plane(tmp_path):
    return Plane(tmp_path)


def proxy(roots: bytes) -> tls.Party:
    """Return a client that expects the control plane; it presents something, as these handshakes want both sides to."""
    own = issue.leaf(CLIENTS, keys.generated(), member("web"), 400 * DAY, START)
    return tls.Party(own.chain, own.key.pem, roots, frozenset({issue.CONTROL_PLANE}))


CLIENTS = issue.root(keys.generated(), "main.shop.mesh", 400 * DAY, START)


def refusal(plane, found, roots: bytes) -> str:
    server = tls.Party(found.leaf.chain, found.leaf.key.pem, issue.pem(CLIENTS.certificate))
    return tls.refusal(proxy(roots), server, plane.clock.now)


def test_who_reads_the_file_verifies_the_server_by_its_fixed_name(plane):
    found = plane.ask()
    assert plane.file.read_bytes() == found.roots.pem
    assert refusal(plane, found, plane.file.read_bytes()) == ""
    assert "certificate" in refusal(plane, found, issue.pem(CLIENTS.certificate))


def test_the_file_is_public_and_holds_no_key(plane):
    plane.ask()
    assert stat.S_IMODE(plane.file.stat().st_mode) == 0o644
    assert b"PRIVATE" not in plane.file.read_bytes()


def test_nothing_new_is_the_same_object_and_another_name_is_another_certificate(plane):
    first, second = plane.ask(), plane.ask(60)
    assert first.leaf is second.leaf
    assert first.roots is second.roots
    assert [event.what for event in first.events] == [What.ISSUED]
    assert second.events == ()
    third = plane.ask(60, ("10.0.0.7", "meshloom.system.svc"))
    names = x509.load_pem_x509_certificate(third.leaf.chain).extensions
    assert "meshloom.system.svc" in names.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName)


def test_it_is_renewed_at_half_of_its_life_or_when_asked_for(plane):
    first = plane.ask()
    assert plane.ask(0.44 * DAY).leaf is first.leaf
    second = plane.ask(0.12 * DAY)
    assert second.leaf is not first.leaf
    plane.keeper.renew()
    assert plane.ask().leaf is not second.leaf


def test_a_proxy_that_reads_the_file_once_a_day_never_meets_a_server_it_cannot_verify(plane):
    plane.ask()
    roots, read_at, seen, dropped = plane.file.read_bytes(), plane.clock.now, [], False
    for hour in range(70 * 24):
        found = plane.ask(3600.0)
        seen += [event.what for event in found.events if event.what is not What.RENEWED]
        assert refusal(plane, found, roots) == "", hour
        if plane.clock.now - read_at >= DAY:
            roots, read_at = plane.file.read_bytes(), plane.clock.now
        if hour % 37 == 0:
            plane.restart()
        dropped = dropped or seen[-1:] == [What.DROPPED]
    assert dropped
    assert What.SIGNING in seen


def test_the_day_is_counted_from_when_the_file_held_both(plane):
    plane.ask()
    plane.keeper.rotate()
    assert plane.ask().events[0].what is What.SPREADING
    plane.clock.now += DAY / 2
    plane.file.unlink()
    assert What.SIGNING not in [event.what for event in plane.ask().events]
    both = plane.file.read_bytes()
    assert len(x509.load_pem_x509_certificates(both)) == 2
    assert What.SIGNING not in [event.what for event in plane.ask(0.9 * DAY).events]
    assert What.SIGNING in [event.what for event in plane.ask(0.1 * DAY).events]
    assert plane.file.read_bytes() == both


def test_without_a_state_that_can_be_read_the_program_does_not_start(plane):
    plane.ask()
    file = plane.folder / "state" / "authorities" / serving.NAME / stores.FILE
    file.write_text("broken")
    plane.restart()
    with pytest.raises(AuthorityError, match=r"authority\.json is not whole; put it back from a backup"):
        plane.ask()
    assert file.read_text() == "broken"


def test_what_breaks_under_way_is_said_and_the_last_certificate_serves(plane):
    first = plane.ask()
    (plane.folder / "state" / "authorities" / serving.NAME / stores.FILE).chmod(0o640)
    found = plane.ask(succession.REREAD)
    assert found.leaf is first.leaf
    assert "open to other users" in found.fault
    assert found.due <= 5


def test_a_file_of_roots_that_cannot_be_written_is_told_of(tmp_path):
    plane = Plane(tmp_path)
    plane.file.mkdir()
    with pytest.raises(AuthorityError, match=r"root\.pem cannot be written: .*; make it a file"):
        plane.ask()


def test_a_clock_that_is_wrong_is_told_of(plane):
    plane.ask()
    plane.clock.now -= 90 * DAY
    plane.restart()
    with pytest.raises(AuthorityError, match=r"not valid before .*; set the clock"):
        plane.ask()


def test_a_name_that_no_certificate_can_hold_is_told_of(plane):
    with pytest.raises(AuthorityError, match=r"'müsli' is neither .*; .* mend the names"):
        plane.ask(names=("müsli",))


def test_what_is_returned_shows_no_key(plane):
    found = plane.ask()
    assert found.leaf.key.pem.decode().split()[4] not in repr(found)


def test_its_policy_gives_proxies_a_day():
    assert serving.POLICY.spread == serving.POLICY.linger == rotation.DAY
