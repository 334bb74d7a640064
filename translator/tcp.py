"""Filter chains of TCP: a connection goes on as it is, byte for byte, to an application or to a service.

Law: who may not be served is not connected; what became of connections is counted under a name that says why. A chain
knows nothing of addresses, so that all proxies that have it share one encoding.
"""

import datetime

import betterproto2
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy import v3 as tcp_v3

from mesh import graph
from translator import names, rbac, wire

_RBAC = "envoy.filters.network.rbac"
_PROXY = "envoy.filters.network.tcp_proxy"


def inbound(listener: graph.Listener, callers: graph.Callers) -> listener_v3.FilterChain:
    """Return the chain by which proven callers reach an application; its handshake is what keeps others out."""
    name = names.inbound(listener.port)
    return _chain({_RBAC: rbac.watch(callers, name), _PROXY: _to_application(listener, name)})


def inbound_in_clear(listener: graph.Listener, name: str) -> listener_v3.FilterChain:
    """Return the chain by which anybody reaches an application, counted under this name."""
    return _chain({_PROXY: _to_application(listener, name)})


def outbound(port: graph.TcpPort, name: str) -> listener_v3.FilterChain:
    """Return the chain by which applications reach a port of a service that has shares."""
    clusters = [
        tcp_v3.TcpProxyWeightedClusterClusterWeight(name=names.target(share.target), weight=share.weight)
        for share in port.shares
    ]
    split = tcp_v3.TcpProxyWeightedCluster(clusters=clusters)
    return _chain({_PROXY: tcp_v3.TcpProxy(stat_prefix=name, weighted_clusters=split, idle_timeout=_idle(port))})


def nowhere(name: str) -> listener_v3.FilterChain:
    """Return the chain that closes connections at once: their cluster is never there."""
    return _chain({_PROXY: tcp_v3.TcpProxy(stat_prefix=name, cluster=names.NOBODY)})


def _to_application(listener: graph.Listener, name: str) -> tcp_v3.TcpProxy:
    return tcp_v3.TcpProxy(stat_prefix=name, cluster=names.inbound(listener.port), idle_timeout=_idle(listener))


def _idle(of: graph.Listener | graph.TcpPort) -> datetime.timedelta:
    return datetime.timedelta(milliseconds=of.idle_timeout_ms)


def _chain(filters: dict[str, betterproto2.Message]) -> listener_v3.FilterChain:
    """Return a chain of these filters, by name, in order."""
    return listener_v3.FilterChain(
        filters=[listener_v3.Filter(name=name, typed_config=wire.packed(config)) for name, config in filters.items()]
    )
