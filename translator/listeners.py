"""Listeners: an address and a port around filter chains that are encoded already.

Law: all that differs between the proxies of a deployment is here; nothing else of a listener is built for each.
"""

import datetime
import functools

from envoy_data_plane.envoy.config.accesslog import v3 as access_log_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.extensions.filters.listener.tls_inspector import v3 as inspector_v3

from translator import access_log, filter_chains, names, resources, wire
from translator.doors import Door, Inspection
from translator.resources import EncodedResource

_FILTER_CHAINS = 3  # the number of the field
_EDGE_BUFFER = 32 << 10
_ANY = "::"

_SILENCE = {
    Inspection.CLIENT_FIRST: datetime.timedelta(seconds=10),
    Inspection.SERVER_MAY_BE_FIRST: datetime.timedelta(seconds=1),
}


def outbound(address: str, door: Door) -> EncodedResource:
    """Return the listener of an application's calls."""
    direction = core_v3.TrafficDirection.OUTBOUND
    socket = bound_address(address, names.OUTBOUND_PORT)
    return _encoded(listener_v3.Listener(name=names.OUTBOUND, address=socket, traffic_direction=direction), door)


def inside_connect(door: Door) -> EncodedResource:
    """Return the listener of what applications say through CONNECT; it is nowhere but inside of the proxy."""
    inside = listener_v3.ListenerInternalListenerConfig()
    return _encoded(listener_v3.Listener(name=names.CONNECT, internal_listener=inside), door)


def outbound_tcp(address: str, port: int, door: Door) -> EncodedResource:
    """Return the listener of an application's TCP connections to one service."""
    direction = core_v3.TrafficDirection.OUTBOUND
    socket = bound_address(address, port)
    name = names.outbound_tcp(address, port)
    return _encoded(listener_v3.Listener(name=name, address=socket, traffic_direction=direction), door)


def inbound(address: str, port: int, door: Door) -> EncodedResource:
    """Return the listener of calls to a port of an application."""
    direction = core_v3.TrafficDirection.INBOUND
    listener = listener_v3.Listener(
        name=names.inbound(port),
        address=bound_address(address, port),
        traffic_direction=direction,
        access_log=_failures(door),
    )
    return _encoded(_inspected(listener, door.inspection), door)


def gateway(address: str, port: int, door: Door) -> EncodedResource:
    """Return the listener of a gateway's port; strangers get small buffers."""
    listener = listener_v3.Listener(
        name=names.gateway(port),
        address=bound_address(address, port),
        per_connection_buffer_limit_bytes=_EDGE_BUFFER,
        access_log=_failures(door),
    )
    return _encoded(_inspected(listener, door.inspection), door)


def _failures(door: Door) -> list[access_log_v3.AccessLog]:
    return access_log.of_failures(door.own) if door.own is not None else []


def _inspected(listener: listener_v3.Listener, inspection: Inspection) -> listener_v3.Listener:
    if inspection is Inspection.NONE:
        return listener
    return wire.varied(
        listener,
        listener_filters=[inspector()],
        listener_filters_timeout=_SILENCE[inspection],
        continue_on_listener_filters_timeout=inspection is Inspection.SERVER_MAY_BE_FIRST,
    )


def client(authority: str, routes: str) -> EncodedResource:
    """Return the listener that a gRPC client asks for to call this authority; it is bound to nothing."""
    api = listener_v3.ApiListener(api_listener=filter_chains.client(routes))
    body = wire.encode(listener_v3.Listener(name=authority, api_listener=api))
    return resources.encoded(resources.LISTENER, authority, body, [(resources.ROUTES, routes)])


@functools.cache
def inspector() -> listener_v3.ListenerFilter:
    """Return the filter that reads what a caller offers in its handshake, before there is one."""
    return listener_v3.ListenerFilter(
        name="envoy.filters.listener.tls_inspector", typed_config=wire.packed(inspector_v3.TlsInspector())
    )


def bound_address(address: str, port: int) -> core_v3.Address:
    """Return an address to listen on; that of all IPv6 is also that of all IPv4, as where a proxy shows itself."""
    socket = core_v3.SocketAddress(address=address, port_value=port, ipv4_compat=address == _ANY)
    return core_v3.Address(socket_address=socket)


def socket_address(address: str, port: int) -> core_v3.Address:
    """Return an IP address and a port."""
    return core_v3.Address(socket_address=core_v3.SocketAddress(address=address, port_value=port))


def _encoded(listener: listener_v3.Listener, door: Door) -> EncodedResource:
    body = wire.spliced(listener, _FILTER_CHAINS, door.chains)
    return resources.encoded(resources.LISTENER, listener.name, body, door.references)
