"""Replicas of the control plane in this process, at home in a namespace of a real API server."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from meshloom import addresses, app, senses, ways_in
from meshloom import settings as settings_model
from meshloom.admission import configuration
from meshloom.cluster import residence, webhook_certificate
from tests.cluster import servers, waiting
from tests.meshloom import running
from watchers import api_server

PATIENCE = 60.0


@dataclass
class Replica:
    """One that runs; ports are of the loopback."""

    ads: int
    webhook: int
    operator: int
    log: running.Log
    resident: residence.Residence

    @property
    def url(self) -> str:
        """Where its webhook is."""
        return f"https://127.0.0.1:{self.webhook}{configuration.PATH}"


@contextlib.asynccontextmanager
async def replica(api: api_server.ApiServer, namespace: str, log: running.Log, *others: str) -> AsyncIterator[Replica]:
    """Run a replica that follows one namespace, and perhaps others, and lives there; POD_NAMESPACE has to name it."""
    ads, webhook, operator = servers.free_ports(3)
    settings = running.SETTINGS.model_copy(
        update={
            "operating": settings_model.Operating(health="off", socket="off"),
            "kubernetes": settings_model.Kubernetes(
                namespaces=(namespace, *others), webhook=f"127.0.0.1:{webhook}", operator=f"127.0.0.1:{operator}"
            ),
        }
    )
    resident = residence.Residence(api, settings.kubernetes)
    listens = ways_in.Ads(resident.home, by_token=addresses.Socket("127.0.0.1", ads), names=("127.0.0.1",))
    stop = asyncio.Event()
    program = app.Program(senses.cluster(api, settings, resident.aside), resident.ads(listens), settings, resident)
    run = asyncio.create_task(program.run(stop))
    try:
        started = asyncio.create_task(waiting.until_told(lambda: _is_open(ads)))
        await asyncio.wait((started, run), return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            started.cancel()
            run.result()
        yield Replica(ads, webhook, operator, log, resident)
    finally:
        stop.set()
        await asyncio.wait_for(run, PATIENCE)


@contextlib.asynccontextmanager
async def asked(api: api_server.ApiServer, url: str, namespace: str) -> AsyncIterator[None]:
    """Have the API server ask this webhook about the objects of one namespace, until the block ends."""
    document = configuration.configured({"url": url})
    for webhook in document["webhooks"]:
        webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    await api.request("POST", webhook_certificate.PATH.rpartition("/")[0], body=document)
    try:
        await bundled(api)
        yield
    finally:
        await api.request("DELETE", webhook_certificate.PATH)


async def bundled(api: api_server.ApiServer, other_than: bytes = b"") -> bytes:
    """Wait until the configuration holds roots other than these, and return them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await api.request("GET", webhook_certificate.PATH)
            bundles = {webhook["clientConfig"].get("caBundle", "") for webhook in found["webhooks"]}
            if len(bundles) == 1 and (pem := base64.b64decode(bundles.pop())) not in (b"", other_than):
                return pem
            await asyncio.sleep(0.05)


async def known(api: api_server.ApiServer, namespace: str) -> None:
    """Wait until the roots of the control plane are public in a namespace."""
    path = api_server.path("v1", "configmaps", namespace, "meshloom-root")

    async def asked() -> Any:
        with contextlib.suppress(api_server.ApiError):
            return await api.request("GET", path)

    await waiting.until_told(asked)


async def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False
