"""Doors: how the connections to a port are received, by the mode of its service, before anybody reads a request.

Law: STRICT knows no way in but the mesh's own TLS; PERMISSIVE tells it from all else by what callers offer in their
handshake, so that an application's own TLS goes through as it is. Who shakes hands too slowly is dropped.
"""

import datetime
import enum
from typing import NamedTuple

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3

from mesh import graph, mtls
from translator import filter_chains, names, rbac, resources, tcp, tls, wire
from translator.access_log import Owner
from translator.resources import ResourceName

_HANDSHAKE = datetime.timedelta(seconds=10)
_ANY_PORT = listener_v3.FilterChainMatch()


class Inspection(enum.Enum):
    """What is done until the first bytes of a connection have told which chain it belongs to."""

    NONE = "none"  # there is but one
    CLIENT_FIRST = "client first"  # who says nothing for 10 s is dropped
    SERVER_MAY_BE_FIRST = "server may be first"  # who says nothing for 1 s is taken for a caller in clear


class Door(NamedTuple):
    """Encoded filter chains, and what they need beside the routes that have the listener's name."""

    chains: tuple[bytes, ...]
    inspection: Inspection = Inspection.NONE
    references: tuple[ResourceName, ...] = ()
    own: Owner | None = None
    """Who says of connections that never bring a request why: where chains say it themselves, nobody."""


def plain(chain: listener_v3.FilterChain, *references: ResourceName) -> Door:
    """Return the door that receives in clear alone."""
    return Door((wire.encode(chain),), references=references)


def inbound(service: Owner, mode: mtls.Mode, callers: graph.Callers, listener: graph.Listener) -> Door:
    """Return the door of a listener. Who brings TLS of its own speaks first, in whatever is inside of it."""
    return _inbound(service, mode, callers, listener, _ANY_PORT)


def captured(service: Owner, mode: mtls.Mode, callers: graph.Callers, listener: graph.Listener) -> Door:
    """Return the same door where connections to all ports come in together: it is for those to its own port."""
    return _inbound(service, mode, callers, listener, listener_v3.FilterChainMatch(destination_port=listener.port))


def _inbound(
    service: Owner,
    mode: mtls.Mode,
    callers: graph.Callers,
    listener: graph.Listener,
    on: listener_v3.FilterChainMatch,
) -> Door:
    name = names.inbound(listener.port)
    if listener.family is graph.Family.HTTP:
        chain = filter_chains.inbound(service, listener.port, listener.protocol, rbac.is_guarded(mode))
        socket = tls.downstream(callers.trust_domain, listener.protocol)
        routes = ((resources.ROUTES, name),)
        made = _door(mode, Inspection.CLIENT_FIRST, secured(chain, socket), chain, routes, on)
        return made._replace(own=service)
    socket = tls.downstream_for(callers, listener.protocol)
    clear = tcp.inbound_in_clear(service, listener, name if mode is mtls.Mode.DISABLED else f"{name}/{names.PLAINTEXT}")
    own = ((resources.CLUSTER, name),)
    is_tcp = listener.family is graph.Family.TCP
    inspection = Inspection.SERVER_MAY_BE_FIRST if is_tcp else Inspection.CLIENT_FIRST
    own_chain = secured(tcp.inbound(service, listener, callers), socket)
    return _door(mode, inspection, own_chain, clear, own, on)


def _door(
    mode: mtls.Mode,
    inspection: Inspection,
    secured: listener_v3.FilterChain,
    clear: listener_v3.FilterChain,
    references: tuple[ResourceName, ...],
    on: listener_v3.FilterChainMatch,
) -> Door:
    """Return a door of these chains. What is the mesh's own is told by ALPN.

    Not by `transport_protocol`: Envoy would choose by that first, and drop all other TLS.
    """
    match mode:
        case mtls.Mode.STRICT:
            return Door((_matching(secured, on),), references=(*references, *tls.REFERENCES))
        case mtls.Mode.PERMISSIVE:
            own = _matching(secured, wire.varied(on, application_protocols=[names.ALPN]))
            return Door((own, _matching(clear, on)), inspection, (*references, *tls.REFERENCES))
        case mtls.Mode.DISABLED:
            return Door((_matching(clear, on),), references=references)


def _matching(chain: listener_v3.FilterChain, on: listener_v3.FilterChainMatch) -> bytes:
    return wire.encode(chain if on is _ANY_PORT else wire.varied(chain, filter_chain_match=on))


def secured(chain: listener_v3.FilterChain, socket: core_v3.TransportSocket) -> listener_v3.FilterChain:
    """Return a chain behind TLS; who shakes hands too slowly is dropped."""
    return wire.varied(chain, transport_socket=socket, transport_socket_connect_timeout=_HANDSHAKE)
