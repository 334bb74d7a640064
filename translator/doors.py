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
_MESH_OWN = listener_v3.FilterChainMatch(application_protocols=[names.ALPN])
"""Nothing of `transport_protocol`: Envoy would choose by it first, and drop all other TLS."""


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
    name = names.inbound(listener.port)
    if listener.family is graph.Family.HTTP:
        chain = filter_chains.inbound(service, listener.port, listener.protocol, rbac.is_guarded(mode))
        socket = tls.downstream(callers.trust_domain, listener.protocol)
        routes = ((resources.ROUTES, name),)
        return _door(mode, Inspection.CLIENT_FIRST, secured(chain, socket), chain, routes)._replace(own=service)
    socket = tls.downstream_for(callers, listener.protocol)
    clear = tcp.inbound_in_clear(service, listener, name if mode is mtls.Mode.DISABLED else f"{name}/{names.PLAINTEXT}")
    own = ((resources.CLUSTER, name),)
    is_tcp = listener.family is graph.Family.TCP
    inspection = Inspection.SERVER_MAY_BE_FIRST if is_tcp else Inspection.CLIENT_FIRST
    return _door(mode, inspection, secured(tcp.inbound(service, listener, callers), socket), clear, own)


def _door(
    mode: mtls.Mode,
    inspection: Inspection,
    secured: listener_v3.FilterChain,
    clear: listener_v3.FilterChain,
    references: tuple[ResourceName, ...],
) -> Door:
    match mode:
        case mtls.Mode.STRICT:
            return Door((wire.encode(secured),), references=(*references, *tls.REFERENCES))
        case mtls.Mode.PERMISSIVE:
            matched = wire.varied(secured, filter_chain_match=_MESH_OWN)
            return Door((wire.encode(matched), wire.encode(clear)), inspection, (*references, *tls.REFERENCES))
        case mtls.Mode.DISABLED:
            return plain(clear, *references)


def secured(chain: listener_v3.FilterChain, socket: core_v3.TransportSocket) -> listener_v3.FilterChain:
    """Return a chain behind TLS; who shakes hands too slowly is dropped."""
    return wire.varied(chain, transport_socket=socket, transport_socket_connect_timeout=_HANDSHAKE)
