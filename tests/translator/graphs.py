"""Graphs written by hand, for tests of the compiler: the fields a test is about, the rest settled.

Law: only values of `mesh.graph` are made here, nothing that the compiler makes.
"""

from collections.abc import Iterable, Mapping

from mesh import graph, identity, mtls
from mesh.hosts import Host
from mesh.problems import Ref
from mesh.resources import Protocol
from translator import proxies

MESH = Ref("Mesh", "shop", "main")
DOMAIN = "main.shop.mesh"


def vs(key: str) -> Ref:
    return Ref("VirtualService", *key.split("/"))


def vd(key: str) -> Ref:
    return Ref("VirtualDeployment", *key.split("/"))


def ig(key: str) -> Ref:
    return Ref("IngressGateway", *key.split("/"))


def caller(owner: Ref) -> identity.Identity:
    return identity.Identity(DOMAIN, owner)


def forward(*shares: str, timeout: int = 15_000, idle: int = 300_000, rewrite: str = "") -> graph.Forward:
    """`forward("shop/pets-v1:80=90", "shop/pets-v2:80=10")`."""
    return graph.Forward(tuple(map(share, shares)), timeout, idle, rewrite)


def share(text: str, host_rewrite: str = "") -> graph.Share:
    target, _, weight = text.partition("=")
    key, _, port = target.partition(":")
    return graph.Share(graph.Target(vd(key), int(port)), int(weight or 1), host_rewrite)


def route(
    action: graph.Forward | graph.Refusal, path: str = "/", is_grpc: bool = False, by_segment: bool = True
) -> graph.HttpRoute:
    return graph.HttpRoute(path, by_segment, is_grpc, action)


def service(
    key: str,
    ports: Mapping[int, Iterable[graph.HttpRoute]],
    hosts: Iterable[str] = (),
    deployments: Iterable[str] = (),
    mode: mtls.Mode = mtls.Mode.STRICT,
    tcp: Iterable[graph.TcpPort] = (),
    tls: Iterable[graph.TcpPort] = (),
) -> graph.Service:
    """`hosts` are as `pets`, `pets:80`, `*.pets`."""
    served = tuple(graph.HttpPort(port, tuple(routes)) for port, routes in ports.items())
    called, behind = tuple(map(host, hosts)), tuple(map(vd, deployments))
    return graph.Service(vs(key), key, MESH, caller(vs(key)), mode, called, behind, served, tuple(tcp), tuple(tls))


def host(text: str) -> Host:
    name, _, port = text.partition(":")
    return Host(name, int(port) if port else None)


def listener(port: int, protocol: Protocol = Protocol.HTTP, timeout: int = 15_000, idle: int = 300_000):
    return graph.Listener(port, protocol, timeout, idle)


def deployment(
    key: str, owner: str, *listeners: graph.Listener, hostname: str = "", is_bound: bool = False
) -> graph.Deployment:
    by_name = graph.Dns(hostname) if hostname else graph.Undiscovered()
    discovery = graph.Bound(hostname) if is_bound else by_name
    return graph.Deployment(vd(key), key, vs(owner), discovery, listeners, False)


def gateway(key: str, ports: Mapping[int, Iterable[graph.GatewayHost]]) -> graph.Gateway:
    served = tuple(graph.GatewayPort(port, tuple(hosts)) for port, hosts in ports.items())
    return graph.Gateway(ig(key), key, MESH, caller(ig(key)), False, served)


def mesh_graph(
    services: Iterable[graph.Service] = (),
    deployments: Iterable[graph.Deployment] = (),
    gateways: Iterable[graph.Gateway] = (),
    scopes: Mapping[str, graph.Scope] | None = None,
    callers: Mapping[str, graph.Callers] | None = None,
) -> graph.Graph:
    """A graph in which nobody may call anybody but for what is given."""
    known = sorted(services, key=lambda item: item.ref)
    nobody = graph.Callers(DOMAIN, False, ())
    return graph.Graph(
        {MESH: graph.Mesh(MESH, "main", mtls.Mode.STRICT, DOMAIN)},
        {item.ref: item for item in known},
        {item.ref: item for item in sorted(deployments, key=lambda item: item.ref)},
        {item.ref: item for item in sorted(gateways, key=lambda item: item.ref)},
        {item.ref: (scopes or {}).get(item.ref.key, graph.Scope(())) for item in known},
        {item.ref: (callers or {}).get(item.ref.key, nobody) for item in known},
    )


def sidecar(key: str, at: str = "127.0.1.1", application: str = "127.0.2.1", *mapped: tuple[int, int]):
    return proxies.Sidecar(vd(key), proxies.Explicit(at, application, mapped))
