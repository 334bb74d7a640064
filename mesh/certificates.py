"""Certificates and keys that people put into Secrets: whether they can be used, and until when.

Law: told no time; whoever knows it compares. A fault names a key of the Secret and nothing of its value.
"""

import base64
import binascii
import enum
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mesh import workloads

CHAIN, KEY, ROOTS = "tls.crt", "tls.key", "ca.crt"
MOST = 100
"""Certificates in one value."""
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_SMALLEST_RSA = 2048
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


class Use(enum.Enum):
    """What a Secret is used for."""

    SERVER = "server"  # a certificate to be shown, and its key
    CLIENTS = "clients"  # the authorities of those who show one


REMEDIES = {
    Use.SERVER: f"see that it holds {CHAIN} (the certificate, then those above it) and {KEY}",
    Use.CLIENTS: f"see that it holds {ROOTS} (the certificates of authorities, in PEM)",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to say of a Secret: why it cannot be used, empty if it can; and from when to when its certificates
    count (all that are shown, one of those that are asked for), in seconds since the epoch.
    """

    fault: str = ""
    starts: float = 0.0
    ends: float = 0.0


class _FaultError(ValueError):
    pass


def standing(secret: workloads.Secret | None, use: Use) -> Standing:
    """Return whether a Secret can be used; None is one that is not there."""
    if secret is None:
        return Standing("does not exist")
    try:
        return _counting(_pair(secret) if use is Use.SERVER else _certificates(secret, ROOTS), use)
    except _FaultError as fault:
        return Standing(str(fault))
    except _UNREADABLE:  # a certificate whose form is sound and whose content is not
        return Standing("holds a certificate that cannot be read")


def _counting(found: list[x509.Certificate], use: Use) -> Standing:
    starts = [one.not_valid_before_utc.timestamp() for one in found]
    ends = [one.not_valid_after_utc.timestamp() for one in found]
    return Standing("", max(starts), min(ends)) if use is Use.SERVER else Standing("", min(starts), max(ends))


def value(secret: workloads.Secret, key: str) -> bytes:
    """Return what a Secret holds under a key. Raises ValueError, whose text says why there is nothing."""
    if key not in secret.data:
        raise _FaultError(f"has no {key}")
    try:
        return base64.b64decode("".join(secret.data[key].get_secret_value().split()), validate=True)
    except (ValueError, binascii.Error):
        raise _FaultError(f"has a {key} that is not base64") from None


def _pair(secret: workloads.Secret) -> list[x509.Certificate]:
    """Return the certificates above and with a key, if that is the key of the first."""
    found = _certificates(secret, CHAIN)
    try:
        key = serialization.load_pem_private_key(value(secret, KEY), None)
        public = found[0].public_key()
    except _FaultError:
        raise
    except _UNREADABLE:  # whose text could quote what it could not read
        raise _FaultError(f"has a {KEY} that cannot be read, or that needs a password") from None
    if not _is_usable(key):
        raise _FaultError(f"has a {KEY} that is neither ECDSA on P-256, P-384 or P-521 nor RSA of 2048 bits or more")
    if key.public_key() != public:
        raise _FaultError(f"has a {KEY} that is not the key of the first certificate in {CHAIN}")
    return found


def _is_usable(key: object) -> bool:
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.curve.name in _CURVES
        case rsa.RSAPrivateKey():
            return key.key_size >= _SMALLEST_RSA
        case _:
            return False


def _certificates(secret: workloads.Secret, key: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(value(secret, key))
    except _FaultError:
        raise
    except _UNREADABLE:
        raise _FaultError(f"has a {key} that holds no certificates in PEM that can be read") from None
    if len(found) > MOST:
        raise _FaultError(f"has a {key} of {len(found)} certificates, more than {MOST}")
    return found
