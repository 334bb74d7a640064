"""The doors of gateways: which chain receives a connection, by whether it is TLS and by the name that it asks for.

Law: each host has a chain of its own, so that what happens to one leaves the connections of the others alone. Nothing
of a route or a weight is here. A client that asks for a name which nobody has is not answered.
"""

from collections.abc import Iterator

from envoy_data_plane.envoy.config.listener import v3 as listener_v3

from mesh import graph
from mesh.hosts import ANY, Host
from translator import doors, filter_chains, gateway_tls, names, resources, tcp, wire
from translator.access_log import Owner
from translator.doors import Door, Inspection
from translator.resources import ResourceName

_TLS, _CLEAR = "tls", "raw_buffer"
_Chain = tuple[listener_v3.FilterChain, tuple[ResourceName, ...]]


def door(own: Owner, port: graph.GatewayPort) -> Door:
    """Return the door of a port; its routes and shares do not count."""
    chains = [*_of_tcp(port.port, port.tcp)] if port.tcp else [*_of_hosts(own, port)]
    references = tuple(dict.fromkeys(name for _, named in chains for name in named))
    fails = own if any(host.tls for host in port.hosts) else None
    return Door(tuple(wire.encode(chain) for chain, _ in chains), _inspection(port), references, fails)


def _inspection(port: graph.GatewayPort) -> Inspection:
    if port.tcp:
        is_either = port.tcp.tls is not None and port.tcp.in_clear
        return Inspection.SERVER_MAY_BE_FIRST if is_either else Inspection.NONE
    is_tls = bool(port.passages) or any(host.tls for host in port.hosts)
    return Inspection.CLIENT_FIRST if is_tls else Inspection.NONE


def _of_tcp(port: int, listener: graph.GatewayTcp) -> Iterator[_Chain]:
    name = names.gateway(port)
    chain, needed = tcp.outbound(name), (resources.FILTER, name)
    is_either = listener.tls is not None and listener.in_clear
    if listener.tls is not None:
        secured = doors.secured(chain, gateway_tls.downstream(listener.tls, ()))
        matched = wire.varied(secured, filter_chain_match=_match(_TLS)) if is_either else secured
        yield matched, (needed, *gateway_tls.references(listener.tls))
    if listener.in_clear:
        yield (wire.varied(chain, filter_chain_match=_match(_CLEAR)) if is_either else chain), (needed,)


def _of_hosts(own: Owner, port: graph.GatewayPort) -> Iterator[_Chain]:
    """Yield the chains of hosts in their order, then that of those who talk in clear."""
    nameless = _nameless(port)
    for host in port.hosts:
        if host.tls is not None:
            name = names.gateway_host(port.port, host.hostnames)
            needed = ((resources.ROUTES, name), *gateway_tls.references(host.tls))
            chain = _opened(own, port.port, name, host.tls)
            yield from ((one, needed) for one in _matched(chain, host.hostnames, nameless))
    for passage in port.passages:
        name = names.gateway_host(port.port, passage.hostnames)
        needed = ((resources.FILTER, name),)
        yield from ((one, needed) for one in _matched(tcp.outbound(name), passage.hostnames, nameless))
    if any(host.in_clear for host in port.hosts):
        name = names.gateway(port.port)
        clear = filter_chains.gateway(own, port.port, name)
        is_alone = _inspection(port) is Inspection.NONE
        yield clear if is_alone else wire.varied(clear, filter_chain_match=_match(_CLEAR)), ((resources.ROUTES, name),)


def _opened(own: Owner, port: int, name: str, of: graph.GatewayTls) -> listener_v3.FilterChain:
    chain = filter_chains.gateway(own, port, name, is_mutual=of.authorities is not None)
    return doors.secured(chain, gateway_tls.downstream(of, gateway_tls.HTTP))


def _matched(
    chain: listener_v3.FilterChain, hostnames: tuple[str, ...], nameless: tuple[str, ...]
) -> Iterator[listener_v3.FilterChain]:
    asked = [name for name in hostnames if _can_be_asked_for(name)]
    if asked:
        yield wire.varied(chain, filter_chain_match=_match(_TLS, *asked))
    if hostnames == nameless:
        yield wire.varied(chain, filter_chain_match=_match(_TLS))


def _can_be_asked_for(name: str) -> bool:
    """Return whether clients ask for a name in their handshake: they do not for addresses."""
    return name != ANY and not Host(name).is_address


def _nameless(port: graph.GatewayPort) -> tuple[str, ...]:
    """Return the names of the host whose chain takes those who ask for no name, or one that nobody has: that of `*`,
    else the first that has an address; none if there is no such host.
    """
    named = [*(host.hostnames for host in port.hosts if host.tls), *(one.hostnames for one in port.passages)]
    wild = [hostnames for hostnames in named if ANY in hostnames]
    addressed = [hostnames for hostnames in named if any(Host(name).is_address for name in hostnames)]
    return next(iter([*wild, *addressed]), ())


def _match(transport: str, *asked: str) -> listener_v3.FilterChainMatch:
    return listener_v3.FilterChainMatch(server_names=[*asked], transport_protocol=transport)
