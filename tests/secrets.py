"""Secrets as people write them for gateways: certificates, keys and authorities, made when a test asks for them."""

import base64
import datetime
import functools
import ipaddress
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh import workloads

DAY = datetime.timedelta(days=1)

Names = Sequence[x509.GeneralName]
Values = Mapping[str, bytes]


class Pair(NamedTuple):
    """A certificate, its key, and the root above it, all in PEM."""

    chain: bytes
    key: bytes
    root: bytes

    @property
    def values(self) -> Values:
        """What stands in a Secret of them."""
        return {"tls.crt": self.chain, "tls.key": self.key, "ca.crt": self.root}


class Authority:
    """Who certifies clients, or the servers of others."""

    def __init__(self, name: str = "outside") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = x509.BasicConstraints(ca=True, path_length=None)
        unsigned = _unsigned(self._name, self._name, self._key, -DAY, 3650 * DAY)
        self.root = pem(unsigned.add_extension(usage, critical=True).sign(self._key, hashes.SHA256()))

    def pair(
        self, *names: x509.GeneralName, subject: str = "leaf", starts: datetime.timedelta = -DAY, lasts=365 * DAY
    ) -> Pair:
        """Return a certificate for these names, that counts from `starts` after now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        holder = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        unsigned = _unsigned(holder, self._name, key, starts, lasts)
        if names:
            unsigned = unsigned.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Pair(pem(unsigned.sign(self._key, hashes.SHA256())), private(key), self.root)


@functools.cache
def authority() -> Authority:
    """Return an authority that tests share which do not care for it."""
    return Authority()


@functools.cache
def pair() -> Pair:
    """Return a pair that tests share which do not care for it."""
    return authority().pair(dns("localhost"))


def secret(key: str, of: Pair | Values) -> workloads.Secret:
    """Return the Secret at `namespace/name` with these values."""
    found = workloads.Secret.model_validate(document(key, of))
    assert isinstance(found, workloads.Secret)
    return found


def document(key: str, of: Pair | Values) -> dict[str, object]:
    """Return that Secret as it is written."""
    namespace, name = key.split("/")
    values = of.values if isinstance(of, Pair) else of
    data = {name: base64.b64encode(value).decode() for name, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def uri(name: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(name)


def email(name: str) -> x509.GeneralName:
    return x509.RFC822Name(name)


def address(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def private(key, password: bytes = b"") -> bytes:
    form = serialization.PrivateFormat.PKCS8
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, hidden)


def _unsigned(subject, issuer, key, starts, lasts) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) + starts
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lasts)
    )
