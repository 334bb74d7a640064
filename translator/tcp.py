"""Filter chains of TCP: a connection goes on as it is, byte for byte, to an application or to a service.

Law: who may not be served is not connected; what became of connections is counted under a name that says why. A chain
knows nothing of addresses, so that all proxies that have it share one encoding. Weights are no part of a chain but a
resource of their own: a changed chain closes its connections in the end, and weights are for new ones.
"""

import datetime
from collections.abc import Iterable

import betterproto2
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.extensions.filters.network.tcp_proxy import v3 as tcp_v3

from mesh import graph
from translator import access_log, filter_chains, names, rbac, resources, routes, traffic, wire
from translator.access_log import Owner
from translator.resources import EncodedResource, ResourceName
from translator.traffic import Traffic

_RBAC = "envoy.filters.network.rbac"
_PROXY = "envoy.filters.network.tcp_proxy"


def inbound(own: Owner, listener: graph.Listener, callers: graph.Callers) -> listener_v3.FilterChain:
    """Return the chain by which proven callers reach an application; its handshake is what keeps others out."""
    name = names.inbound(listener.port)
    return _chain({_RBAC: rbac.watch(callers, name), _PROXY: _to_application(own, listener, name)})


def inbound_in_clear(own: Owner, listener: graph.Listener, name: str) -> listener_v3.FilterChain:
    """Return the chain by which anybody reaches an application, counted under this name."""
    return _chain({_PROXY: _to_application(own, listener, name)})


def outbound(name: str) -> listener_v3.FilterChain:
    """Return the chain by which applications reach a port of a service, as the resource of this name says."""
    source = core_v3.ConfigSource(
        ads=core_v3.AggregatedConfigSource(),
        resource_api_version=core_v3.ApiVersion.V3,
        initial_fetch_timeout=filter_chains.FETCH_TIMEOUT,
    )
    discovery = core_v3.ExtensionConfigSource(config_source=source, type_urls=[wire.type_url(tcp_v3.TcpProxy)])
    return listener_v3.FilterChain(filters=[listener_v3.Filter(name=name, config_discovery=discovery)])


def split(port: graph.TcpPort, name: str, stat_prefix: str, kept: Traffic = traffic.DEFAULT) -> EncodedResource:
    """Return the filter of this name: each new connection to one of the shares; without shares it is closed."""
    if not port.shares:
        return _resource(name, _to_nobody(stat_prefix), ())
    clusters = [
        tcp_v3.TcpProxyWeightedClusterClusterWeight(name=names.target(share.target), weight=share.weight)
        for share in port.shares
    ]
    log = access_log.of_outbound_connections(stat_prefix)
    weighted = tcp_v3.TcpProxyWeightedCluster(clusters=clusters)
    proxy = tcp_v3.TcpProxy(
        stat_prefix=stat_prefix,
        weighted_clusters=weighted,
        idle_timeout=_idle(port),
        max_connect_attempts=traffic.connect_attempts(kept),
        access_log=log,
    )
    return _resource(name, proxy, [(resources.CLUSTER, cluster.name) for cluster in clusters])


def _resource(name: str, proxy: tcp_v3.TcpProxy, clusters: Iterable[ResourceName]) -> EncodedResource:
    message = core_v3.TypedExtensionConfig(name=name, typed_config=wire.packed(proxy))
    return resources.encoded(resources.FILTER, name, wire.encode(message), clusters)


def nowhere(name: str) -> listener_v3.FilterChain:
    """Return the chain that closes connections at once: their cluster is never there."""
    return _chain({_PROXY: _to_nobody(name)})


def passthrough(port: int) -> listener_v3.FilterChain:
    """Return the chain by which anybody reaches an application at this port where capture is transparent."""
    name = names.PASSTHROUGH
    chain = _chain({_PROXY: tcp_v3.TcpProxy(stat_prefix=f"{name}/{port}", cluster=name)})
    return wire.varied(chain, filter_chain_match=listener_v3.FilterChainMatch(destination_port=port))


def through(cluster: str, authority: str) -> listener_v3.FilterChain:
    """Return the chain of connections that leave the mesh by an exit, which is told where they go by a CONNECT."""
    tunnel = tcp_v3.TcpProxyTunnelingConfig(hostname=authority)
    idle = datetime.timedelta(milliseconds=routes.TUNNEL_IDLE_MS)
    proxy = tcp_v3.TcpProxy(stat_prefix=cluster, cluster=cluster, tunneling_config=tunnel, idle_timeout=idle)
    return _chain({_PROXY: proxy})


def named(name: str, hosts: Iterable[str]) -> listener_v3.FilterChain:
    """Return the chain of what these hosts are called for in a handshake; it goes on as `outbound` says."""
    return wire.varied(outbound(name), filter_chain_match=listener_v3.FilterChainMatch(server_names=list(hosts)))


def shut(own: Owner, name: str) -> listener_v3.FilterChain:
    """Return the chain that closes what others open to an application, counted under this name."""
    log = access_log.of_shut(own)
    return _chain({_PROXY: tcp_v3.TcpProxy(stat_prefix=name, cluster=names.NOBODY, access_log=log)})


def _to_nobody(name: str) -> tcp_v3.TcpProxy:
    log = access_log.of_outbound_connections(name)
    return tcp_v3.TcpProxy(stat_prefix=name, cluster=names.NOBODY, access_log=log)


def _to_application(own: Owner, listener: graph.Listener, name: str) -> tcp_v3.TcpProxy:
    return tcp_v3.TcpProxy(
        stat_prefix=name,
        cluster=names.inbound(listener.port),
        idle_timeout=_idle(listener),
        access_log=access_log.of_inbound_connections(own),
    )


def _idle(of: graph.Listener | graph.TcpPort) -> datetime.timedelta:
    return datetime.timedelta(milliseconds=of.idle_timeout_ms)


def _chain(filters: dict[str, betterproto2.Message]) -> listener_v3.FilterChain:
    """Return a chain of these filters, by name, in order."""
    return listener_v3.FilterChain(
        filters=[listener_v3.Filter(name=name, typed_config=wire.packed(config)) for name, config in filters.items()]
    )
