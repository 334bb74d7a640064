"""Meshes compiled: the network of all of their proxies and applications, for the evaluator.

Law: the product compiles; who shows which certificate and who listens where is said here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mesh import inventory, resolve
from mesh.problems import Ref
from tests import written
from tests.meaning import configuration, evaluate
from tests.meaning import written_mesh as meshes
from tests.meaning.payloads import Certificate, Place
from tests.meaning.written_mesh import Key, Written
from translator import compile as compiler
from translator import proxies

HTTP_PROXY, FIRST_WAY = 15000, 6000


@dataclass(frozen=True, slots=True)
class Compiled:
    """A mesh as it is written, its network, where each deployment's sidecar is, and the ports of ways out for TCP."""

    written: Written
    network: evaluate.Network
    workloads: Mapping[Key, str]
    gates: Mapping[Key, str]
    ways: Mapping[tuple[Key, int], int]


def compiled(shorts: Iterable[Mapping[str, object]]) -> Compiled:
    """Return the network of a mesh in which each deployment has a sidecar and each gateway a proxy."""
    given = [*shorts]
    mesh = meshes.read(given)
    kept = [one for objects in mesh.objects.values() for one in objects.values()]
    graph = resolve.resolve(inventory.inventory_of(map(written.resource, kept))).graph
    ways = {way: FIRST_WAY + place for place, way in enumerate(_tcp(mesh))}
    sidecars = {ref: _sidecar(ref, number, ways) for number, ref in enumerate(graph.deployments, 1)}
    gates = {ref: proxies.Gateway(ref, f"127.0.3.{number}") for number, ref in enumerate(graph.gateways, 1)}
    bundles = compiler.compiled(graph, [*sidecars.values(), *gates.values()]).bundles
    found = [_proxy(mesh, proxy, bundles[proxy]) for proxy in (*sidecars.values(), *gates.values())]
    return Compiled(
        mesh,
        evaluate.network(found, dict(_applications(mesh, sidecars)), dict(_names(mesh, sidecars))),
        {_key(ref): one.capture.workload_address for ref, one in sidecars.items()},
        {_key(ref): one.address for ref, one in gates.items()},
        ways,
    )


def _tcp(mesh: Written) -> list[tuple[Key, int]]:
    """Return all services with each of their TCP ports."""
    return sorted(
        (service, port)
        for service in mesh.of(meshes.SERVICE)
        for port in {
            port
            for ports in meshes.deployments(mesh, service).values()
            for port, protocol in ports.items()
            if protocol == "TCP"
        }
    )


def _sidecar(ref: Ref, number: int, ways: Mapping[tuple[Key, int], int]) -> proxies.Sidecar:
    workload = f"127.0.1.{number}"
    out = tuple(
        proxies.TcpWay(workload, at, Ref(meshes.SERVICE, *service), port) for (service, port), at in ways.items()
    )
    return proxies.Sidecar(ref, proxies.Explicit(workload, f"127.0.2.{number}", (), out))


def _key(ref: Ref) -> Key:
    return ref.namespace, ref.name


def _proxy(mesh: Written, proxy: proxies.Envoy, bundle: Iterable[Iterable[object]]) -> evaluate.Proxy:
    kind, key = _owner(mesh, proxy)
    home = meshes.mesh_of(mesh, kind, key)
    assert home is not None
    shown = Certificate(str(home), (meshes.identity(kind, key, home),))
    secrets = {"identity": shown, "authorities": frozenset({str(home)})}
    return configuration.proxy(f"{kind} {key}", (item for part in bundle for item in part), secrets)


def _owner(mesh: Written, proxy: proxies.Envoy) -> tuple[str, Key]:
    if isinstance(proxy, proxies.Gateway):
        return meshes.GATEWAY, _key(proxy.gateway)
    service = meshes.service_of(mesh, _key(proxy.deployment))
    assert service is not None
    return meshes.SERVICE, service


def _applications(mesh: Written, sidecars: Mapping[Ref, proxies.Sidecar]) -> Iterable[tuple[Place, str]]:
    for ref, one in sidecars.items():
        service = meshes.service_of(mesh, _key(ref))
        for port in meshes.deployments(mesh, service)[_key(ref)] if service else ():
            yield Place(one.capture.application_address, port), ref.key


def _names(mesh: Written, sidecars: Mapping[Ref, proxies.Sidecar]) -> Iterable[tuple[str, tuple[str, ...]]]:
    for ref, one in sidecars.items():
        discovery = mesh.of(meshes.DEPLOYMENT)[_key(ref)].get("serviceDiscovery", {})
        if "hostname" in discovery:
            yield discovery["hostname"], (one.capture.workload_address,)
