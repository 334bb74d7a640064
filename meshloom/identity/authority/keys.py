"""Private keys, which print as `[redacted]`.

Law: a private key reaches a text only where `pem` is asked for by name.
"""

from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
CURVES = ("secp256r1", "secp384r1", "secp521r1")
SMALLEST_RSA = 2048
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


class KeyFaultError(ValueError):
    """A private key that cannot be used; its text says why and holds nothing of the key."""


class PrivateKey:
    """A private key of a certificate."""

    __slots__ = ("_key", "_pem")

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self._key = key
        self._pem: bytes | None = None

    @property
    def pem(self) -> bytes:
        """The key itself, as PKCS#8 in PEM."""
        if self._pem is None:
            form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            self._pem = self._key.private_bytes(serialization.Encoding.PEM, form, clear)
        return self._pem

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._key.public_key()

    def signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Return a certificate, signed with this key."""
        return builder.sign(self._key, hashes.SHA256())

    def is_of(self, certificate: x509.Certificate) -> bool:
        """Return whether the certificate was made for this key."""
        return self.public == certificate.public_key()

    def __repr__(self) -> str:
        return "[redacted]"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is neither copied nor pickled")


def public(certificate: x509.Certificate) -> PublicKey:
    """Return the key that a certificate is of. Raises KeyFaultError if meshloom does not use its sort."""
    found = certificate.public_key()
    if isinstance(found, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return found
    raise KeyFaultError("is of a key that is neither ECDSA nor RSA")


def generated() -> PrivateKey:
    """Return a new ECDSA key on P-256, from the system's randomness."""
    return PrivateKey(ec.generate_private_key(ec.SECP256R1()))


def read(pem: bytes) -> PrivateKey:
    """Return the key in a PEM text. Raises KeyFaultError."""
    try:
        found = serialization.load_pem_private_key(pem, None)
    except _UNREADABLE:  # whose text could quote what it could not read
        raise KeyFaultError("holds no private key in PEM that can be read, or one that needs a password") from None
    match found:
        case ec.EllipticCurvePrivateKey() if found.curve.name in CURVES:
            return PrivateKey(found)
        case rsa.RSAPrivateKey() if found.key_size >= SMALLEST_RSA:
            return PrivateKey(found)
        case _:
            raise KeyFaultError(
                "holds a key that is neither ECDSA on P-256, P-384 or P-521 nor RSA of 2048 bits or more"
            )
