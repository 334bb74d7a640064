"""What a service is to callers whose connections are captured: virtual hosts and names by port, listeners by address.

Law: a site is built once for each service (and the hosts it is called by), whoever calls. What a host is for on one
port goes before what it is for on all.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mesh import graph
from mesh.hosts import ANY, Host
from mesh.problems import Ref
from translator import captured_listeners, names, outbound_tcp, resources, routes, virtual_hosts
from translator.bundles import Part
from translator.resources import ResourceName
from translator.traffic import Traffic
from translator.virtual_hosts import VirtualHost

Hosts = tuple[Host, ...]


class Names(NamedTuple):
    """The names by which a service is called on a port; `own` are those of hosts that are for this port alone."""

    all: tuple[str, ...]
    own: frozenset[str] = frozenset()


class HttpPort(NamedTuple):
    """A port of a service with its virtual host, and the clusters that it leads to."""

    port: int
    host: VirtualHost
    own: frozenset[str]
    references: tuple[ResourceName, ...]


class TlsPort(NamedTuple):
    """A port of TLS_PASSTHROUGH and the names by which it is called in handshakes."""

    port: int
    service: Ref
    named: Names


class Shape(NamedTuple):
    """What of a service makes listeners: its ports of the HTTP family, and of TLS_PASSTHROUGH."""

    http: tuple[int, ...]
    tls: tuple[TlsPort, ...]

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports at which it is told from others by name."""
        return tuple(dict.fromkeys((*self.http, *(one.port for one in self.tls))))

    def at(self, port: int) -> "Shape":
        """Return what there is of it at a port."""
        return Shape(tuple(one for one in self.http if one == port), tuple(one for one in self.tls if one.port == port))


class Bytes(NamedTuple):
    """The listeners of a service's addresses of IPv4 and of IPv6, and the filters that these and its names need."""

    four: Part
    six: Part
    filters: Part

    def part(self, is_ipv4_only: bool) -> Part:
        """Return what a proxy gets."""
        return (*self.four, *(() if is_ipv4_only else self.six), *self.filters)


def shape(service: graph.Service, called_by: Hosts) -> Shape:
    """Return the shape of a service, for which its routes do not count."""
    http = (port.port for port in service.http if _names(port.port, (*called_by, *service.addresses)).all)
    tls = (TlsPort(port.port, service.ref, _in_handshakes(port.port, called_by)) for port in service.tls)
    return Shape(tuple(http), tuple(one for one in tls if one.named.all))


def http(service: graph.Service, called_by: Hosts, kept: Traffic) -> tuple[HttpPort, ...]:
    """Return the ports of the HTTP family by which a service is called."""
    named = ((port, _names(port.port, (*called_by, *service.addresses))) for port in service.http)
    return tuple(_http(service, port, found, kept) for port, found in named if found.all)


def _http(service: graph.Service, port: graph.HttpPort, named: Names, kept: Traffic) -> HttpPort:
    host = virtual_hosts.of_port(service, port, named.all, kept)
    return HttpPort(port.port, host, named.own, virtual_hosts.clusters_of(routes.targets(port.routes)))


def bytes_of(service: graph.Service, called_by: Hosts, kept: Traffic) -> Bytes:
    """Return what of a service is told by address, and the filters by which its bytes go on."""
    ways = [(port.port, outbound_tcp.way(service.ref, port, kept)) for port in service.tcp]
    led = [(at.name, port, way) for port, way in ways for at in service.addresses if at.port in (None, port)]
    made = {(name, port): captured_listeners.outbound_tcp(name, port, way.door) for name, port, way in led}
    named = (port for port in service.tls if _in_handshakes(port.port, called_by).all)
    filters = (
        *(way.filters for _, _, way in led),
        *(outbound_tcp.way(service.ref, port, kept).filters for port in named),
    )
    four = tuple(item for (name, _), item in made.items() if ":" not in name)
    six = tuple(item for (name, _), item in made.items() if ":" in name)
    return Bytes(four, six, tuple(dict.fromkeys(one for some in filters for one in some)))


def _names(port: int, called_by: Iterable[Host]) -> Names:
    """Return the names of hosts at a port, as Envoy's patterns for authorities."""
    hosts = [host for host in called_by if host.port in (None, port)]
    own = frozenset(str(Host(host.name)) for host in hosts if host.port is not None)
    return Names(tuple(dict.fromkeys(str(Host(host.name)) for host in hosts)), own)


def _in_handshakes(port: int, called_by: Iterable[Host]) -> Names:
    """Return the names of hosts at a port, as Envoy's patterns for the names in handshakes, which are no addresses."""
    return _names(port, (host for host in called_by if not host.is_address and host.name != ANY))


# ---------------------------------------------------------------------------- side by side


def owners(claimed: Sequence[Names]) -> Iterator[tuple[str, ...]]:
    """Yield for each of several that are called by names those that are left to it: of two that claim one it is the
    first, and before that one that claims it for this port alone.
    """
    taken: dict[str, int] = {}
    for index, one in enumerate(claimed):
        for name in one.own:
            taken.setdefault(name, index)
    for index, one in enumerate(claimed):
        for name in one.all:
            taken.setdefault(name, index)
    return (tuple(name for name in one.all if taken[name] == index) for index, one in enumerate(claimed))


def side_by_side(ports: Sequence[HttpPort]) -> Iterator[VirtualHost]:
    """Yield the virtual hosts of ports of several services, each name in one of them."""
    left = owners([Names(port.host.domains, port.own) for port in ports])
    return (port.host.only_for(domains) for port, domains in zip(ports, left, strict=True) if domains)


def filter_of(service: Ref, port: int) -> ResourceName:
    """Return the filter by which connections to a port of a service go on."""
    return resources.FILTER, names.outbound_port(service, port)
