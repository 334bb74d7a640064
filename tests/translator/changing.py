"""Meshes that change: a mesh is a choice among variants for each of its parts, an edit is another choice for one."""

import dataclasses
from collections.abc import Iterator, Mapping

from mesh import graph, mtls
from mesh.external import NOTHING, External, Networks, Outside
from mesh.hosts import Host
from mesh.problems import Ref
from mesh.resources import Protocol
from tests.translator import graphs
from tests.translator.graphs import forward, route
from translator import proxies
from translator.proxies import Proxy

Choices = Mapping[str, int]
"""The variant of each part; variant 0 of a service, deployment or gateway is its absence."""

SERVICES = ("shop/a", "shop/b", "zoo/c")
GATEWAYS = ("shop/edge", "zoo/edge")
DEPLOYED = ("shop/one", "zoo/two")
"""IngressGatewayDeployments of the first gateway."""
PARTS = (
    *(f"service {key}" for key in SERVICES),
    *(f"deployment {key}-{version}" for key in SERVICES for version in ("v1", "v2")),
    *(f"endpoints {key}-{version}" for key in SERVICES for version in ("v1", "v2")),
    *(f"scope {key}" for key in SERVICES),
    *(f"callers {key}" for key in SERVICES),
    *(f"gateway {key}" for key in GATEWAYS),
    *(f"deployed {key}" for key in DEPLOYED),
)
VARIANTS = 6
WAYS = tuple(proxies.TcpWay("127.0.4.1", 6000 + place, graphs.vs(key)) for place, key in enumerate(SERVICES))
ENDPOINTS = tuple(graph.Endpoint(zone, f"10.0.{len(zone)}.{last}") for zone in ("", "a") for last in range(3))
MODES = tuple(mtls.Mode)
EDGE = Ref("Secret", "shop", "edge")
GATEWAY_TLS = (graph.GatewayTls(EDGE), graph.GatewayTls(EDGE, EDGE), graph.GatewayTls(EDGE, EDGE, ("a.example",)))
ADDRESSES = (graphs.host("10.96.0.1"), graphs.host("10.96.0.2:82"), Host("fd96::1"))
"""Those of all services alike: of several at one address the first has it."""


def proxies_of(choices: Choices) -> list[Proxy]:
    """Return all proxies there could ever be, those without a place in this mesh among them."""
    capture = [proxies.Explicit(f"127.0.1.{number}", "127.0.2.1") for number in range(4)]
    deployments = [part.removeprefix("deployment ") for part in PARTS if part.startswith("deployment ")]
    sidecars = [
        proxies.Sidecar(graphs.vd(key), at._replace(outbound_tcp=WAYS if dialling else ()))
        for key in deployments
        for dialling, at in enumerate(capture[: choices["proxies"]])
    ]
    captured = [
        proxies.Sidecar(graphs.vd(key), proxies.Transparent((7, 80)[:number], number == 2))
        for number in range(choices["proxies"])
        for key in deployments[number : number + 2]
    ]
    proxyless = [proxies.Proxyless(graphs.vd(key)) for key in deployments[: choices["proxies"]]]
    gateways = [proxies.Gateway(graphs.ig(key)) for key in GATEWAYS]
    first = graphs.ig(GATEWAYS[0])
    pods = [
        proxies.Gateway(first, f"0.0.0.{place}", igd(key)) for key in DEPLOYED for place in range(choices["proxies"])
    ]
    return [
        *sidecars,
        *captured,
        *gateways,
        *pods,
        proxies.Gateway(graphs.ig(GATEWAYS[1]), deployment=igd("zoo/two")),
        *proxyless,
    ]


def graph_of(choices: Choices) -> graph.Graph:
    """Return the graph of these choices, all values made anew."""
    services = dict(_services(choices))
    deployments = {ref: item for ref, item in _deployments(choices) if item.service in services}
    known = {
        ref: dataclasses.replace(item, deployments=tuple(one for one in deployments if deployments[one].service == ref))
        for ref, item in services.items()
    }
    routed = {
        ref: dataclasses.replace(
            item,
            http=_http(item, deployments, choices),
            tcp=tuple(_connections(item, deployments, choices, 82)),
            tls=tuple(_connections(item, deployments, choices, 83)),
        )
        for ref, item in known.items()
    }
    bound = (ref for ref, item in deployments.items() if isinstance(item.discovery, graph.Bound))
    return graph.Graph(
        {},
        routed,
        deployments,
        dict(_gateways(choices, routed)),
        {ref: _scope(choices[f"scope {ref.key}"], routed) for ref in routed},
        {ref: _callers(choices[f"callers {ref.key}"]) for ref in routed},
        {ref: ENDPOINTS[choices[f"endpoints {ref.key}"] :] for ref in bound},
        dict(_deployed(choices, routed)),
    )


def _services(choices: Choices) -> Iterator[tuple[Ref, graph.Service]]:
    for key in SERVICES:
        if variant := choices[f"service {key}"]:
            hosts = [key.partition("/")[2], f"{key.replace('/', '.')}:80", "*.pets", "same"][: variant - 1]
            service = graphs.service(key, {}, hosts, (), MODES[variant % 3])
            yield graphs.vs(key), dataclasses.replace(service, addresses=ADDRESSES[: variant % 4])


def _deployments(choices: Choices) -> Iterator[tuple[Ref, graph.Deployment]]:
    for key in SERVICES:
        for version in ("v1", "v2"):
            if variant := choices[f"deployment {key}-{version}"]:
                yield graphs.vd(f"{key}-{version}"), _deployment(f"{key}-{version}", key, variant)


def _deployment(key: str, owner: str, variant: int) -> graph.Deployment:
    listeners = (
        graphs.listener(80, timeout=1000 * (variant // 4)),
        graphs.listener(81, Protocol.GRPC),
        graphs.listener(82, Protocol.TCP),
        graphs.listener(83, Protocol.TLS_PASSTHROUGH),
    )
    hostname = "pets" if variant % 2 else ""
    return graphs.deployment(key, owner, *listeners[: 1 + variant % 4], hostname=hostname, is_bound=variant > 3)


def _http(
    service: graph.Service, deployments: Mapping[Ref, graph.Deployment], choices: Choices
) -> tuple[graph.HttpPort, ...]:
    weight = 1 + choices[f"service {service.ref.key}"] % 2
    ports = sorted({one.port for ref in service.deployments for one in deployments[ref].listeners if one.port < 82})
    return tuple(graph.HttpPort(port, tuple(_routes(service, deployments, port, weight))) for port in ports)


def _connections(
    service: graph.Service, deployments: Mapping[Ref, graph.Deployment], choices: Choices, port: int
) -> Iterator[graph.TcpPort]:
    weight = choices[f"service {service.ref.key}"] % 3
    listening = [ref for ref in service.deployments if deployments[ref].listener(port)]
    if listening:
        shares = tuple(graphs.share(f"{ref.key}:{port}={weight}") for ref in listening if weight)
        yield graph.TcpPort(port, shares, 1000)


def _routes(
    service: graph.Service, deployments: Mapping[Ref, graph.Deployment], port: int, weight: int
) -> Iterator[graph.HttpRoute]:
    listening = [ref for ref in service.deployments if deployments[ref].listener(port)]
    yield route(graph.Refusal(503, "nothing"), "/refused")
    yield route(forward(*(f"{ref.key}:{port}={weight}" for ref in listening)), is_grpc=weight == 2)


def _gateways(choices: Choices, services: Mapping[Ref, graph.Service]) -> Iterator[tuple[Ref, graph.Gateway]]:
    for key in GATEWAYS:
        if variant := choices[f"gateway {key}"]:
            ports = tuple(_port(8080 + place, variant, services) for place in range(variant // 2))
            yield graphs.ig(key), dataclasses.replace(graphs.gateway(key, {}), ports=ports)


def igd(key: str) -> Ref:
    """Return the address of an IngressGatewayDeployment."""
    return Ref("IngressGatewayDeployment", *key.split("/"))


def _deployed(choices: Choices, services: Mapping[Ref, graph.Service]) -> Iterator[tuple[Ref, graph.Gateway]]:
    """Yield the first gateway as others give it, with listeners of their own, as far as it is there itself."""
    known = dict(_gateways(choices, services)).get(graphs.ig(GATEWAYS[0]))
    for key in DEPLOYED if known else ():
        if known and (variant := choices[f"deployed {key}"]):
            ports = tuple(_port(8080 + place, variant, services) for place in range(variant // 2))
            yield igd(key), dataclasses.replace(known, ports=known.ports if variant == 5 else ports)


def _port(port: int, variant: int, services: Mapping[Ref, graph.Service]) -> graph.GatewayPort:
    """Return a port: the first is of hosts in clear, the next of hosts by TLS and of those who pass, or of TCP."""
    tls = GATEWAY_TLS[variant % 3] if port > 8080 else None
    hosts = tuple(
        graph.GatewayHost(ref.name, (ref.name, "same.example"), item.http[0].routes if item.http else (), tls, not tls)
        for ref, item in services.items()
    )
    conduits = [graph.Conduit(port.shares, 1000, "") for item in services.values() for port in item.tcp]
    passages = tuple(
        graph.GatewayPassage((f"{number}.example",), one) for number, one in enumerate(conduits if port > 8080 else ())
    )
    if conduits and variant == 5 and port > 8080:
        return graph.GatewayPort(port, tcp=graph.GatewayTcp(conduits[0], tls))
    return graph.GatewayPort(port, hosts[:variant], passages, None, ("gone.example",) if variant == 4 else ())


def _scope(variant: int, services: Mapping[Ref, graph.Service]) -> graph.Scope:
    reached = tuple(ref for place, ref in enumerate(services) if variant & 1 << place)
    special = tuple((ref, (graphs.host("here"), *services[ref].hosts)) for ref in reached[: variant % 2])
    return graph.Scope(reached, special, OUTSIDE[variant % len(OUTSIDE)])


OUTSIDE = (
    NOTHING,
    External(
        (Outside("api.example", (80,)),), (Outside("*.example"), Outside("api.example", (443,))), refused=("::/0",)
    ),
    External(tcp=(Networks(("10.0.0.0/8",), (5432,)), Networks(("fd00::/8",)))),
    External((Outside("*", (80, 8080)),), (Outside("*.pets", (443,)),), (), (graphs.host("a"), graphs.host("*.pets"))),
)


def _callers(variant: int) -> graph.Callers:
    owners = [graphs.vs("shop/a"), graphs.ig("shop/edge")][: variant % 3]
    enforcement = graph.Enforcement.AUDIT if variant == 5 else graph.Enforcement.ENFORCE
    return graph.Callers(graphs.DOMAIN, variant > 3, tuple(map(graphs.caller, owners)), enforcement)
