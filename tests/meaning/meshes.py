"""Meshes compiled: the network of all of their proxies and applications, for the evaluator.

Law: the product compiles; who shows which certificate and who listens where is said here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh import inventory, resolve, resources, workloads
from mesh.problems import Ref
from tests import written
from tests.meaning import configuration, evaluate
from tests.meaning import written_mesh as meshes
from tests.meaning.payloads import Certificate, Place
from tests.meaning.written_mesh import Key, Short, Written
from translator import bundles, proxies
from translator import compile as compiler

HTTP_PROXY, FIRST_WAY = 15000, 6000
BLOCK = "127.77.0."
APPLICATIONS, GATES = 100, 200
"""Added to the last number of a sidecar's address: where its application is; and where gateways are."""

Way = tuple[Key, int]
"""A service and one of its ports that are not of the HTTP family."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A mesh as it is written, what its proxies get, and the network of them.

    `workloads` and `gates` are the addresses of sidecars and gateways; `ways` the ports by which each sidecar leads to
    services that are not called by HTTP.
    """

    written: Written
    bundles: Mapping[proxies.Proxy, bundles.Bundle]
    network: evaluate.Network
    workloads: Mapping[Key, str]
    gates: Mapping[Key, str]
    ways: Mapping[Way, int]


@dataclass(frozen=True, slots=True)
class Outside:
    """What is not of the mesh: applications by their places, and the addresses of names."""

    applications: Mapping[Place, str] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOTHING = Outside()


def compiled(shorts: Iterable[Short], block: str = BLOCK, outside: Outside = NOTHING) -> Compiled:
    """Return a mesh in which each deployment has a sidecar and each gateway a proxy, at addresses of this block. Every
    second deployment is bound to a Service, the others are found by name.
    """
    mesh = meshes.read(shorts)
    objects = (written.resource(dict(one)) for kind in mesh.objects.values() for one in kind.values())
    unbound = resolve.resolve(inventory.inventory_of(objects))
    ways = {way: FIRST_WAY + place for place, way in enumerate(_ways(mesh))}
    refs = enumerate(unbound.graph.deployments, 1)
    sidecars = {_key(ref): _sidecar(ref, block, number, ways) for number, ref in refs}
    tied = (one for number, sidecar in enumerate(sidecars.values()) if number % 2 for one in _bound(sidecar))
    graph = resolve.resolve(unbound.inventory.with_changes(tied)).graph
    gates = {
        _key(ref): proxies.Gateway(ref, f"{block}{GATES + number}") for number, ref in enumerate(graph.gateways, 1)
    }
    made = compiler.compiled(graph, [*sidecars.values(), *gates.values()]).bundles
    found = [_proxy(mesh, proxy, made[proxy]) for proxy in (*sidecars.values(), *gates.values())]
    workloads = {key: one.capture.workload_address for key, one in sidecars.items()}
    return Compiled(
        mesh,
        made,
        evaluate.network(
            found,
            {**outside.applications, **dict(_applications(mesh, sidecars))},
            {**outside.names, **dict(_names(mesh, workloads))},
        ),
        workloads,
        {key: one.address for key, one in gates.items()},
        ways,
    )


def _bound(sidecar: proxies.Sidecar) -> Iterable[resources.Resource]:
    """Return a Service with one endpoint, where a sidecar is, and what binds its deployment to it."""
    space, name = _key(sidecar.deployment)
    target = {"service": {"ref": {"name": f"bound-{name}"}}}
    short = {"VirtualDeploymentBinding": f"{space}/{name}", "virtualDeployment": {"ref": {"name": name}}}
    yield written.resource({**short, "target": target})
    yield workloads.Service(metadata={"namespace": space, "name": f"bound-{name}"})
    owner = {"kubernetes.io/service-name": f"bound-{name}"}
    listed = workloads.Endpoint(addresses=(sidecar.capture.workload_address,))
    yield workloads.EndpointSlice(metadata={"namespace": space, "name": name, "labels": owner}, endpoints=(listed,))


def _ways(mesh: Written) -> list[Way]:
    found = ((service, meshes.deployments(mesh, service)) for service in mesh.of(meshes.SERVICE))
    return sorted({
        (service, port)
        for service, each in found
        for ports in each.values()
        for port, protocol in ports.items()
        if protocol not in meshes.HTTP_FAMILY
    })  # fmt: skip


def _sidecar(ref: Ref, block: str, number: int, ways: Mapping[Way, int]) -> proxies.Sidecar:
    workload = f"{block}{number}"
    out = tuple(
        proxies.TcpWay(workload, at, Ref(meshes.SERVICE, *service), port) for (service, port), at in ways.items()
    )
    return proxies.Sidecar(ref, proxies.Explicit(workload, f"{block}{APPLICATIONS + number}", (), out))


def _key(ref: Ref) -> Key:
    return ref.namespace, ref.name


def owner(mesh: Written, proxy: proxies.Proxy) -> meshes.Member:
    """Return the service or the gateway whose a proxy is."""
    if isinstance(proxy, proxies.Gateway):
        return (meshes.GATEWAY, *_key(proxy.gateway))
    service = meshes.service_of(mesh, _key(proxy.deployment))
    assert service is not None
    return (meshes.SERVICE, *service)


def shown(mesh: Written, member: meshes.Member) -> Certificate:
    """Return the certificate of a service or a gateway, which its mesh has issued."""
    kind, *key = member
    home = meshes.mesh_of(mesh, kind, (key[0], key[1]))
    assert home is not None
    return Certificate("/".join(home), (meshes.identity(kind, (key[0], key[1]), home),))


def _proxy(mesh: Written, proxy: proxies.Envoy, bundle: Iterable[Iterable[Any]]) -> evaluate.Proxy:
    own = shown(mesh, owner(mesh, proxy))
    secrets = {"identity": own, "authorities": frozenset({own.root})}
    return configuration.proxy(str(proxy), (item for part in bundle for item in part), secrets)


def _applications(mesh: Written, sidecars: Mapping[Key, proxies.Sidecar]) -> Iterable[tuple[Place, str]]:
    for key, one in sidecars.items():
        service = meshes.service_of(mesh, key)
        for port in meshes.deployments(mesh, service)[key] if service else ():
            yield Place(one.capture.application_address, port), "/".join(key)


def _names(mesh: Written, workloads: Mapping[Key, str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    for key, address in workloads.items():
        discovery = mesh.of(meshes.DEPLOYMENT)[key].get("serviceDiscovery", {})
        if "hostname" in discovery:
            yield discovery["hostname"], (address,)
