"""The keys of join tokens and the revocations, in one Secret that all replicas watch (`meshloom.identity.register`).

Law: as in the state folder: a token is accepted as long as the public half of its key is there, and a revocation is a
key by the id of its token, so that two who revoke at once do not undo one another. A Secret that is gone, or cannot be
read, takes no revocation back: what was read last holds.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives.asymmetric import ed25519

from meshloom import errors
from meshloom.cluster import from_threads, secrets
from meshloom.identity import register, signing, tokens
from meshloom.identity.authority.secret_store import LABELS, Content
from watchers import api_server
from watchers.api_server import MERGE_PATCH, ApiError

NAME: Final = "meshloom-tokens"

_SIGNING: Final = "signing.pem"
_VERIFYING, _REVOKED = "verifying-", "revoked-"
_TRIES: Final = 5
_WATCH_SECONDS: Final = 300
_SILENCE_SECONDS: Final = 330.0
_REST_SECONDS: Final = 1.0

_UNREADABLE: Final = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What comes of an answer that has not the form of one."""

_log = structlog.get_logger()

Data = Mapping[str, bytes]


def known(data: Data) -> register.Known:
    """Return what the data of the Secret say. Raises errors.UserError where a key cannot be read."""
    keys = {}
    for name, pem in sorted(data.items()):
        if name.startswith(_VERIFYING):
            key = signing.public(pem)
            if key is None:
                raise errors.UserError(f"Secret {NAME}: {name} holds no public Ed25519 key in PEM; remove it")
            keys[signing.key_id(key)] = key
    ids = (name.removeprefix(_REVOKED) for name in data if name.startswith(_REVOKED))
    return register.Known(keys, frozenset(token for token in ids if tokens.is_id(token)))


def _signing(data: Data, where: str) -> signing.SigningKey:
    key = signing.private(data[_SIGNING])
    if key is None:
        raise errors.UserError(f"{where}: {_SIGNING} holds no Ed25519 key in PEM; remove it, and a new key is made")
    public = f"{_VERIFYING}{signing.key_id(key.public_key())}.pem"
    if public not in data:
        raise errors.UserError(
            f"{where}: {_SIGNING} signs what nobody accepts: its public half, {public}, was removed; remove it too, "
            "and a new key is made"
        )
    return signing.SigningKey(signing.key_id(key.public_key()), key)


class TokenSecret:
    """The Secret `meshloom-tokens` of a namespace (`register.Store`). All but `follow` is for threads that may wait."""

    def __init__(self, asking: from_threads.Asking, namespace: str) -> None:
        self._asking, self._namespace = asking, namespace
        self._data: Data | None = None
        self._fault = ""

    def signing(self) -> signing.SigningKey:
        """Return the key that signs new tokens, made if there is none. Raises errors.UserError."""
        for _ in range(_TRIES):
            found = self._read()
            if found is not None and _SIGNING in found.data:
                return _signing(found.data, f"Secret {self._namespace}/{NAME}")
            self._make(found)
        raise errors.UserError(f"Secret {self._namespace}/{NAME} changes all the time; try again")

    def read(self) -> register.Known:
        """Return what was seen last, asked for if nothing was. Raises errors.UserError while it cannot be watched."""
        data, fault = self._data, self._fault
        if fault:
            raise errors.UserError(fault)
        if data is None:
            found = self._read()
            data = found.data if found is not None else {}
        return known(data)

    def revoke(self, token: str) -> None:
        """Revoke a token. Raises errors.UserError."""
        self.signing()  # so that the Secret is there
        body = {"data": {f"{_REVOKED}{token}": ""}}
        with self._told():
            self._asking.request("PATCH", self._path(NAME), body, content_type=MERGE_PATCH)

    async def follow(self, api: api_server.ApiServer) -> None:
        """See each change of the Secret until cancelled; a watch that ends at once is not begun anew at once."""
        while True:
            rest = _REST_SECONDS
            try:
                await self._listed(api)
            except ApiError as fault:
                self._fault = f"Secret {self._namespace}/{NAME} cannot be watched: {fault.message}"
                rest = max(rest, fault.retry_after)
            except _UNREADABLE:
                self._fault = f"Secret {self._namespace}/{NAME} cannot be watched: what comes cannot be read"
            await asyncio.sleep(rest)

    async def _listed(self, api: api_server.ApiServer) -> None:
        """See the Secret, and its changes for some minutes. Raises ApiError."""
        found = await api.request("GET", self._path(), {"fieldSelector": f"metadata.name={NAME}"})
        self._seen(*found["items"] or (None,))
        asked = {
            "fieldSelector": f"metadata.name={NAME}",
            "watch": "true",
            "resourceVersion": str(found["metadata"]["resourceVersion"]),
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with contextlib.aclosing(api.lines(self._path(), asked, _SILENCE_SECONDS)) as lines:
            async for line in lines:
                if not line:  # the watch has begun
                    continue
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._seen(None if event["type"] == "DELETED" else event["object"])

    def _seen(self, found: Any) -> None:
        if found is not None:
            self._data, self._fault = secrets.content(found).data, ""
        elif self._data is not None:
            self._fault = f"Secret {self._namespace}/{NAME} is gone; put it back from a backup, or restart meshloom"

    def _read(self) -> Content | None:
        with self._told():
            try:
                return secrets.content(self._asking.request("GET", self._path(NAME)))
            except ApiError as fault:
                if fault.is_absent:
                    return None
                raise

    def _make(self, found: Content | None) -> None:
        """Write a new key, unless somebody else is first."""
        key = ed25519.Ed25519PrivateKey.generate()
        public = key.public_key()
        data = {
            f"{_VERIFYING}{signing.key_id(public)}.pem": signing.public_pem(public),
            _SIGNING: signing.private_pem(key),
        }
        with self._told(), _unless_late():
            if found is None:
                self._asking.request("POST", self._path(), secrets.secret(NAME, data, LABELS))
            else:
                body = {"metadata": {"resourceVersion": found.version}, "data": secrets.encoded(data)}
                self._asking.request("PATCH", self._path(NAME), body, content_type=MERGE_PATCH)

    def _path(self, name: str = "") -> str:
        return api_server.path("v1", "secrets", self._namespace, name)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ApiError as fault:
            raise errors.UserError(
                f"Secret {self._namespace}/{NAME} cannot be used: {fault.message}; {secrets.remedy(fault)}"
            ) from None


@contextlib.contextmanager
def _unless_late() -> Iterator[None]:
    try:
        yield
    except ApiError as fault:
        if fault.status != 409:  # Conflict, AlreadyExists
            raise
