"""A burst of pods: reviews over HTTPS, as an API server asks them, of a control plane that has one processor.

Law: the certificate, the door and the mesh are those of a server; what is measured is what the API server waits.
"""

import asyncio
import base64
import json
import multiprocessing
import os
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing import connection as connections
from typing import Any, Final

import aiohttp

from bench import large, rows
from mesh import resolve, resources
from meshloom import addresses
from meshloom.admission import webhook
from meshloom.identity.authority import issue, keys
from meshloom.injector import configuration, contract, injection, terms

SERVICES: Final = 1_000
BURST: Final = 500
AT_ONCE: Final = 20
"""Reviews that an API server has under way; each on a connection of its own, which is made in the burst."""
LIMIT_MS: Final = 100.0

NAME = "meshloom.meshloom-system.svc"
_DAY = 86_400.0
_SPACES = 20


def measure(say: Callable[[str], None]) -> Iterator[rows.Row]:
    """Yield how long reviews take."""
    say(f"{BURST} pods in a mesh of {SERVICES} services")
    ours, theirs = multiprocessing.Pipe()
    served = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    served.start()
    try:
        port, root = ours.recv()
        took = sorted(asyncio.run(_burst(port, root)))
        ours.send(None)
        (cpu,) = ours.recv()
    finally:
        served.join(10)
        served.kill()
    of = f"injection: {BURST} pods, {AT_ONCE} at once, one processor, {SERVICES} services"
    yield rows.row(f"{of}: p50", statistics.median(took) * 1000, "ms", LIMIT_MS)
    yield rows.row(f"{of}: p99", took[int(len(took) * 0.99)] * 1000, "ms", LIMIT_MS)
    yield rows.row("injection: processor time a pod", cpu / BURST * 1000, "ms CPU", LIMIT_MS)


# ---------------------------------------------------------------------------- the API server


async def _burst(port: int, root: bytes) -> list[float]:
    trusted = ssl.create_default_context(cadata=root.decode())
    room = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def one(number: int) -> float:
            async with room:
                begun = time.perf_counter()
                await _asked(session, port, trusted, number)
                return time.perf_counter() - begun

        return await asyncio.gather(*map(one, range(BURST)))


async def _asked(session: aiohttp.ClientSession, port: int, trusted: ssl.SSLContext, number: int) -> None:
    url = f"https://127.0.0.1:{port}{configuration.PATH}"
    async with session.post(url, json=_review(number), ssl=trusted, server_hostname=NAME) as answer:
        told = json.loads(await answer.read())["response"]
    patch = json.loads(base64.b64decode(told["patch"]))
    if not told["allowed"] or not any(one["path"].startswith("/spec/initContainers") for one in patch):
        raise AssertionError(told)


def _review(number: int) -> dict[str, Any]:
    ref = large.service_ref(number % SERVICES)
    probe = {"httpGet": {"path": "/live", "port": "web"}, "periodSeconds": 10}
    container = {
        "name": "app",
        "image": "app",
        "ports": [{"name": "web", "containerPort": 8080}],
        "livenessProbe": probe,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{ref.name}-", "labels": {"app": ref.name, "pod-template-hash": f"{number:x}"}},
        "spec": {
            "containers": [container, {"name": "other", "image": "app", "env": [{"name": "A", "value": "b" * 2000}]}]
        },
    }
    request = {
        "uid": f"{number}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": ref.namespace,
        "object": pod,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


# ---------------------------------------------------------------------------- the control plane


class _Nobody:
    def reviewed(self, _reason: str, _seconds: float) -> None:
        """Count nothing."""

    def lacked(self, _count: int) -> None:
        """Nor this."""


def _serve(told: connections.Connection) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    asyncio.run(_served(told))


async def _served(told: connections.Connection) -> None:
    injecting, shown = injection.Injection(_Nobody()), webhook.Shown()
    injecting.passed(resolve.resolve(large.mesh(SERVICES, 10).with_changes(_bound())), ())
    injecting.agree(terms.Terms("meshloom-proxy:test", f"{NAME}:15012"))
    root = issue.root(keys.generated(), "bench", _DAY, time.time())
    leaf = issue.server(root, keys.generated(), (NAME,), _DAY, time.time())
    shown.show(leaf.chain, leaf.key.pem)
    desk = webhook.Desk(configuration.PATH, injecting, webhook.WAITING_PODS)
    async with webhook.served([desk], shown, addresses.Socket("127.0.0.1", 0)) as port:
        before = time.process_time()
        told.send((port, issue.pem(root.certificate)))
        await asyncio.to_thread(told.recv)
        told.send((time.process_time() - before,))
    injecting.close()


def _bound() -> Iterator[resources.Resource]:
    """Yield namespaces, Services and bindings of the first deployment of each service."""
    names = {large.service_ref(number).namespace for number in range(SERVICES)}
    for name in sorted(names):
        labels = {contract.LABEL: contract.ENABLED}
        yield large.resource({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    for number in range(SERVICES):
        ref = large.service_ref(number)
        at = {"name": ref.name, "namespace": ref.namespace}
        spec = {"selector": {"app": ref.name}, "clusterIP": "None"}
        yield large.resource({"apiVersion": "v1", "kind": "Service", "metadata": at, "spec": spec})
        bound = {
            "virtualDeployment": {"ref": {"name": f"{ref.name}-v1"}},
            "target": {"service": {"ref": {"name": ref.name}}},
        }
        kind = "VirtualDeploymentBinding"
        yield large.resource({"apiVersion": resources.API_VERSION, "kind": kind, "metadata": at, "spec": bound})
