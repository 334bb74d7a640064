"""An authority that was given: a Secret as cert-manager writes it, with `tls.crt`, `tls.key` and `ca.crt`.

Law: what proxies could not verify is refused here, with the fault and the remedy; no message holds a value of it.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh import workloads
from meshloom.identity.authority import issue, keys
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.rotation import Signer

CHAIN, KEY, ROOTS = "tls.crt", "tls.key", "ca.crt"
MOST = 100
_PURPOSES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def signer(secret: workloads.Secret, now: float) -> Signer:
    """Return the authority in a Secret. Raises AuthorityError."""
    try:
        return _signer(secret, now)
    except ValueError:  # an extension that cannot be read
        raise _fault(secret, "holds a certificate that cannot be read") from None


def _signer(secret: workloads.Secret, now: float) -> Signer:
    own, *above = _certificates(secret, CHAIN)
    try:
        key = keys.read(_value(secret, KEY))
    except keys.KeyFaultError as fault:
        raise _fault(secret, f"{KEY} {fault}") from None
    if not key.is_of(own):
        raise _fault(secret, f"{KEY} is not the key of the first certificate in {CHAIN}")
    roots = _roots(secret, (own, *above))
    path = _path(secret, own, above, roots)
    for number, certificate in enumerate(path):
        _check(secret, certificate, number, now)
    chain = tuple(each for each in path if each not in roots)
    issuer = issue.Issuer(own, key, chain, min(issue.ends(each) for each in path))
    return Signer(issue.fingerprint(own, *chain, *sorted(roots, key=issue.fingerprint)), roots, issuer)


def _roots(secret: workloads.Secret, chain: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """Return the roots; without `ca.crt` those that are in the chain."""
    found = _certificates(secret, ROOTS) if secret.data.get(ROOTS) else chain
    roots = tuple(dict.fromkeys(each for each in found if _is_signed(each, each)))
    if not roots:
        raise _fault(secret, f"{ROOTS if secret.data.get(ROOTS) else CHAIN} holds no self-signed root certificate")
    return roots


def _path(
    secret: workloads.Secret,
    own: x509.Certificate,
    above: list[x509.Certificate],
    roots: tuple[x509.Certificate, ...],
) -> list[x509.Certificate]:
    """Return the certificates from the one that signs up to a root."""
    path, left = [own], [each for each in above if each not in roots]
    while path[-1] not in roots:
        issuers = (each for each in (*roots, *left) if each not in path and _is_signed(path[-1], each))
        issuer = next(issuers, None)
        if issuer is None:
            name = path[-1].issuer.rfc4514_string()
            raise _fault(secret, f"neither {ROOTS} nor {CHAIN} holds the issuer {name!r}, so that nobody can verify it")
        path.append(issuer)
    return path


def _is_signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check(secret: workloads.Secret, certificate: x509.Certificate, below: int, now: float) -> None:
    """Refuse a certificate that may not stand above a leaf and this many other authorities."""
    for fault in _faults(certificate, below, now):
        raise _fault(secret, f"certificate {certificate.subject.rfc4514_string()!r} {fault}")


def _faults(certificate: x509.Certificate, below: int, now: float) -> Iterator[str]:
    if now > issue.ends(certificate):
        yield f"expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if now < issue.starts(certificate):
        yield f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield "is not the certificate of an authority (CA:TRUE)"
    elif constraints.path_length is not None and constraints.path_length < below:
        yield f"allows {constraints.path_length} authorities below it, and has {below}"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        yield "may not sign certificates (key usage)"
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in purposes:
        yield from (f"is not for {purpose._name}" for purpose in _PURPOSES if purpose not in purposes)


def _extension(certificate: x509.Certificate, sort: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(sort).value
    except x509.ExtensionNotFound:
        return None


def _certificates(secret: workloads.Secret, key: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(_value(secret, key))
    except ValueError:
        raise _fault(secret, f"{key} holds no certificates in PEM that can be read") from None
    if len(found) > MOST:
        raise _fault(secret, f"{key} holds {len(found)} certificates, more than {MOST}")
    return found


def _value(secret: workloads.Secret, key: str) -> bytes:
    if key not in secret.data:
        raise _fault(secret, f"has no {key}")
    try:
        return base64.b64decode("".join(secret.data[key].get_secret_value().split()), validate=True)
    except (ValueError, binascii.Error):
        raise _fault(secret, f"{key} is not base64") from None


def _fault(secret: workloads.Secret, fault: str) -> AuthorityError:
    remedy = f"give it {CHAIN} (an authority, then those above it), {KEY} and {ROOTS} (self-signed roots)"
    return AuthorityError(
        f"{secret.ref} {fault}", f"{remedy}, as cert-manager does for a Certificate with `isCA: true`"
    )
