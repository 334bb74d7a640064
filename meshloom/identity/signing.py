"""The keys of join tokens, in the folder `tokens` of the state folder.

Law: the key that signs is readable by this user alone, made when it is first needed, and never leaves its file but to
sign. A token is accepted as long as the public half of its key lies in `verifying`: a key is replaced by removing
`signing.pem`, and all its tokens end when its public half is removed.
"""

import hashlib
import os
import pathlib
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from meshloom import errors
from meshloom.identity import kept, tokens

_SIGNING: Final = "signing.pem"
_VERIFYING: Final = "verifying"
_LARGEST: Final = 4096
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs new tokens, and its id."""

    id: str
    key: ed25519.Ed25519PrivateKey = field(repr=False)


def signing(folder: pathlib.Path) -> SigningKey:
    """Return the key that signs, made if there is none. Raises errors.UserError."""
    kept.folder(folder / _VERIFYING)
    path = folder / _SIGNING
    try:
        return _signing(path)
    except FileNotFoundError:
        pass
    made = ed25519.Ed25519PrivateKey.generate()
    verified_by = folder / _VERIFYING / f"{key_id(made.public_key())}.pem"
    kept.added(verified_by, public_pem(made.public_key()), kept.PUBLIC)  # first, so that no token is ever unverifiable
    if not kept.added(path, private_pem(made), kept.PRIVATE):
        verified_by.unlink(missing_ok=True)  # somebody else has made one in the meantime
    return _signing(path)


def verifying(folder: pathlib.Path) -> tokens.Keys:
    """Return the keys that tokens are verified with. Raises errors.UserError."""
    with kept.told(folder / _VERIFYING):
        names = sorted(name for name in os.listdir(folder / _VERIFYING) if name.endswith(".pem"))
    found = [_verifying(folder / _VERIFYING / name) for name in names if not name.startswith(".")]
    return {key_id(key): key for key in found if key is not None}


def key_id(key: ed25519.Ed25519PublicKey) -> str:
    """Return the id of a key, which follows from its public half."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:32]


def private(pem: bytes) -> ed25519.Ed25519PrivateKey | None:
    """Return the key that signs of a PEM text; None if there is none in it."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ed25519.Ed25519PrivateKey) else None


def public(pem: bytes) -> ed25519.Ed25519PublicKey | None:
    """Return the public half of a key of a PEM text; None if there is none in it."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ed25519.Ed25519PublicKey) else None


def _signing(path: pathlib.Path) -> SigningKey:
    pem = kept.content(path, _LARGEST)
    if path.stat().st_mode & _OTHERS:
        raise errors.UserError(f"{path} can be read by others, who could make tokens; chmod 600 it, or replace the key")
    key = private(pem)
    if key is None:
        raise errors.UserError(f"{path} holds no Ed25519 key in PEM; remove it, and a new key is made")
    named = key_id(key.public_key())
    if not (path.parent / _VERIFYING / f"{named}.pem").exists():
        raise errors.UserError(
            f"{path} signs what nobody accepts: its public half, {_VERIFYING}/{named}.pem, was removed; remove it too, "
            "and a new key is made"
        )
    return SigningKey(named, key)


def _verifying(path: pathlib.Path) -> ed25519.Ed25519PublicKey | None:
    try:
        key = public(kept.content(path, _LARGEST))
    except FileNotFoundError:
        return None  # removed since it was listed
    if key is None:
        raise errors.UserError(f"{path} holds no public Ed25519 key in PEM; remove it")
    return key


def private_pem(key: ed25519.Ed25519PrivateKey) -> bytes:
    """Return a key that signs, in PEM."""
    form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, clear)


def public_pem(key: ed25519.Ed25519PublicKey) -> bytes:
    """Return the public half of a key, in PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
