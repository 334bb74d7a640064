"""Services outside of the mesh as callers may reach them, and the networks that are never outside.

Law: what a caller may reach is settled: names once a protocol, ports each in one place; and no name, whatever it
resolves to, leads into the networks that are refused.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from mesh import hosts
from mesh.hosts import Host, IPNetwork


@dataclass(frozen=True, slots=True)
class Outside:
    """Services outside of the mesh by their name, on some ports, in order; no ports means every port.

    `name` is as that of a `Host`: exact, `*.example.com`, `*`, or an address.
    """

    name: str
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Networks:
    """Addresses outside of the mesh that may be called on these ports, in order.

    No ports means every port that no other value of the same `External` has.
    """

    networks: tuple[str, ...]
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class External:
    """What one caller may reach outside of the mesh: by HTTP in clear, by TLS, and as bytes to an address.

    Names are there once a protocol, the nearest first. `taken` are the hosts of the mesh that a wildcard covers, too:
    they are not outside, whoever may reach them. `refused` are the networks that are never outside.
    """

    http: tuple[Outside, ...] = ()
    https: tuple[Outside, ...] = ()
    tcp: tuple[Networks, ...] = ()
    taken: tuple[Host, ...] = ()
    refused: tuple[str, ...] = ()


NOTHING = External()
"""What a caller may reach outside if no policy says anything."""


NEVER_OUTSIDE = (
    "0.0.0.0/8",  # this host
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local: the metadata of most clouds
    "192.0.0.192/32",  # metadata of Oracle's cloud of old
    "100.100.100.200/32",  # metadata of Alibaba's cloud
    "168.63.129.16/32",  # the host agent of Azure
    "224.0.0.0/4",  # multicast
    "255.255.255.255/32",  # broadcast
    "::/96",  # unspecified, loopback, and IPv4 in an old disguise
    "::ffff:0:0/96",  # IPv4 mapped into IPv6
    "fe80::/10",  # link-local
    "fd00:ec2::254/128",  # metadata of Amazon's cloud
    "ff00::/8",  # multicast
)
"""What is never outside, whatever the settings name beside it."""


def refused(internal: Iterable[str] = (), exempt: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the networks that are never outside: those known, the internal ones of a place, without the exempt.

    An IPv4 network is refused by its addresses behind a translator of IPv6 (NAT64), too.
    """
    named = [network for text in (*NEVER_OUTSIDE, *internal) if (network := hosts.parsed_network(text))]
    spared = tuple(network for text in exempt if (network := hosts.parsed_network(text)))
    translated = [_translated(network) for network in named if isinstance(network, ipaddress.IPv4Network)]
    left = [piece for network in (*named, *translated) for piece in _without(network, spared)]
    return tuple(map(str, collapsed(left)))


_TRANSLATED = int(ipaddress.IPv6Address("64:ff9b::"))


def _translated(network: ipaddress.IPv4Network) -> ipaddress.IPv6Network:
    return ipaddress.IPv6Network((_TRANSLATED + int(network.network_address), 96 + network.prefixlen))


def _without(network: IPNetwork, spared: tuple[IPNetwork, ...]) -> Iterator[IPNetwork]:
    """Yield what is left of a network without these; of two networks one is inside of the other, or they are apart."""
    hole = next((one for one in spared if one.overlaps(network)), None)
    if hole is None:
        yield network
    elif hole.prefixlen > network.prefixlen:
        pieces: Iterator[IPNetwork] = cast(Any, network).address_exclude(hole)
        yield from (left for piece in pieces for left in _without(piece, spared))


def collapsed(networks: Iterable[IPNetwork]) -> tuple[IPNetwork, ...]:
    """Return the same addresses by as few networks as there can be: IPv4, then IPv6, each in order."""
    fours, sixes = [], []
    for network in networks:
        if isinstance(network, ipaddress.IPv4Network):
            fours.append(network)
        else:
            sixes.append(network)
    return (*ipaddress.collapse_addresses(fours), *ipaddress.collapse_addresses(sixes))
