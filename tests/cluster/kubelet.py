"""A node whose kubelet does one thing: it forwards ports, as kubelets do, to ports of this machine.

Law: what an API server asks of it is what it asks of any kubelet (https://pkg.go.dev/k8s.io/kubelet/pkg/cri/streaming).
"""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aiohttp import web

from watchers import api_server

NODE = "loopback"
PROTOCOL = "v4.channel.k8s.io"


@contextlib.asynccontextmanager
async def running(api: api_server.ApiServer, folder: Path, ports: Mapping[tuple[str, int], int]) -> AsyncIterator[None]:
    """Run it; `ports` say for pod and port which port of this machine is meant."""
    made = web.Application()

    async def forward(request: web.Request) -> web.WebSocketResponse:
        return await _forwarded(request, ports.get((request.match_info["pod"], int(request.query["port"]))))

    made.router.add_get("/portForward/{namespace}/{pod}", forward)
    made.router.add_get("/portForward/{namespace}/{pod}/{uid}", forward)
    runner = web.AppRunner(made)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_certified(folder)).start()
    try:
        await _told(api, runner.addresses[0][1])
        yield
    finally:
        await api.request("DELETE", api_server.path("v1", "nodes", "", NODE))
        await runner.cleanup()


async def pod(api: api_server.ApiServer, namespace: str, name: str, labels: Mapping[str, str], is_ready: bool) -> None:
    """Make a pod that runs on it."""
    spec = {"nodeName": NODE, "containers": [{"name": "app", "image": "app"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": dict(labels)}, "spec": spec}
    await api.request("POST", api_server.path("v1", "pods", namespace), body=body)
    ready = {"type": "Ready", "status": str(is_ready)}
    at = api_server.path("v1", "pods", namespace, name, "status")
    status = {"status": {"phase": "Running", "conditions": [ready]}}
    await api.request("PATCH", at, body=status, content_type=api_server.MERGE_PATCH)


async def _told(api: api_server.ApiServer, port: int) -> None:
    """Have the API server know the node, and where its kubelet is."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    await api.applied(api_server.path("v1", "nodes", "", NODE), node)
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
    status = {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    at = api_server.path("v1", "nodes", "", NODE, "status")
    await api.request("PATCH", at, body={"status": status}, content_type=api_server.MERGE_PATCH)


def _certified(folder: Path) -> ssl.SSLContext:
    """Return what it is served with; nobody checks it."""
    key, certificate = folder / "kubelet.key", folder / "kubelet.crt"
    asked = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    named = ("-subj", "/CN=kubelet", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([*asked, *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def _forwarded(request: web.Request, port: int | None) -> web.WebSocketResponse:
    made = web.WebSocketResponse(protocols=(PROTOCOL,))
    await made.prepare(request)
    said = int(request.query["port"]).to_bytes(2, "little")
    for channel in (b"\0", b"\1"):
        await made.send_bytes(channel + said)
    if port is None:
        await made.send_bytes(b"\1error forwarding port: connection refused")
        return made
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    back = asyncio.create_task(_sent_back(reader, made))
    try:
        async for message in made:
            writer.write(message.data[1:])
    finally:
        writer.close()  # and nothing more comes back
        await asyncio.gather(back, return_exceptions=True)
    return made


async def _sent_back(reader: asyncio.StreamReader, made: web.WebSocketResponse) -> None:
    while data := await reader.read(65536):
        await made.send_bytes(b"\0" + data)
    await made.close()
