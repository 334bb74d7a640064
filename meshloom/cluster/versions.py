"""Which version of Kubernetes a cluster has: what pods may ask of it depends on that.

Law: asked until it is known; nothing is assumed meanwhile.
"""

import asyncio
import re
from typing import Any, Final

import structlog

from watchers.api_server import ApiError, ApiServer

AGAIN_SECONDS: Final = 2.0
_NUMBER = re.compile("[0-9]+")

_log = structlog.get_logger()


async def known(api: ApiServer) -> tuple[int, int]:
    """Return the version of a cluster, as (1, 33), as soon as it says it."""
    said = ""
    while True:
        try:
            return version(await api.request("GET", "/version"))
        except (ApiError, ValueError) as fault:
            if str(fault) != said:
                said = str(fault)
                _log.warning(f"the version of Kubernetes is not known yet, so no pod gets a proxy: {said}")
        await asyncio.sleep(AGAIN_SECONDS)


def version(told: Any) -> tuple[int, int]:
    """Return the version in what `/version` says; some write a minor one as `29+`. Raises ValueError."""
    parts = [told.get(part) if isinstance(told, dict) else None for part in ("major", "minor")]
    numbers = [_NUMBER.match(part) for part in parts if isinstance(part, str)]
    if len(numbers) != len(parts) or None in numbers:
        raise ValueError("the answer to /version says none")
    major, minor = (int(found[0]) for found in numbers if found)
    return major, minor
