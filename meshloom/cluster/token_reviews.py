"""Whose a ServiceAccount's token is, as the API server says by a TokenReview (`proofs.TokenReviewer`).

Law: a token is kept nowhere, an answer shortly and by the digest of its token. Whoever floods the port with tokens
takes a part of what the API server is asked, and no more. Nothing of a token is in a message.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from meshloom.identity import proofs
from watchers.api_server import ApiError, ApiServer

PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
WITHIN: Final = 5.0
AT_ONCE: Final = 16
"""Questions that are open at once."""
WAITING: Final = 256
"""Further ones that wait; who comes then is told to come again."""

KEPT_SECONDS: Final = 10.0
"""How long an answer holds: as long, a token that was just revoked can still open a stream."""
MOST_KEPT: Final = 4096
LONGEST_PROOF_SECONDS: Final = 86_400.0
"""A proof ends after a day at the latest, whatever its token says."""

_ACCOUNT: Final = "system:serviceaccount:"
_POD_NAME, _POD_UID = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True, slots=True)
class User:
    """Who has a token, in the words of the API server."""

    name: str
    uid: str
    groups: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Kept:
    user: User | None
    until: float


class TokenReviews:
    """Asks the API server. Belongs to the event loop. `now` is the clock, in seconds since the epoch."""

    def __init__(
        self,
        api: ApiServer,
        now: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._now, self._elapsed = api, now, elapsed
        self._room = asyncio.Semaphore(AT_ONCE)
        self._kept: dict[bytes, _Kept] = {}
        self._asked: dict[bytes, asyncio.Task[User | None]] = {}

    async def review(self, token: str, audience: str) -> proofs.Reviewed | None:
        """Return whose pod's token it is and until when. Raises proofs.ReviewError."""
        user = await self.user(token, audience)
        pod = _pod(user) if user is not None else None
        return proofs.Reviewed(pod, _until(token, self._now())) if pod is not None else None

    async def user(self, token: str, audience: str) -> User | None:
        """Return who has this token, None if it is not accepted for this audience. Raises proofs.ReviewError."""
        digest = hashlib.sha256(f"{audience}\n{token}".encode()).digest()
        found = self._kept.get(digest)
        if found is not None and self._elapsed() < found.until:
            return found.user
        asking = self._asked.get(digest)
        if asking is None:
            if len(self._asked) >= AT_ONCE + WAITING:
                raise proofs.ReviewError("too many tokens at once")
            asking = self._asked[digest] = asyncio.create_task(self._answer(token, audience, digest))
            asking.add_done_callback(_retrieved)
        return await asyncio.shield(asking)

    async def _answer(self, token: str, audience: str, digest: bytes) -> User | None:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        try:
            async with self._room:
                answer = await self._api.request("POST", PATH, body=body, within=WITHIN)
        except ApiError as fault:
            raise proofs.ReviewError(fault.message) from None
        finally:
            del self._asked[digest]
        user = _user(answer, audience)
        self._keep(digest, user)
        return user

    def _keep(self, digest: bytes, user: User | None) -> None:
        now = self._elapsed()
        if len(self._kept) >= MOST_KEPT:
            self._kept = {key: one for key, one in self._kept.items() if now < one.until}
        if len(self._kept) < MOST_KEPT:
            self._kept[digest] = _Kept(user, now + KEPT_SECONDS)


def _retrieved(asking: "asyncio.Task[User | None]") -> None:
    """Take a fault that nobody waits for any more, so that it is not logged as one of ours."""
    if not asking.cancelled():
        asking.exception()


def _user(answer: Any, audience: str) -> User | None:
    """Return whom the API server has recognised; nobody where it has not said for which audience."""
    status = answer.get("status") or {}
    if status.get("authenticated") is not True or audience not in (status.get("audiences") or ()):
        return None
    found = status.get("user") or {}
    extra = {str(key): tuple(map(str, values or ())) for key, values in (found.get("extra") or {}).items()}
    groups = tuple(map(str, found.get("groups") or ()))
    return User(str(found.get("username") or ""), str(found.get("uid") or ""), groups, extra)


def _pod(user: User) -> proofs.Pod | None:
    """Return the pod that a token is bound to, in the namespace of its ServiceAccount."""
    namespace, _, account = user.name.removeprefix(_ACCOUNT).partition(":")
    names, uids = user.extra.get(_POD_NAME, ()), user.extra.get(_POD_UID, ())
    if not user.name.startswith(_ACCOUNT) or not (namespace and account) or len(names) != 1 or len(uids) != 1:
        return None
    return proofs.Pod(namespace, names[0], uids[0]) if names[0] and uids[0] else None


def _until(token: str, now: float) -> float:
    """Return when a token that the API server accepted expires."""
    latest = now + LONGEST_PROOF_SECONDS
    try:
        expires: Any = jwt.decode(token, options={"verify_signature": False}).get("exp")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return latest
    is_number = isinstance(expires, int | float) and not isinstance(expires, bool)
    return min(float(expires), latest) if is_number else latest
