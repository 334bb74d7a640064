"""Doors of what applications dial at a port, where connections are captured: by names, in requests and handshakes, and
by addresses outside of the mesh.

Law: what is inside of the mesh comes first. Handshakes are looked at only where something is told by them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from envoy_data_plane.envoy.config.listener import v3 as listener_v3

from mesh.external import External
from translator import captured_egress, captured_sites, names, resources, tcp, wire
from translator.captured_sites import Names, Shape, TlsPort
from translator.doors import Door, Inspection
from translator.resources import ResourceName

_IN_CLEAR = listener_v3.FilterChainMatch(transport_protocol="raw_buffer")


class _Chains(NamedTuple):
    """Encoded chains, and what they need."""

    chains: tuple[bytes, ...]
    references: tuple[ResourceName, ...]


def door(
    requests: listener_v3.FilterChain,
    port: int,
    shapes: Sequence[Shape],
    outside: External,
    version: int | None = None,
) -> Door:
    """Return the door of a port; `requests` is the chain of requests in clear, `version` the one there is of IP."""
    tls = [one for shape in shapes for one in shape.tls]
    by_name, by_address = _by_name(tls, outside, port), _by_address(outside, port, version)
    clear = wire.varied(requests, filter_chain_match=_IN_CLEAR) if by_name.chains else requests
    chains = (wire.encode(clear), *by_name.chains, *by_address.chains)
    needed = ((resources.ROUTES, names.outbound_at(port)), *by_name.references, *by_address.references)
    return Door(chains, _inspection(by_name, by_address), tuple(dict.fromkeys(needed)))


def _inspection(by_name: _Chains, by_address: _Chains) -> Inspection:
    if not by_name.chains:
        return Inspection.NONE
    return Inspection.SERVER_MAY_BE_FIRST if by_address.chains else Inspection.CLIENT_FIRST


def _by_name(tls: Sequence[TlsPort], outside: External, port: int) -> _Chains:
    """Return the chains of handshakes, each name in one of them."""
    leaving = captured_egress.handshakes(outside, port)
    claimed: list[Names] = [*(one.named for one in tls), *(one.named for one in leaving)]
    left = tuple(captured_sites.owners(claimed))
    inside = (
        wire.encode(tcp.named(names.outbound_port(one.service, port), of))
        for one, of in zip(tls, left, strict=False)
        if of
    )
    out = (captured_egress.chain(of, one.way, port) for one, of in zip(leaving, left[len(tls) :], strict=True) if of)
    filters = (captured_sites.filter_of(one.service, port) for one in tls)
    exits = captured_egress.references(one.way for one in leaving if one.way is not None)
    return _Chains((*inside, *out), (*filters, *exits))


def _by_address(outside: External, port: int, version: int | None) -> _Chains:
    found = tuple(captured_egress.by_address(outside, port, version))
    return _Chains(tuple(chain for chain, _ in found), captured_egress.references(way for _, way in found))
