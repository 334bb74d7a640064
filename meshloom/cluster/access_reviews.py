"""Whether somebody may do something, as the API server says by a SubjectAccessReview.

Law: asked for each question anew, but for a few seconds: what RBAC takes away is gone soon. Nobody may what cannot be
asked.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from meshloom.cluster import token_reviews
from watchers.api_server import ApiError, ApiServer

PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
WITHIN: Final = 5.0
KEPT_SECONDS: Final = 5.0
MOST_KEPT: Final = 1024


class ReviewError(Exception):
    """The API server could not be asked."""


class AccessReviews:
    """Asks the API server. Belongs to the event loop."""

    def __init__(self, api: ApiServer, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._api, self._elapsed = api, elapsed
        self._kept: dict[tuple[str, str, str], tuple[bool, float]] = {}

    async def may(self, user: token_reviews.User, verb: str, path: str) -> bool:
        """Return whether a user may do this to a path that is no resource of the API. Raises ReviewError."""
        key = (user.name, verb, path)
        found = self._kept.get(key)
        if found is not None and self._elapsed() < found[1]:
            return found[0]
        allowed = await self._answer(user, verb, path)
        self._keep(key, allowed)
        return allowed

    async def _answer(self, user: token_reviews.User, verb: str, path: str) -> bool:
        spec = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
            "nonResourceAttributes": {"verb": verb, "path": path},
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        try:
            answer: Any = await self._api.request("POST", PATH, body=body, within=WITHIN)
        except ApiError as fault:
            raise ReviewError(fault.message) from None
        status = answer.get("status") or {}
        return status.get("allowed") is True and status.get("denied") is not True

    def _keep(self, key: tuple[str, str, str], allowed: bool) -> None:
        now = self._elapsed()
        if len(self._kept) >= MOST_KEPT:
            self._kept = {key: one for key, one in self._kept.items() if now < one[1]}
        if len(self._kept) < MOST_KEPT:
            self._kept[key] = (allowed, now + KEPT_SECONDS)
