"""Who makes the roots of the control plane public: in the webhook's configuration, and in ConfigMaps for proxies.

Law: the leader alone writes, as long as it leads. What somebody else changes is put right at the next look.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from mesh import inventory
from mesh.problems import Problem
from mesh.resolve import Resolution
from meshloom.admission import configuration
from meshloom.cluster import from_threads, roots, webhook_certificate
from meshloom.identity import entrance
from meshloom.identity.authority.credentials import Bundle
from meshloom.identity.authority.faults import AuthorityError
from watchers import api_server
from watchers.api_server import JSON_PATCH, ApiError, ApiServer

LOOK_SECONDS: Final = 10.0
"""Between two looks at what somebody else may have changed."""
AGAIN_SECONDS: Final = 2.0
"""After something went wrong."""

_log = structlog.get_logger()


class Publisher:
    """Knows the roots (`take` is for `ways_in.Ads.beside`) and the namespaces (`worker.Onlooker`); `run` publishes."""

    def __init__(self, api: ApiServer, namespace: str, now: Callable[[], float] = time.time) -> None:
        self._api, self._own, self._now = api, namespace, now
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._pem = b""
        self._spaces = frozenset({namespace})
        self._read: tuple[Any, ...] = ()

    def take(self, own: entrance.Own) -> None:
        """Publish the roots of this from now on; called on the event loop."""
        if own.root != self._pem:
            self._pem = own.root
            self._news.set()

    def passed(self, resolution: Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Publish in the namespaces of this from now on; called in the worker thread."""
        read = tuple(resolution.inventory.kinds.get(kind) for kind in ("Namespace", "IngressGatewayDeployment"))
        if len(read) != len(self._read) or any(one is not other for one, other in zip(read, self._read, strict=True)):
            self._read = read
            self._in(resolution.inventory)

    def _in(self, seen: inventory.Inventory) -> None:
        found = roots.wanted(seen, self._own)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wanted, found)

    def _wanted(self, spaces: frozenset[str]) -> None:
        if spaces != self._spaces:
            self._spaces = spaces
            self._news.set()

    async def run(self) -> None:
        """Publish, and put right, until cancelled."""
        said = ""
        while True:
            self._news.clear()
            fault = await self.brought_up_to_date()
            if fault and fault != said:
                _log.error(f"the roots of the control plane are not public everywhere: {fault}")
            said = fault
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS if fault else LOOK_SECONDS):
                    await self._news.wait()

    async def brought_up_to_date(self) -> str:
        """Bring everything up to date; return what is wrong, or nothing."""
        if not self._pem:
            return ""
        try:
            pem, spaces = self._pem, self._spaces
            for path in webhook_certificate.PATHS:
                await self._into_webhook(path, pem)
            return await self._into_namespaces(pem.decode("ascii"), spaces)
        except ApiError as fault:
            return fault.message

    async def _into_webhook(self, path: str, pem: bytes) -> None:
        """Raises ApiError; a configuration that is not there is none of our business."""
        try:
            found = await self._api.request("GET", path)
        except ApiError as fault:
            if fault.is_absent:
                return
            raise
        if steps := webhook_certificate.patch(found, pem):
            asked = {"fieldManager": api_server.MANAGER}
            await self._api.request("PATCH", path, asked, steps, content_type=JSON_PATCH)
            _log.info(f"the {found['kind']} {configuration.NAME} has the roots of the control plane")

    async def _into_namespaces(self, pem: str, spaces: frozenset[str]) -> str:
        there = await self._there()
        faults = [await self._apply(roots.config_map(space, pem)) for space in self._abroad(there, spaces, pem)]
        if wrong := [fault for fault in faults if fault]:
            return wrong[0]
        is_new = bool(roots.lacking(there, (self._own,), pem)) or not there[self._own].since
        if is_new and (fault := await self._apply(roots.config_map(self._own, pem, f"{self._now():.0f}"))):
            return fault
        for space in roots.needless(there, spaces):
            await self._remove(space)
        return ""

    def _abroad(self, there: dict[str, roots.Held], spaces: frozenset[str], pem: str) -> list[str]:
        return roots.lacking(there, spaces - {self._own}, pem)

    async def _there(self) -> dict[str, roots.Held]:
        """Raises ApiError."""
        asked = {
            "fieldSelector": f"metadata.name={roots.NAME}",
            "labelSelector": roots.SELECTOR,
            "resourceVersion": "0",
        }
        return roots.held((await self._api.request("GET", api_server.path("v1", "configmaps"), asked))["items"])

    async def _apply(self, document: dict[str, Any]) -> str:
        """Apply a ConfigMap; return what is wrong, or nothing. A namespace that is gone or going needs none."""
        namespace = document["metadata"]["namespace"]
        try:
            await self._api.applied(api_server.path("v1", "configmaps", namespace, roots.NAME), document)
        except ApiError as fault:
            return "" if fault.is_absent or "being terminated" in fault.message else fault.message
        return ""

    async def _remove(self, namespace: str) -> None:
        """Raises ApiError."""
        try:
            await self._api.request("DELETE", api_server.path("v1", "configmaps", namespace, roots.NAME))
        except ApiError as fault:
            if not fault.is_absent:
                raise


class Published:
    """What has been published, as every replica sees it (`serving.Publication`). For threads that may wait."""

    def __init__(self, asking: from_threads.Asking, namespace: str) -> None:
        self._asking, self._own = asking, namespace

    def publish(self, bundle: Bundle, now: float) -> None:
        """Do nothing: the leader learns of the roots by itself."""

    def since(self, bundle: Bundle) -> float:
        """Return since when exactly these roots could be read everywhere. Raises AuthorityError."""
        try:
            found = self._asking.request("GET", api_server.path("v1", "configmaps", self._own, roots.NAME))
        except ApiError as fault:
            if fault.is_absent:
                return roots.published_since(None, "")
            what = f"ConfigMap {self._own}/{roots.NAME} cannot be read: {fault.message}"
            raise AuthorityError(what, "let the Role of meshloom's ServiceAccount allow it") from None
        return roots.published_since(roots.held([found])[self._own], bundle.pem.decode("ascii"))
