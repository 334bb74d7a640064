"""An authority in a Secret: taken as it is, or refused with what is wrong and what to do."""

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh import workloads
from meshloom.identity.authority import given, issue, keys
from meshloom.identity.authority.faults import AuthorityError
from tests.meshloom.authority import tls
from tests.meshloom.authority.worlds import DAY, START, YEAR, member


class Made:
    """A certificate made elsewhere, and its key."""

    def __init__(self, name, issuer=None, key=None, start=START - DAY, end=START + YEAR, ca=True, path=None, extra=()):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        above = issuer or self
        moments = (datetime.datetime.fromtimestamp(each, datetime.UTC) for each in (start, end))
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(above.name, self.name, self.key.public_key(), serial, *moments)
        builder = builder.add_extension(x509.BasicConstraints(ca, path), critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        builder = builder.add_extension(own, critical=False)
        for extension in extra:
            builder = builder.add_extension(extension, critical=True)
        digest = None if isinstance(above.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        self.certificate = builder.sign(above.key, digest)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, clear)


ROOT = Made("root")
MIDDLE = Made("middle", ROOT)
SIGNING = Made("signing", MIDDLE, path=0)
OTHER = Made("other")


def secret(chain=(SIGNING, MIDDLE), key=SIGNING, roots=(ROOT,), **values) -> workloads.Secret:
    data = {
        "tls.crt": b"".join(each.pem for each in chain),
        "tls.key": key.key_pem,
        "ca.crt": b"".join(each.pem for each in roots),
        **{name.replace("_", "."): value for name, value in values.items()},
    }
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items() if value is not None}
    return workloads.Secret.model_validate({"metadata": {"name": "ca", "namespace": "vault"}, "data": encoded})


def test_what_it_signs_is_verified_by_who_trusts_its_root():
    signer = given.signer(secret(), START)
    leaves = [issue.leaf(signer.issuer, keys.generated(), member(name), DAY, START) for name in ("web", "pets")]
    client, server = (tls.Party(leaf.chain, leaf.key.pem, ROOT.pem) for leaf in leaves)
    assert tls.refusal(client, server, START) == ""
    assert len(x509.load_pem_x509_certificates(leaves[0].chain)) == 3
    assert signer.roots == (ROOT.certificate,)


@pytest.mark.parametrize(
    "made",
    [
        {"chain": (ROOT,), "key": ROOT},
        {"chain": (ROOT,), "key": ROOT, "roots": ()},
        {"chain": (SIGNING, MIDDLE, ROOT)},
        {"chain": (SIGNING, MIDDLE, ROOT), "ca_crt": None},
        {"chain": (SIGNING, OTHER, MIDDLE), "roots": (OTHER, ROOT)},
        {"chain": (SIGNING,), "roots": (ROOT, MIDDLE), "tls_crt": SIGNING.pem + MIDDLE.pem},
    ],
    ids=["a root itself", "ca.crt empty", "root in the chain", "no ca.crt", "any order", "intermediate among roots"],
)
def test_every_form_that_can_be_verified_is_taken(made):
    signer = given.signer(secret(**made), START)
    leaf = issue.leaf(signer.issuer, keys.generated(), member("web"), DAY, START)
    party = tls.Party(leaf.chain, leaf.key.pem, issue.pem(*signer.roots))
    assert tls.refusal(party, party, START) == ""
    assert all(root.subject == root.issuer for root in signer.roots)


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_authorities_with_other_sorts_of_keys_sign_too(key):
    root = Made("root", key=key)
    signer = given.signer(secret((root,), root, (root,)), START)
    leaf = issue.leaf(signer.issuer, keys.generated(), member("web"), DAY, START)
    party = tls.Party(leaf.chain, leaf.key.pem, root.pem)
    assert tls.refusal(party, party, START) == ""


EXPIRED = Made("old", end=START - 1)
FUTURE = Made("new", start=START + DAY)
LEAF = Made("leaf", ROOT, ca=False)
NARROW = Made("narrow", path=0)
UNDER_NARROW = Made("under", NARROW)
EDWARDS = Made("edwards", key=ed25519.Ed25519PrivateKey.generate())
WEAK = Made("weak", key=rsa.generate_private_key(65537, 1024))
SERVERS = Made("servers", ROOT, extra=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])])
NO_SIGNING = Made(
    "no-signing", ROOT, extra=[x509.KeyUsage(True, False, False, False, False, False, False, False, False)]
)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"tls_crt": None}, "has no tls.crt"),
        ({"tls_key": None}, "has no tls.key"),
        ({"tls_crt": b""}, "tls.crt holds no certificates in PEM that can be read"),
        ({"tls_crt": b"garbage"}, "tls.crt holds no certificates in PEM that can be read"),
        ({"ca_crt": b"garbage"}, "ca.crt holds no certificates in PEM that can be read"),
        ({"tls_key": b"garbage"}, "tls.key holds no private key in PEM"),
        ({"key": OTHER}, "tls.key is not the key of the first certificate in tls.crt"),
        ({"chain": (EDWARDS,), "key": EDWARDS, "roots": (EDWARDS,)}, "tls.key holds a key that is neither ECDSA"),
        ({"chain": (WEAK,), "key": WEAK, "roots": (WEAK,)}, "nor RSA of 2048 bits or more"),
        ({"roots": (MIDDLE,)}, "ca.crt holds no self-signed root certificate"),
        ({"ca_crt": None}, "tls.crt holds no self-signed root certificate"),
        ({"chain": (SIGNING,)}, "neither ca.crt nor tls.crt holds the issuer 'CN=middle'"),
        ({"roots": (OTHER,)}, "neither ca.crt nor tls.crt holds the issuer 'CN=root'"),
        (
            {"chain": (EXPIRED,), "key": EXPIRED, "roots": (EXPIRED,)},
            "certificate 'CN=old' expired at 2027-01-15 07:59",
        ),
        ({"chain": (FUTURE,), "key": FUTURE, "roots": (FUTURE,)}, "'CN=new' is not valid before 2027-01-16 08:00 UTC"),
        ({"chain": (LEAF,), "key": LEAF}, "'CN=leaf' is not the certificate of an authority (CA:TRUE)"),
        (
            {"chain": (UNDER_NARROW,), "key": UNDER_NARROW, "roots": (NARROW,)},
            "'CN=narrow' allows 0 authorities below it, and has 1",
        ),
        ({"chain": (SERVERS,), "key": SERVERS}, "'CN=servers' is not for clientAuth"),
        ({"chain": (NO_SIGNING,), "key": NO_SIGNING}, "'CN=no-signing' may not sign certificates (key usage)"),
        ({"chain": (ROOT,) * 101, "key": ROOT}, "tls.crt holds 101 certificates, more than 100"),
    ],
)
def test_what_proxies_could_not_verify_is_refused_by_name_and_without_a_value(made, words):
    found = secret(**made)
    with pytest.raises(AuthorityError) as fault:
        given.signer(found, START)
    assert str(fault.value).startswith("Secret vault/ca ")
    assert words in str(fault.value)
    assert "isCA: true" in fault.value.remedy
    assert "garbage" not in str(fault.value)
    assert fault.value.__cause__ is None


def test_what_is_not_base64_is_said():
    broken = workloads.Secret.model_validate(
        {"metadata": {"name": "ca", "namespace": "vault"}, "data": {"tls.crt": "not base64!"}}
    )
    with pytest.raises(AuthorityError, match=r"tls\.crt is not base64"):
        given.signer(broken, START)


def test_equal_content_is_the_same_authority_and_another_is_another():
    assert given.signer(secret(), START).origin == given.signer(secret(), START + DAY).origin
    others = (secret(roots=(ROOT, OTHER)), secret((Made("signing", MIDDLE, SIGNING.key), MIDDLE)))
    assert len({given.signer(each, START).origin for each in (secret(), *others)}) == 3


def test_it_signs_nothing_that_lasts_longer_than_any_certificate_above():
    short = Made("short", ROOT, end=START + 2 * DAY)
    below = Made("below", short, end=START + YEAR)
    signer = given.signer(secret((below, short), below), START)
    assert signer.ends == START + 2 * DAY
    assert issue.leaf(signer.issuer, keys.generated(), member("web"), 30 * DAY, START).not_after == START + 2 * DAY
