"""A namespace of the cluster as the home of what the control plane must not forget: all of it is in Secrets.

Law: as `meshloom.identity.home`; every replica has the same home.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from meshloom.cluster import from_threads, publishing, secrets, token_store
from meshloom.identity import home
from meshloom.identity.authority import secret_store
from watchers.api_server import ApiServer

OPTION: Final = "--kubernetes"


def namespaced(api: ApiServer, namespace: str) -> home.Home:
    """Return a namespace as a home. `api` belongs to the running loop; all but `kept` is for other threads."""
    asking = from_threads.Asking(api, asyncio.get_running_loop())
    tokens = token_store.TokenSecret(asking, namespace)

    @contextlib.asynccontextmanager
    async def kept() -> AsyncIterator[None]:
        following = asyncio.create_task(tokens.follow(api))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    authorities = secret_store.SecretStore(secrets.Secrets(asking, namespace), namespace)
    return home.Home(authorities, tokens, publishing.Published(asking, namespace), OPTION, kept)
