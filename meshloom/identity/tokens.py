"""Join tokens: what a proxy outside Kubernetes shows to prove whose it is, signed by the control plane.

Law: given a key, a text and the time, pure. A token is read with one algorithm and keys that are known; what is said of
one that is refused is constant, and holds nothing of it.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519

from mesh.problems import Ref
from meshloom.identity import claim

ISSUER: Final = "meshloom"
AUDIENCE: Final = "meshloom"
LARGEST: Final = 4096
"""Characters of a token of any kind; longer ones are not looked at."""
VALID_SECONDS: Final = 90 * 86400
SKEW_SECONDS: Final = 60.0
"""So far in the future a token may have been issued, by a machine whose clock is ahead."""

_ALGORITHM: Final = "EdDSA"
_CLAIMS: Final = ("iss", "aud", "sub", "jti", "iat", "exp")
_ID = re.compile("[0-9a-f]{32}")
_KINDS: Final = ("VirtualDeployment", "IngressGateway")

Keys = Mapping[str, ed25519.Ed25519PublicKey]
"""The keys that tokens are verified with, by their id."""


class TokenError(ValueError):
    """A token that is refused: `reason` is a word for metrics, the text a constant for people."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. `owner` is the VirtualDeployment or IngressGateway it is for, `key` the id of the key that
    signed it; times are seconds since the epoch.
    """

    id: str
    owner: Ref
    key: str
    issued: int
    expires: int


def is_id(text: str) -> bool:
    """Return whether a text can be the id of a token."""
    return bool(_ID.fullmatch(text))


def issued(owner: Ref, key: str, now: float, valid: float) -> Token:
    """Return a new token, with an id that no other has."""
    return Token(secrets.token_hex(16), owner, key, int(now), int(now + valid))


def signed(token: Token, key: ed25519.Ed25519PrivateKey) -> str:
    """Return a token as text; whoever has it is the proxy."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "/".join(token.owner),
        "jti": token.id,
        "iat": token.issued,
        "exp": token.expires,
    }
    return jwt.encode(claims, key, algorithm=_ALGORITHM, headers={"kid": token.key})


def bare(text: str) -> str:
    """Return a token without what may stand around it: white space, and `Bearer`. Raises TokenError."""
    if len(text) > 2 * LARGEST:
        raise TokenError("malformed", "the token is too long")
    token = text.strip()
    if token[:7].lower() == "bearer ":
        token = token[7:].lstrip()
    if not token or len(token) > LARGEST or not token.isascii():
        raise TokenError("malformed", "the token is empty, too long or not ASCII")
    return token


def key_id(text: str) -> str:
    """Return the id of the key that a bare token says it is signed with, unproven. Raises TokenError."""
    try:
        header = jwt.get_unverified_header(text)
    except _UNREADABLE:
        raise _malformed() from None
    named = header.get("kid")
    return named if isinstance(named, str) else ""


def read(text: str, keys: Keys) -> Token:
    """Return what a bare token says, whether or not it has expired. Raises TokenError."""
    key = keys.get(named := key_id(text))
    if key is None:
        raise TokenError("foreign", "the token is not signed by a key of this control plane")
    try:
        claims = jwt.decode(text, key, algorithms=[_ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=_OPTIONS)
    except _UNREADABLE:
        raise _malformed() from None
    return _token(claims, named)


def fault(token: Token, now: float) -> TokenError | None:
    """Return why a token is not valid at this time; None if it is."""
    if now >= token.expires:
        return TokenError("expired", "the token has expired; make a new one with `meshloom token create`")
    if now + SKEW_SECONDS < token.issued:
        return TokenError("malformed", "the token is of the future; set the clocks")
    return None


_UNREADABLE: Final = (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
_OPTIONS: Final[Any] = {
    "require": list(_CLAIMS),
    "strict_aud": True,
    "verify_exp": False,  # `fault` looks at the clock
    "verify_iat": False,
}


def _malformed() -> TokenError:
    return TokenError("malformed", "the token cannot be read, or its signature is wrong")


def _token(claims: Mapping[str, Any], key: str) -> Token:
    subject, jti, issued_at, expires = (claims[name] for name in ("sub", "jti", "iat", "exp"))
    if not isinstance(jti, str) or not is_id(jti) or not _is_time(issued_at) or not _is_time(expires):
        raise _malformed()
    kind, _, name = str(subject).partition("/")
    if kind not in _KINDS:
        raise _malformed()
    try:
        return Token(jti, claim.reference(kind, name), key, issued_at, expires)
    except ValueError:
        raise _malformed() from None


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40
