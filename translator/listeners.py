"""Listeners: an address and a port around filter chains that are encoded already.

Law: all that differs between the proxies of a deployment is here; nothing else of a listener is built for each.
"""

from collections.abc import Iterable

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3

from translator import filter_chains, names, resources, wire
from translator.resources import EncodedResource

_FILTER_CHAINS = 3  # the number of the field
_EDGE_BUFFER = 32 << 10


def outbound(address: str, chain: bytes) -> EncodedResource:
    """Return the listener of an application's calls."""
    direction = core_v3.TrafficDirection.OUTBOUND
    socket = _address(address, names.OUTBOUND_PORT)
    return _encoded(listener_v3.Listener(name=names.OUTBOUND, address=socket, traffic_direction=direction), [chain])


def inbound(address: str, port: int, chain: bytes) -> EncodedResource:
    """Return the listener of calls to a port of an application."""
    direction = core_v3.TrafficDirection.INBOUND
    socket = _address(address, port)
    return _encoded(
        listener_v3.Listener(name=names.inbound(port), address=socket, traffic_direction=direction), [chain]
    )


def gateway(address: str, port: int, chain: bytes) -> EncodedResource:
    """Return the listener of a gateway's port; strangers get small buffers."""
    listener = listener_v3.Listener(
        name=names.gateway(port), address=_address(address, port), per_connection_buffer_limit_bytes=_EDGE_BUFFER
    )
    return _encoded(listener, [chain])


def client(authority: str, routes: str) -> EncodedResource:
    """Return the listener that a gRPC client asks for to call this authority; it is bound to nothing."""
    api = listener_v3.ApiListener(api_listener=filter_chains.client(routes))
    body = wire.encode(listener_v3.Listener(name=authority, api_listener=api))
    return resources.encoded(resources.LISTENER, authority, body, [(resources.ROUTES, routes)])


def _address(address: str, port: int) -> core_v3.Address:
    return core_v3.Address(socket_address=core_v3.SocketAddress(address=address, port_value=port))


def _encoded(listener: listener_v3.Listener, chains: Iterable[bytes]) -> EncodedResource:
    """Return an encoded listener; its routes have its name."""
    body = wire.spliced(listener, _FILTER_CHAINS, chains)
    return resources.encoded(resources.LISTENER, listener.name, body, [(resources.ROUTES, listener.name)])
