"""What is said of Secrets with certificates and keys."""

import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mesh import certificates
from mesh.certificates import Use
from tests import secrets

PAIR = secrets.pair()
OTHER = secrets.authority().pair()
WORN = secrets.authority().pair(starts=-10 * secrets.DAY, lasts=3 * secrets.DAY)


def fault(use: Use, **changed: bytes | None) -> str:
    values = {**PAIR.values, **{name.replace("_", "."): value for name, value in changed.items()}}
    present = {name: value for name, value in values.items() if value is not None}
    return certificates.standing(secrets.secret("shop/tls", present), use).fault


def key(of: object) -> bytes:
    return secrets.private(of)


def test_a_certificate_with_its_key_and_an_authority_can_be_used() -> None:
    assert [fault(use) for use in Use] == ["", ""]


def test_a_secret_that_is_not_there_cannot() -> None:
    assert certificates.standing(None, Use.SERVER).fault == "does not exist"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tls_key": None}, "has no tls.key"),
        ({"tls_crt": None}, "has no tls.crt"),
        ({"tls_crt": b""}, "has a tls.crt that holds no certificates in PEM that can be read"),
        ({"tls_crt": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "has a tls.crt that holds no"),
        ({"tls_key": b"hello"}, "has a tls.key that cannot be read, or that needs a password"),
        ({"tls_key": OTHER.key}, "has a tls.key that is not the key of the first certificate in tls.crt"),
        ({"tls_crt": OTHER.chain + PAIR.chain}, "has a tls.key that is not the key of the first certificate"),
        ({"tls_key": key(ed25519.Ed25519PrivateKey.generate())}, "has a tls.key that is neither ECDSA on P-256"),
        ({"tls_key": key(rsa.generate_private_key(65537, 1024))}, "has a tls.key that is neither ECDSA on P-256"),
        ({"tls_key": key(ec.generate_private_key(ec.SECP256K1()))}, "has a tls.key that is neither ECDSA on P-256"),
        ({"tls_crt": PAIR.chain * 101}, "has a tls.crt of 101 certificates, more than 100"),
    ],
)
def test_what_a_server_cannot_show_is_named(changed: dict[str, bytes | None], said: str) -> None:
    assert fault(Use.SERVER, **changed).startswith(said)


def test_a_key_behind_a_password_is_no_use() -> None:
    hidden = secrets.private(ec.generate_private_key(ec.SECP256R1()), b"please")
    assert fault(Use.SERVER, tls_key=hidden) == "has a tls.key that cannot be read, or that needs a password"


def test_authorities_need_no_certificate_and_no_key() -> None:
    assert fault(Use.CLIENTS, tls_crt=None, tls_key=None) == ""
    assert fault(Use.CLIENTS, ca_crt=None) == "has no ca.crt"
    assert fault(Use.CLIENTS, ca_crt=b"hello") == "has a ca.crt that holds no certificates in PEM that can be read"


def test_a_fault_quotes_nothing_of_a_value() -> None:
    said = fault(Use.SERVER, tls_key=PAIR.key.replace(b"-----BEGIN", b"-----BEGUN"))
    assert not [line for line in PAIR.key.decode().splitlines() if line in said]


def test_a_chain_counts_while_all_of_it_does_and_authorities_while_one_of_them_does() -> None:
    both = secrets.secret("shop/tls", {**PAIR.values, "tls.crt": PAIR.chain + WORN.chain, "ca.crt": PAIR.root})
    server = certificates.standing(both, Use.SERVER)
    assert server.ends < datetime.datetime.now(datetime.UTC).timestamp() < certificates.standing(both, Use.CLIENTS).ends
    worn = secrets.secret("shop/tls", {"ca.crt": WORN.chain + PAIR.chain})
    assert certificates.standing(worn, Use.CLIENTS).ends > datetime.datetime.now(datetime.UTC).timestamp()
