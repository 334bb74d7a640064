"""What decides whether a join token is accepted: the keys that verify it, and which tokens are revoked.

Law: read as a whole and replaced as a whole. While it cannot be read, what was read last holds: no revocation is lost.
"""

import asyncio
import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from meshloom import errors
from meshloom.identity import kept, signing, tokens

FOLDER: Final = "tokens"
"""In the state folder."""
LOOK_SECONDS: Final = 0.25
"""Between two looks: a revocation holds everywhere within a second, on every file system."""

_REVOKED: Final = "revoked"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Known:
    """The keys that verify, and the ids of revoked tokens."""

    keys: tokens.Keys = field(default_factory=lambda: MappingProxyType({}))
    revoked: frozenset[str] = frozenset()

    def fault(self, token: tokens.Token, now: float) -> tokens.TokenError | None:
        """Return why a token is not accepted; None if it is."""
        if token.key not in self.keys:
            return tokens.TokenError("revoked", "the key that signed the token is not trusted any more")
        if token.id in self.revoked:
            return tokens.TokenError("revoked", "the token was revoked; make a new one with `meshloom token create`")
        return tokens.fault(token, now)


class Store(Protocol):
    """Where it is kept; all replicas read the same."""

    def signing(self) -> signing.SigningKey:
        """Return the key that signs new tokens, made if there is none; may block. Raises errors.UserError."""

    def read(self) -> Known:
        """Return what is known now; may block. Raises errors.UserError."""

    def revoke(self, token: str) -> None:
        """Revoke the token of this id; done already, it does nothing. Raises errors.UserError."""


class Folder:
    """The folder `tokens` of a state folder: a revocation is an empty file by the id of its token."""

    def __init__(self, state: pathlib.Path) -> None:
        self.path = state / FOLDER

    def signing(self) -> signing.SigningKey:
        """Return the key that signs new tokens, made if there is none. Raises errors.UserError."""
        return signing.signing(self.path)

    def read(self) -> Known:
        """Return what is known now. Raises errors.UserError."""
        kept.folder(self.path / _REVOKED)
        with kept.told(self.path / _REVOKED):
            names = os.listdir(self.path / _REVOKED)
        return Known(signing.verifying(self.path), frozenset(name for name in names if tokens.is_id(name)))

    def revoke(self, token: str) -> None:
        """Revoke a token. Raises errors.UserError."""
        kept.added(kept.folder(self.path / _REVOKED) / token, b"", kept.PUBLIC)


class Register:
    """The newest of what a store knows; owned by the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.known = Known()

    async def load(self) -> None:
        """Read it for the first time. Raises errors.UserError."""
        self.known = await asyncio.to_thread(self._store.read)

    async def follow(self, changed: Callable[[], None]) -> None:
        """Look for what is new until cancelled, and call `changed` after each change."""
        well = True
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                known = await asyncio.to_thread(self._store.read)
            except errors.UserError as fault:
                if well:
                    _log.error(f"tokens and revocations cannot be read, what was read last holds: {fault}")
                well = False
                continue
            well = True
            if _differs(known, self.known):
                self.known = known
                changed()


def _differs(one: Known, other: Known) -> bool:
    return one.keys.keys() != other.keys.keys() or one.revoked != other.revoked
