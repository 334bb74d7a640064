"""Calls out of the mesh where connections are captured: which of them lead to which exit.

Law: as `translator.egress`: requests are told by their authority, TLS by the name in its handshake, bytes by the
address that was dialled; the hosts of the mesh are never outside. A rule of names for all ports is open at the usual
one of its protocol, and at those that anything else is open at.
"""

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3

from mesh import hosts
from mesh.external import External, Outside
from mesh.rules import ports
from translator import egress, exits, names, resources, tcp, wire
from translator.captured_sites import Names
from translator.egress import Fronts
from translator.exits import Exit
from translator.resources import ResourceName

_HTTP, _HTTPS = 80, 443
_TLS = "tls"


class Leaving(NamedTuple):
    """What leads out of the mesh for the callers of a scope: requests by `fronts`, all else by exits; `ports` are those
    at which there is something that is told by name.
    """

    of: External
    fronts: Fronts
    ports: tuple[int, ...]


def leaving(of: External) -> Leaving:
    """Return what leads out for callers that may reach this."""
    requests = dataclasses.replace(of, https=(), tcp=())
    front = egress.front(requests)
    wanted = {*_ports(of.http, _HTTP), *_ports(of.https, _HTTPS)} - ports.SIDECAR.keys()
    needed = frozenset(name for name in front.references if name != (resources.CLUSTER, names.CONNECT))
    return Leaving(of, front._replace(references=needed), tuple(sorted(wanted)))


def _ports(of: tuple[Outside, ...], usual: int) -> Iterator[int]:
    return (port for one in of for port in (one.ports or (usual,)))


# ---------------------------------------------------------------------------- by the names in handshakes


class Named(NamedTuple):
    """What a name in a handshake leads to at a port: an exit, or nothing, for it belongs to the mesh."""

    named: Names
    way: Exit | None


def handshakes(of: External, port: int) -> tuple[Named, ...]:
    """Return what names lead to at a port; the hosts of the mesh, which are not outside, in front."""
    found = tuple(
        Named(Names((way.what[0],)), way)
        for way in egress.ways(dataclasses.replace(of, http=(), tcp=()))
        if way.port in (exits.EVERY_PORT, port) and not _is_address(way.what[0])
    )
    taken = [host.name for host in of.taken if host.port in (None, port) and not host.is_address]
    return (Named(Names(tuple(dict.fromkeys(taken))), None), *found) if found and taken else found


def chain(names_of: tuple[str, ...], way: Exit | None, port: int) -> bytes:
    """Return the chain by which these names leave the mesh; without an exit connections are closed."""
    wanted = (
        listener_v3.FilterChainMatch(transport_protocol=_TLS)
        if names_of == (hosts.ANY,)
        else listener_v3.FilterChainMatch(server_names=list(names_of))
    )
    to = (
        tcp.nowhere(f"{names.outbound_at(port)}/{names.INSIDE}")
        if way is None
        else tcp.through(way.name, f"%REQUESTED_SERVER_NAME%:{port}")
    )
    return wire.encode(wire.varied(to, filter_chain_match=wanted))


def _is_address(name: str) -> bool:
    return hosts.Host(name).is_address


# ---------------------------------------------------------------------------- by address


def by_address(of: External, port: int | None, version: int | None = None) -> Iterator[tuple[bytes, Exit]]:
    """Yield the chains by which addresses leave the mesh: at one port where the mesh has something too, which goes
    before all addresses there are; or, without a port, where it has nothing. `version` is the one there is of IP.
    """
    for way in egress.ways(dataclasses.replace(of, http=(), https=())):
        ranges = [one for one in map(ipaddress.ip_network, way.what) if version in (None, one.version)]
        wanted = [one for one in ranges if port is None or one.prefixlen]
        if wanted and (port is None or way.port in (exits.EVERY_PORT, port)):
            at = None if port is not None or way.port == exits.EVERY_PORT else way.port
            match = listener_v3.FilterChainMatch(prefix_ranges=[_range(one) for one in wanted], destination_port=at)
            to = tcp.through(way.name, "%DOWNSTREAM_LOCAL_ADDRESS%")
            yield wire.encode(wire.varied(to, filter_chain_match=match)), way


def _range(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> core_v3.CidrRange:
    return core_v3.CidrRange(address_prefix=str(network.network_address), prefix_len=network.prefixlen)


def references(ways: Iterable[Exit]) -> tuple[ResourceName, ...]:
    """Return what exits are by name: each a listener, and the cluster that leads there."""
    found = (pair for way in ways for pair in ((resources.CLUSTER, way.name), (resources.LISTENER, way.name)))
    return tuple(dict.fromkeys(found))
