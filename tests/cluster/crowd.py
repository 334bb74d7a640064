"""Many services with their endpoints, applied at once and then changed without a pause, before one control plane."""

import asyncio
import contextlib
import pathlib
import random
import re
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from meshloom.identity import claim
from tests import written
from tests.cluster import servers, serving, watched
from tests.meshloom import ads
from watchers import api_server
from xds.wire import discovery_pb2

ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
AT_ONCE = 16
"""Requests under way to the API server."""
SETTLING = 60.0
ADDRESS = re.compile(rb"10\.\d{1,3}\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Load:
    """So many services with so many endpoints each, then so many changes a second for so many seconds.

    With pods, each endpoint is one, and bindings look at their labels.
    """

    services: int
    endpoints: int = 5
    rate: float = 100.0
    seconds: float = 60.0
    with_pods: bool = False

    @property
    def objects(self) -> int:
        """Return how many there are."""
        return 2 + self.services * (6 + self.endpoints * self.with_pods)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: seconds, bytes, changes."""

    applying: float
    starting: float
    memory: int
    changes: int
    changing: float
    latencies: tuple[float, ...]
    lost: frozenset[str]
    cpu: float

    @property
    def middle(self) -> float:
        """Return the seconds from a change to its arrival at a proxy, half of the time."""
        return statistics.median(self.latencies)

    @property
    def longest(self) -> float:
        """Return the same, 99 times of 100."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


def address(service: int, place: int, generation: int) -> str:
    """Return an address that no other endpoint has at any time; each generation is one change."""
    number = (1 << 23) + generation if generation else service * 8 + place
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def endpoints(service: int, load: Load, generation: int) -> list[dict[str, Any]]:
    """Return the endpoints of a service; the first of them is another in each generation."""
    addresses = (address(service, place, 0 if place else generation) for place in range(load.endpoints))
    found = [{"addresses": [each], "conditions": {"ready": True}} for each in addresses]
    if load.with_pods:
        return [{**one, "targetRef": {"kind": "Pod", "name": f"s{service}-{at}"}} for at, one in enumerate(found)]
    return found


def documents(namespace: str, load: Load) -> Iterator[dict[str, Any]]:
    """Yield all objects."""
    yield written.document({"Mesh": f"{namespace}/main", "mtls": {"minimum": "DISABLED"}})
    every: dict[str, Any] = {"allVirtualServices": {}}
    rules = [{"action": "ALLOW", "source": every, "destination": every}]
    yield written.document({"AccessPolicy": f"{namespace}/open", "mesh": {"ref": {"name": "main"}}, "rules": rules})
    for number in range(load.services):
        yield from _service(namespace, number, load)


def _service(namespace: str, number: int, load: Load) -> Iterator[dict[str, Any]]:
    name = f"s{number}"
    at, deployment = f"{namespace}/{name}", {"virtualDeployment": {"ref": {"name": name}}}
    found = {"type": "DNS", "hostname": f"{name}.{namespace}"}
    listener = [{"protocol": "HTTP", "port": 8080}]
    of = {"virtualService": {"ref": {"name": name}}}
    mtls = {"mtls": {"mode": "DISABLED"}}
    yield written.document({"VirtualService": at, "mesh": {"ref": {"name": "main"}}, "hosts": [name], **mtls})
    yield written.document({"VirtualDeployment": at, **of, "serviceDiscovery": found, "listener": listener})
    route = {"httpRoute": {"destinations": [{**deployment, "weight": 100}]}}
    yield written.document({"VirtualServiceRouteTable": at, **of, "routeRules": [route]})
    target: dict[str, Any] = {"ref": {"name": name}}
    if load.with_pods:
        target["matchLabels"] = {"app": name}
        yield from (_pod(namespace, name, place) for place in range(load.endpoints))
    yield written.document({"VirtualDeploymentBinding": at, **deployment, "target": {"service": target}})
    yield watched.service(namespace, name, 8080)
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": endpoints(number, load, 0),
        "ports": [{"name": "http", "port": 8080}],
    }


def _pod(namespace: str, name: str, place: int) -> dict[str, Any]:
    metadata = {"name": f"{name}-{place}", "namespace": namespace, "labels": {"app": name}}
    containers = [{"name": "app", "image": "none"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


class Proxy(ads.Client):
    """A sidecar that asks for the endpoints of all its clusters, and notes when which address came."""

    def __init__(self, namespace: str) -> None:
        super().__init__(claim.sidecar(f"{namespace}/s0", "127.0.9.1", "127.0.0.1", {}), ("outbound",), delta=True)
        self.arrivals: dict[str, float] = {}

    async def _answer(self, stream: Any) -> None:
        async for response in stream:
            if response.type_url == ENDPOINTS:
                self._note(response)
            self._take(response)
            self.received.clear()
            await stream.write(self._answered(response))
            if response.type_url == ads.CLUSTER:
                names = [one.name for one in response.resources]
                more = discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINTS, resource_names_subscribe=names)
                await stream.write(more)
            self.news.set()

    def _note(self, response: Any) -> None:
        now = time.monotonic()
        for one in response.resources:
            for found in ADDRESS.findall(one.resource):
                self.arrivals.setdefault(found.decode(), now)

    async def until_arrived(self, wanted: Iterable[str], seconds: float) -> frozenset[str]:
        """Wait until all these addresses have come; return those that have not in so many seconds."""
        waited = frozenset(wanted)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.arrivals.keys() >= waited:
                    self.news.clear()
                    await self.news.wait()
        return waited - self.arrivals.keys()


@dataclass
class Changes:
    """Changes one endpoint after another, and notes when each address was written."""

    api: api_server.ApiServer
    namespace: str
    load: Load
    sent: dict[str, float] = field(default_factory=dict)

    async def run(self) -> float:
        """Make all changes at their rate, and return how many seconds it took."""
        dice, begun = random.Random(8), time.monotonic()
        total = round(self.load.rate * self.load.seconds)
        under_way: set[asyncio.Task[None]] = set()
        for number in range(total):
            await asyncio.sleep(max(0.0, begun + number / self.load.rate - time.monotonic()))
            service = dice.randrange(self.load.services)
            if len(under_way) >= AT_ONCE:
                _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            under_way.add(asyncio.create_task(self._change(service, number + 1)))
        await asyncio.gather(*under_way)
        return time.monotonic() - begun

    async def _change(self, service: int, generation: int) -> None:
        path = api_server.path("discovery.k8s.io/v1", "endpointslices", self.namespace, f"s{service}")
        body = {"endpoints": endpoints(service, self.load, generation)}
        self.sent[address(service, 0, generation)] = time.monotonic()
        await self.api.request("PATCH", path, body=body, content_type=api_server.MERGE_PATCH)


async def measured(cluster: servers.Cluster, folder: pathlib.Path, namespace: str, load: Load) -> Figures:
    """Return what a control plane needs for a load, and whether it lost anything of it."""
    async with api_server.connected(cluster.access) as api:
        with serving.served(cluster, folder / "one", "--namespace", namespace) as program:
            begun = time.monotonic()
            await _applied(api, documents(namespace, load))
            applying = time.monotonic() - begun
            proxy = Proxy(namespace)
            async with proxy.connected(program.address):
                await _until_whole(proxy, load)
                starting = time.monotonic() - begun - applying
                return await _changed(
                    cluster, folder, Changes(api, namespace, load), proxy, program, (applying, starting)
                )


async def _changed(
    cluster: servers.Cluster,
    folder: pathlib.Path,
    changes: Changes,
    proxy: Proxy,
    program: serving.Served,
    before: tuple[float, float],
) -> Figures:
    process = psutil.Process(program.process.pid)
    used = _cpu(process)
    watching = asyncio.create_task(_most(process))
    took = await changes.run()
    newest = await _there(changes)
    lost = await proxy.until_arrived(newest, SETTLING)
    cpu = _cpu(process) - used
    watching.cancel()
    memory = max(process.memory_info().rss, await _stopped(watching))
    seen = [proxy.arrivals[text] - at for text, at in changes.sent.items() if text in proxy.arrivals]
    differing = await _differing(cluster, folder, changes, proxy)
    return Figures(*before, memory, len(changes.sent), took, tuple(seen), lost | differing, cpu)


async def _there(changes: Changes) -> frozenset[str]:
    """Return the first address of each slice as the API server has it now."""
    path = api_server.path("discovery.k8s.io/v1", "endpointslices", changes.namespace)
    found = await changes.api.request("GET", path)
    return frozenset(one["endpoints"][0]["addresses"][0] for one in found["items"])


async def _differing(cluster: servers.Cluster, folder: pathlib.Path, changes: Changes, proxy: Proxy) -> frozenset[str]:
    """Return what a control plane that starts now has of this proxy and the one that followed has not, or otherwise."""
    with serving.served(cluster, folder / "two", "--namespace", changes.namespace, seed=7) as program:
        fresh = Proxy(changes.namespace)
        async with fresh.connected(program.address):
            await _until_whole(fresh, changes.load)
            one, other = (set(_versions(each)) for each in (proxy, fresh))
    return frozenset(name for name, _ in one ^ other)


def _versions(proxy: Proxy) -> Iterator[tuple[str, str]]:
    for type_url, held in proxy.held.items():
        yield from ((f"{type_url} {name}", version) for name, version in held.items())


async def _until_whole(proxy: Proxy, load: Load) -> None:
    """Wait until a proxy has clusters, routes, and endpoints of every service."""
    async with asyncio.timeout(SETTLING):
        while len(proxy.held.get(ENDPOINTS, ())) < load.services or "outbound" not in proxy.held.get(ads.ROUTES, ()):
            proxy.news.clear()
            await proxy.news.wait()


async def _applied(api: api_server.ApiServer, wanted: Iterable[dict[str, Any]]) -> None:
    waiting = iter(wanted)

    async def some() -> None:
        for document in waiting:
            await watched.applied(api, document)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _most(process: psutil.Process) -> int:
    """Return the most memory that was seen, once cancelled."""
    most = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.2)
    return most


async def _stopped(task: "asyncio.Task[int]") -> int:
    (found,) = await asyncio.gather(task, return_exceptions=True)
    return found if isinstance(found, int) else 0
