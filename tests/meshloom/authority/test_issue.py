"""Certificates: what is in them, how long they last, and that others verify them."""

import copy
import dataclasses
import datetime
import pickle

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from meshloom.identity import certificates
from meshloom.identity.authority import issue, keys
from tests.meshloom.authority import tls
from tests.meshloom.authority.worlds import DAY, START, YEAR, member

PETS, WEB = member("pets"), member("web")
DOMAIN = PETS.trust_domain
FIRST = issue.root(keys.generated(), DOMAIN, 5 * YEAR, START)
SECOND = issue.root(keys.generated(), DOMAIN, 5 * YEAR, START + DAY)
CROSSED = issue.Issuer(SECOND.certificate, SECOND.key, (issue.cross_signed(FIRST, SECOND.certificate),))
KEY = keys.generated()


def certificate(leaf: issue.Leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.chain)


def extension(of: x509.Certificate, sort):
    return of.extensions.get_extension_for_class(sort)


def test_the_only_name_of_a_leaf_is_the_uri_of_its_identity():
    names = extension(certificate(issue.leaf(FIRST, KEY, PETS, DAY, START)), x509.SubjectAlternativeName)
    assert names.critical
    assert [*names.value] == [x509.UniformResourceIdentifier(PETS.uri)]


def test_a_leaf_serves_and_calls_and_signs_no_certificates():
    leaf = certificate(issue.leaf(FIRST, KEY, PETS, DAY, START))
    usages = extension(leaf, x509.ExtendedKeyUsage).value
    assert {*usages} == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not extension(leaf, x509.BasicConstraints).value.ca
    assert not extension(leaf, x509.KeyUsage).value.key_cert_sign
    assert leaf.public_key().curve.name == "secp256r1"


def test_a_leaf_names_the_key_that_signed_it():
    leaf, root = certificate(issue.leaf(FIRST, KEY, PETS, DAY, START)), FIRST.certificate
    above = extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier
    assert above == extension(root, x509.SubjectKeyIdentifier).value.digest
    leaf.verify_directly_issued_by(root)


def test_the_id_of_the_issuer_s_key_is_the_one_it_calls_itself():
    """Which other authorities may make in other ways."""
    own = FIRST.certificate
    builder = x509.CertificateBuilder(
        own.subject, own.subject, own.public_key(), 7, own.not_valid_before_utc, own.not_valid_after_utc
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier(b"otherwise"), critical=False)
    other = issue.Issuer(FIRST.key.signed(builder), FIRST.key)
    leaf = certificate(issue.leaf(other, KEY, PETS, DAY, START))
    assert extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier == b"otherwise"


def test_a_leaf_is_valid_before_it_was_made_for_clocks_that_are_behind():
    leaf = issue.leaf(FIRST, KEY, PETS, DAY, START + DAY)
    assert leaf.not_before == START + DAY - issue.SKEW
    assert leaf.not_after == START + 2 * DAY


@given(life=st.floats(300, 10 * YEAR), now=st.floats(START, START + 5 * YEAR - 1))
def test_a_leaf_is_within_the_life_of_its_issuer(life, now):
    leaf = issue.leaf(FIRST, KEY, PETS, life, now)
    assert issue.starts(FIRST.certificate) <= leaf.not_before <= now
    assert leaf.not_after <= min(now + life, issue.ends(FIRST.certificate))


def test_an_authority_that_has_ended_or_not_begun_signs_nothing():
    with pytest.raises(issue.IssueError, match="expired at 2032-01-14"):
        issue.leaf(FIRST, KEY, PETS, DAY, START + 5 * YEAR)
    with pytest.raises(issue.IssueError, match="not valid before 2027-01-15"):
        issue.leaf(FIRST, KEY, PETS, DAY, START - 2 * issue.SKEW)


def test_roots_of_one_trust_domain_have_different_names_and_serials():
    names = {each.certificate.subject.rfc4514_string() for each in (FIRST, SECOND)}
    assert len(names) == 2
    assert all(name.endswith(",DC=main,DC=shop,DC=mesh") for name in names)
    serials = {certificate(issue.leaf(FIRST, keys.generated(), PETS, DAY, START)).serial_number for _ in range(50)}
    assert len(serials) == 50
    assert all(0 < serial < 2**159 for serial in serials)


def test_a_trust_domain_of_any_length_fits_into_the_name_of_a_root():
    domain = ".".join(["a" * 63, "b" * 190, "mesh"])
    root = issue.root(keys.generated(), domain, YEAR, START)
    assert f"DC={'b' * 190}" in root.certificate.subject.rfc4514_string()


def test_the_server_s_certificate_has_the_fixed_name_and_those_asked_for():
    made = issue.server(FIRST, KEY, ["10.0.0.7", "fd00::7", "meshloom.system.svc", issue.CONTROL_PLANE], DAY, START)
    names = extension(certificate(made), x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [issue.CONTROL_PLANE, "meshloom.system.svc"]
    assert [*map(str, names.get_values_for_type(x509.IPAddress))] == ["10.0.0.7", "fd00::7"]
    assert [*extension(certificate(made), x509.ExtendedKeyUsage).value] == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_name_that_no_certificate_can_hold_is_refused():
    with pytest.raises(issue.IssueError, match="'müsli' is neither"):
        issue.server(FIRST, KEY, ["müsli"], DAY, START)


def side(identity, issuer, *trusted, expects=()):
    leaf = issue.leaf(issuer, keys.generated(), identity, DAY, START + DAY)
    roots = issue.pem(*(each.certificate for each in trusted))
    return tls.Party(leaf.chain, leaf.key.pem, roots, frozenset(each.uri for each in expects))


def test_members_of_a_mesh_verify_each_other_and_who_they_are():
    client, server = side(WEB, FIRST, FIRST, expects=[PETS]), side(PETS, FIRST, FIRST, expects=[WEB])
    assert tls.refusal(client, server, START + DAY) == ""
    assert tls.refusal(client, side(WEB, FIRST, FIRST), START + DAY).startswith("expected")


@pytest.mark.parametrize(("at", "why"), [(START + DAY - 3601, "not yet valid"), (START + 2 * DAY + 1, "expired")])
def test_a_leaf_is_refused_outside_of_its_time(at, why):
    assert why in tls.refusal(side(WEB, FIRST, FIRST), side(PETS, FIRST, FIRST), at)


def test_who_trusts_another_root_refuses():
    assert tls.refusal(side(WEB, FIRST, SECOND), side(PETS, FIRST, FIRST), START + DAY)
    assert tls.refusal(side(WEB, FIRST, FIRST), side(PETS, FIRST, SECOND), START + DAY)


@pytest.mark.parametrize("trusted", [(FIRST,), (SECOND,), (FIRST, SECOND)], ids=["old", "new", "both"])
def test_a_leaf_by_the_new_root_is_verified_by_who_trusts_the_old_the_new_or_both(trusted):
    assert tls.refusal(side(WEB, FIRST, *trusted), side(PETS, CROSSED, FIRST), START + DAY) == ""
    assert tls.refusal(side(PETS, CROSSED, FIRST), side(WEB, FIRST, *trusted), START + DAY) == ""


@pytest.mark.parametrize("trusted", [FIRST, SECOND], ids=["old", "new"])
def test_the_door_for_client_certificates_verifies_both_forms(trusted):
    leaf = issue.leaf(CROSSED, KEY, PETS, DAY, START + DAY)
    own, *above = x509.load_pem_x509_certificates(leaf.chain)
    roots = issue.pem(trusted.certificate)
    proven, ends = certificates.verified(issue.pem(own), issue.pem(*above), lambda _: roots, START + DAY)
    assert proven.uri == PETS.uri
    assert ends == leaf.not_after


def test_a_cross_signed_root_lasts_no_longer_than_either():
    short = issue.root(keys.generated(), DOMAIN, DAY, START)
    crossed = issue.cross_signed(short, SECOND.certificate)
    assert issue.ends(crossed) == START + DAY
    assert crossed.not_valid_before_utc == SECOND.certificate.not_valid_before_utc
    assert extension(crossed, x509.BasicConstraints).value.path_length == 0


def test_no_text_of_a_value_shows_a_key():
    leaf = issue.leaf(FIRST, keys.generated(), PETS, DAY, START)
    inner = leaf.key.pem.decode().split()[4]
    for value in (leaf, FIRST, leaf.key, [leaf], {"a": leaf.key}, dataclasses.replace(leaf, name="x")):
        for text in (repr(value), str(value), f"{value}", f"{value!r}"):
            assert "PRIVATE" not in text
            assert inner not in text
    assert repr(leaf.key) == str(leaf.key) == f"{leaf.key}" == "[redacted]"


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_is_not_copied_by_accident(copied):
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        copied(KEY)


def test_what_is_not_a_key_is_refused_without_a_word_of_it():
    for content in (b"", b"secret words", b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(keys.KeyFaultError) as fault:
            keys.read(content)
        assert "secret" not in str(fault.value)
        assert fault.value.__cause__ is None
        assert fault.value.__suppress_context__


def test_times_are_read_in_utc():
    root = issue.root(keys.generated(), DOMAIN, YEAR, 0.0)
    assert root.certificate.not_valid_after_utc == datetime.datetime(1971, 1, 1, tzinfo=datetime.UTC)
