"""What an authority issues: roots, leaves of proxies, and the certificate of the control plane's own server.

Law: given keys and times, pure. A certificate never outlives its issuer, and is valid from a while before it is made,
because clocks differ. Times are seconds since the epoch.
"""

import datetime
import hashlib
import ipaddress
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.identity import Identity
from meshloom.identity.authority import keys
from meshloom.identity.authority.keys import PrivateKey

CONTROL_PLANE = "control-plane.meshloom.internal"
"""The DNS name by which proxies verify the control plane, whatever the address they reach it at."""

_Window = tuple[datetime.datetime, datetime.datetime]
_Extension = tuple[x509.ExtensionType, bool]
"""An extension and whether it is critical."""
_NAMELESS = x509.Name(())

SKEW = 3600.0
"""So long before it is made a certificate is valid already, for machines whose clocks are behind."""


class IssueError(ValueError):
    """A certificate that cannot be issued; its text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """Who signs. `chain` is what a proxy presents after its leaf: none of it is a root that others trust by itself."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()
    ends: float = math.inf
    """The last second in which what it signs can be verified; never later than its certificate allows."""
    fingerprint: str = field(init=False)
    """Tells this issuer and its chain from every other."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.certificate, *self.chain))
        object.__setattr__(self, "ends", min(self.ends, ends(self.certificate)))


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A certificate of a proxy or a server: its chain as PEM, itself first, its key. `name` is a URI or a DNS name."""

    name: str
    chain: bytes = field(repr=False)
    key: PrivateKey
    not_before: float
    not_after: float
    serial: int
    fingerprint: str
    issuer: str = field(repr=False)
    """The fingerprint of its issuer."""


def root(key: PrivateKey, domain: str, life: float, now: float) -> Issuer:
    """Return a new root of a trust domain, valid for `life` seconds from now; no two have the same name."""
    window = _window(now - SKEW, now + life)
    itself = _Above(_root_name(key, domain, window[0]), _key_id(key.public))
    return Issuer(key.signed(_certificate(_Subject(itself.name, key.public, window), itself, _authority(1))), key)


def cross_signed(issuer: Issuer, certificate: x509.Certificate) -> x509.Certificate:
    """Return another root's certificate as this issuer signs it: who trusts the issuer trusts what that root signs."""
    both = (certificate, issuer.certificate)
    first, last = max(each.not_valid_before_utc for each in both), min(each.not_valid_after_utc for each in both)
    subject = _Subject(certificate.subject, keys.public(certificate), (first, last))
    return issuer.key.signed(_certificate(subject, _above(issuer.certificate), _authority(0)))


def leaf(issuer: Issuer, key: PrivateKey, identity: Identity, life: float, now: float) -> Leaf:
    """Return the certificate of a proxy, valid for `life` seconds or to the end of its issuer. Raises IssueError."""
    usages = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    alternatives = (x509.UniformResourceIdentifier(identity.uri),)
    return _leaf(issuer, key, identity.uri, (*_LEAF, *_purposes(usages, alternatives)), _life(issuer, life, now))


def server(issuer: Issuer, key: PrivateKey, names: Iterable[str], life: float, now: float) -> Leaf:
    """Return the certificate of the control plane's server for its fixed name and these, DNS names or IP addresses.

    Raises IssueError.
    """
    alternatives = tuple(_general_name(name) for name in dict.fromkeys((CONTROL_PLANE, *names)))
    usages = (ExtendedKeyUsageOID.SERVER_AUTH,)
    return _leaf(issuer, key, CONTROL_PLANE, (*_LEAF, *_purposes(usages, alternatives)), _life(issuer, life, now))


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates in PEM, one after the other."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def fingerprint(*certificates: x509.Certificate) -> str:
    """Return what tells certificates from all others."""
    return hashlib.sha256(b"".join(each.fingerprint(hashes.SHA256()) for each in certificates)).hexdigest()


def starts(certificate: x509.Certificate) -> float:
    """Return the first second in which a certificate is valid."""
    return certificate.not_valid_before_utc.timestamp()


def ends(certificate: x509.Certificate) -> float:
    """Return the last second in which a certificate is valid."""
    return certificate.not_valid_after_utc.timestamp()


@dataclass(frozen=True, slots=True)
class _Above:
    name: x509.Name
    key_id: bytes


@dataclass(frozen=True, slots=True)
class _Subject:
    name: x509.Name
    key: keys.PublicKey
    window: _Window


def _leaf(issuer: Issuer, key: PrivateKey, name: str, extensions: Iterable[_Extension], window: _Window) -> Leaf:
    subject = _Subject(_NAMELESS, key.public, window)
    made = issuer.key.signed(_certificate(subject, _above(issuer.certificate), extensions))
    not_before, not_after = (moment.timestamp() for moment in window)
    chain = pem(made, *issuer.chain)
    return Leaf(name, chain, key, not_before, not_after, made.serial_number, fingerprint(made), issuer.fingerprint)


def _life(issuer: Issuer, life: float, now: float) -> _Window:
    if now >= issuer.ends:
        raise IssueError(f"the certificate of the authority expired at {_date(issuer.ends)}")
    if now < starts(issuer.certificate):
        raise IssueError(f"the certificate of the authority is not valid before {_date(starts(issuer.certificate))}")
    return _window(max(now - SKEW, starts(issuer.certificate)), min(now + life, issuer.ends))


def _certificate(subject: _Subject, above: _Above, extensions: Iterable[_Extension]) -> x509.CertificateBuilder:
    own = x509.SubjectKeyIdentifier(_key_id(subject.key))
    issuer = x509.AuthorityKeyIdentifier(above.key_id, None, None)
    serial = _serial(own.digest, above.key_id, subject.window)
    builder = x509.CertificateBuilder(above.name, subject.name, subject.key, serial, *subject.window)
    for value, critical in (*extensions, (own, False), (issuer, False)):
        builder = builder.add_extension(value, critical)
    return builder


def _above(issuer: x509.Certificate) -> _Above:
    """Return how an issuer calls itself, which for the id of its key may be otherwise than we would."""
    try:
        key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        key_id = _key_id(keys.public(issuer))
    return _Above(issuer.subject, key_id)


def _key_id(key: keys.PublicKey) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


def _date(moment: float) -> str:
    return f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _serial(own: bytes, above: bytes, window: _Window) -> int:
    """Return a positive number of at most 159 bits that no other certificate of the issuer has; keys are random."""
    text = b"/".join((own, above, *(str(moment).encode() for moment in window)))
    return int.from_bytes(hashlib.sha256(text).digest()[:20]) >> 1 or 1


def _root_name(key: PrivateKey, domain: str, start: datetime.datetime) -> x509.Name:
    """Return a name that says the trust domain, label by label, for a common name has room for 64 characters only."""
    digest = _key_id(key.public).hex()[:8]
    common = x509.NameAttribute(NameOID.COMMON_NAME, f"meshloom root {start:%Y-%m-%d} {digest}")
    labels = (label for label in reversed(domain.split(".")) if label)
    return x509.Name((*(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, label) for label in labels), common))


def _authority(path_length: int) -> tuple[_Extension, ...]:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return (constraints, True), (_usage(key_cert_sign=True, crl_sign=True), True)


def _purposes(usages: Iterable[x509.ObjectIdentifier], names: Iterable[x509.GeneralName]) -> tuple[_Extension, ...]:
    """Return what a leaf is for and whose it is; the names are critical since there is no subject."""
    return (x509.ExtendedKeyUsage(usages), False), (x509.SubjectAlternativeName(names), True)


def _usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


_LEAF: tuple[_Extension, ...] = (
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (_usage(digital_signature=True), True),
)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise IssueError(f"{name!r} is neither an IP address nor a DNS name in ASCII") from None


def _window(start: float, end: float) -> _Window:
    first, last = (datetime.datetime.fromtimestamp(int(moment), datetime.UTC) for moment in (start, end))
    return first, last
