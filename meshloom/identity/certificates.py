"""Client certificates: which identity one proves, checked against the roots of the mesh that it names.

Law: given certificates, roots and the time, pure. That gRPC has checked the certificate already counts for nothing: it
was against the roots of all meshes together, and when the connection began.
"""

import datetime
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import verification

LARGEST: Final = 64 * 1024
"""Bytes of a certificate with those it came with."""

_URI: Final = re.compile(r"spiffe://(?P<domain>[a-z0-9._-]{1,255})/ns/[^/]{1,63}/(?:vs|ig)/[^/]{1,253}")


class CertificateError(ValueError):
    """A certificate that is refused: `reason` is a word for metrics, the text says why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Certified:
    """What a certificate proves: the identity of this URI, by the word of a root of its trust domain."""

    uri: str
    trust_domain: str
    root: str
    """The SHA-256 of the root, in hexadecimal digits."""


def verified(certificate: bytes, chain: bytes, roots: Callable[[str], bytes], now: float) -> tuple[Certified, float]:
    """Return what a certificate proves and when that ends, in seconds since the epoch.

    `chain` are certificates that came with it, `roots` returns those of a trust domain; all in PEM. Raises
    CertificateError.
    """
    leaf, others = _parsed(certificate, chain)
    uri = _uri(leaf)
    found = _URI.fullmatch(uri)
    if found is None:
        raise CertificateError("malformed", "the certificate names no VirtualService and no IngressGateway of a mesh")
    trusted = _trusted(roots(found["domain"]))
    if not trusted:
        raise CertificateError("foreign", "the certificate is of a mesh that this control plane does not serve")
    path = _path(leaf, others, trusted, now)
    ends = min(each.not_valid_after_utc for each in path).timestamp()
    return Certified(uri, found["domain"], _fingerprint(path[-1])), ends


def fingerprints(roots: bytes) -> frozenset[str]:
    """Return what `Certified.root` is one of, for certificates of these roots."""
    return frozenset(map(_fingerprint, _trusted(roots)))


def _parsed(certificate: bytes, chain: bytes) -> tuple[x509.Certificate, list[x509.Certificate]]:
    if len(certificate) + len(chain) > LARGEST:
        raise CertificateError("malformed", "the certificate is too long")
    try:
        return x509.load_pem_x509_certificate(certificate), _certificates(chain)
    except (ValueError, TypeError):
        raise CertificateError("malformed", "the certificate cannot be read") from None


def _uri(leaf: x509.Certificate) -> str:
    """Return the one URI of a certificate, empty if it has none or several."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ""
    return uris[0] if len(uris) == 1 else ""


def _path(
    leaf: x509.Certificate, others: list[x509.Certificate], roots: tuple[x509.Certificate, ...], now: float
) -> list[x509.Certificate]:
    """Return the certificates from the leaf to its root. Raises CertificateError."""
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    policy = verification.PolicyBuilder().store(verification.Store(list(roots))).time(at)
    try:
        return policy.build_client_verifier().verify(leaf, others).chain
    except verification.VerificationError:
        if at > leaf.not_valid_after_utc:
            raise CertificateError("expired", "the certificate has expired") from None
        raise CertificateError("foreign", "the certificate is not of the authority of the mesh that it names") from None


@functools.lru_cache(maxsize=256)
def _trusted(roots: bytes) -> tuple[x509.Certificate, ...]:
    return tuple(_certificates(roots))


def _certificates(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem) if pem.strip() else []


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()
