"""The ConfigMap by which the original let people choose the image of proxies: its keys count where it has them.

Law: what stands in it goes before the settings; without it, and without a key, the settings hold. It is looked at now
and then, for it changes once in months.
"""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import structlog

from meshloom.injector.terms import Terms
from watchers import api_server
from watchers.api_server import ApiError, ApiServer

NAME: Final = "oci-service-operator-servicemesh-config"
IMAGE, AUTOMATIC, ENDPOINT = "SIDECAR_IMAGE", "AUTO_UPDATE_PROXY_VERSION", "MDS_ENDPOINT"
"""Its keys that mean something here; CP_ENDPOINT, the address of a cloud, does not."""

LOOK_SECONDS: Final = 5.0
_MAY_NOT: Final = (401, 403)

_log = structlog.get_logger()


def chosen(terms: Terms, told: Mapping[str, str]) -> Terms:
    """Return the terms with what the ConfigMap says in their place.

    The image that it names is rolled out. Without one proxies follow the settings, which change with the control plane,
    unless AUTO_UPDATE_PROXY_VERSION is `false`: then running pods keep theirs.
    """
    image, automatic, endpoint = (told.get(key, "").strip() for key in (IMAGE, AUTOMATIC, ENDPOINT))
    return dataclasses.replace(
        terms,
        image=image or terms.image,
        mds_endpoint=endpoint or terms.mds_endpoint,
        is_rolled=bool(image) or automatic.lower() != "false",
    )


async def followed(api: ApiServer, namespace: str) -> AsyncGenerator[Mapping[str, str], None]:
    """Yield what the ConfigMap of a namespace says, and again whenever it says something else."""
    path, said = api_server.path("v1", "configmaps", namespace, NAME), ""
    before: Mapping[str, str] | None = None
    while True:
        try:
            told: Mapping[str, str] | None = _data(await api.request("GET", path))
        except ApiError as fault:
            told = {} if fault.is_absent or (before is None and fault.status in _MAY_NOT) else before
            if not fault.is_absent and fault.message != said:
                said = fault.message
                _log.warning(f"ConfigMap {namespace}/{NAME} cannot be read, so what was known of it holds: {said}")
        if told is not None and told != before:
            before = told
            yield told
        await asyncio.sleep(LOOK_SECONDS)


def _data(found: Any) -> Mapping[str, str]:
    data = found.get("data") if isinstance(found, dict) else None
    return {key: value for key, value in (data or {}).items() if key in (IMAGE, AUTOMATIC, ENDPOINT)}
