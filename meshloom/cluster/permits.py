"""Who may ask the operator API in a cluster: whoever shows a token for it, and whom RBAC lets read `/meshloom/...`.

Law: closed by default. A token for anything else, such as the API server, is not accepted: nobody is asked to show the
control plane what would open another door.
"""

from typing import Final

from aiohttp import typedefs, web

from meshloom import plain
from meshloom.cluster import access_reviews, token_reviews
from meshloom.identity import proofs, tokens

AUDIENCE: Final = "meshloom-operator"
"""Of the tokens that are accepted: `kubectl create token NAME --audience meshloom-operator`."""
ACCOUNT: Final = "meshloom-operator"
"""The ServiceAccount that is installed for this, and may read everything."""
PREFIX: Final = "/meshloom"
"""Before the path that RBAC is asked about (`nonResourceURLs`), as in `/meshloom/proxies`."""


class Permits:
    """Asks whose a token is and what he may (`guard` is aiohttp middleware)."""

    def __init__(self, whose: token_reviews.TokenReviews, access: access_reviews.AccessReviews) -> None:
        self._whose, self._access = whose, access

    @property
    def guard(self) -> typedefs.Middleware:
        """The middleware that lets nobody through who may not."""

        @web.middleware
        async def guarded(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
            await self._admit(request)
            return await handler(request)

        return guarded

    async def _admit(self, request: web.Request) -> None:
        try:
            user = await self._user(request.headers.get("Authorization", ""))
            path = f"{PREFIX}/{request.path.strip('/').partition('/')[0]}"
            if not await self._access.may(user, "get", path):
                name = plain.printable(user.name, 200)
                raise web.HTTPForbidden(text=f"{name} may not get {path}; bind the ClusterRole {ACCOUNT} to it\n")
        except (proofs.ReviewError, access_reviews.ReviewError):
            raise web.HTTPServiceUnavailable(text="the API server cannot be asked about the token now\n") from None

    async def _user(self, header: str) -> token_reviews.User:
        """Raises web.HTTPUnauthorized, proofs.ReviewError."""
        try:
            user = await self._whose.user(tokens.bare(header), AUDIENCE) if header else None
        except tokens.TokenError:
            user = None
        if user is None:
            made = f"kubectl create token {ACCOUNT} --audience {AUDIENCE}"
            raise web.HTTPUnauthorized(
                text=f"show a token that is for the operator API; `{made}` makes one\n",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return user
