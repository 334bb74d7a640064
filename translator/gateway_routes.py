"""What is behind the doors of a gateway's port: routes for each way in, and where connections go that are not read.

Law: a request is served only for a host that asks as much of clients as the way by which it came. Who came by another
way is told so (421), whatever the name in the handshake was.
"""

from collections.abc import Iterator, Sequence

from mesh import graph
from translator import names, route_configurations, tcp
from translator.resources import EncodedResource
from translator.traffic import Traffic
from translator.virtual_hosts import Site

_Hosts = Sequence[tuple[graph.GatewayHost, Site]]


def of_port(port: graph.GatewayPort, sites: Sequence[Site], kept: Traffic) -> Iterator[EncodedResource]:
    """Yield the routes and filters of a port; `sites` are those of its hosts."""
    hosts = [*zip(port.hosts, sites, strict=True)]
    if any(host.in_clear for host in port.hosts):
        yield _routes(port, names.gateway(port.port), [one for one in hosts if one[0].in_clear])
    for host in port.hosts:
        if host.tls is not None:
            alike = [one for one in hosts if one[0].tls == host.tls]
            is_mutual = host.tls.authorities is not None
            yield _routes(port, names.gateway_host(port.port, host.hostnames), alike, is_mutual=is_mutual)
    for passage in port.passages:
        yield _split(passage.conduit, names.gateway_host(port.port, passage.hostnames), kept)
    if port.tcp is not None:
        yield _split(port.tcp.conduit, names.gateway(port.port), kept)


def _routes(port: graph.GatewayPort, name: str, served: _Hosts, *, is_mutual: bool = False) -> EncodedResource:
    there = {name for host, _ in served for name in host.hostnames}
    return route_configurations.gateway(
        name,
        [site for _, site in served],
        tuple(name for name in _named(port) if name not in there),
        is_mutual=is_mutual,
    )


def _named(port: graph.GatewayPort) -> Iterator[str]:
    """Yield all names that belong to somebody on a port."""
    for host in port.hosts:
        yield from host.hostnames
    for passage in port.passages:
        yield from passage.hostnames
    yield from port.withheld


def _split(conduit: graph.Conduit, name: str, kept: Traffic) -> EncodedResource:
    shared = graph.TcpPort(0, conduit.shares, conduit.idle_timeout_ms)
    return tcp.split(shared, name, f"{name}/{conduit.reason}" if conduit.reason else name, kept)
