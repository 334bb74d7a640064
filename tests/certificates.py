"""Certificates for tests: authorities made on the spot, and leaves of theirs in files that Envoy and Python read."""

import datetime
import pathlib
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = datetime.timedelta(days=1)


class Files(NamedTuple):
    """Where a certificate, its key and the roots are that its holder trusts."""

    chain: pathlib.Path
    key: pathlib.Path
    roots: pathlib.Path


class Authority:
    """A certificate authority of one root."""

    def __init__(self, name: str = "test") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = x509.BasicConstraints(ca=True, path_length=None)
        self._root = _unsigned(self._name, self._name, self._key).add_extension(usage, critical=True)
        self.root = self._root.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issued(self, uri: str, folder: pathlib.Path, roots: bytes = b"", age: datetime.timedelta = DAY) -> Files:
        """Write a leaf for this URI SAN, valid since `age` and for as long again, into a new folder."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        unsigned = _unsigned(x509.Name([]), self._name, key, age).add_extension(names, critical=True)
        leaf = unsigned.sign(self._key, hashes.SHA256())
        files = Files(folder / "chain.pem", folder / "key.pem", folder / "roots.pem")
        folder.mkdir(parents=True)
        files.chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        files.key.touch(mode=0o600)
        files.key.write_bytes(_pem(key))
        files.roots.write_bytes(roots or self.root)
        return files


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, bare)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, age: datetime.timedelta = DAY
) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) - age
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + 2 * DAY)
    )
