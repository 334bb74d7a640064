"""Exits: how calls leave the mesh, each by an internal listener of its own that resolves names and looks at addresses.

Law: an exit knows what is called through it, and nothing of who calls: the routes of callers lead there. Where a name
leads is found out by the proxy; into the networks that are refused nothing goes, whatever a name resolves to. An exit
that is no longer open ends what is open in it within the drain time, and nothing else.
"""

import datetime
import functools
import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import betterproto2
from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.extensions.clusters.dynamic_forward_proxy import v3 as forward_v3
from envoy_data_plane.envoy.extensions.common.dynamic_forward_proxy import v3 as cache_v3
from envoy_data_plane.envoy.extensions.filters.http.dynamic_forward_proxy import v3 as resolver_v3
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as upstream_v3
from envoy_data_plane.envoy.type.matcher import v3 as matcher_v3
from envoy_data_plane.google import protobuf
from envoy_data_plane.xds.core import v3 as xds_v3

from translator import clusters, filter_chains, filters, names, rbac, replies, resources, routes, traffic, wire
from translator.bundles import Part
from translator.resources import EncodedResource

HTTP, TLS, TCP = "http", "https", "tcp"
"""What goes through an exit: requests in clear; connections by a CONNECT; both."""

EVERY_PORT = 0

_SECOND = datetime.timedelta(seconds=1)
_NAMES = 4096
"""So many names a proxy knows at a time, and so many it looks up at once."""


class Exit(NamedTuple):
    """What is called through an exit, a name or networks, on which port; and what is never outside."""

    kind: str
    what: tuple[str, ...]
    port: int
    refused: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its listener, and of the cluster that leads there."""
        return names.exit_to(self.kind, self.what, self.port)


def of(way: Exit) -> Part:
    """Return the listener of an exit, the cluster that leads there, and the one that leads on."""
    return (resolver(way.refused), _door(way.name), _listener(way))


# ---------------------------------------------------------------------------- from routes to the exit


def _door(name: str) -> EncodedResource:
    inside = core_v3.Address(envoy_internal_address=core_v3.EnvoyInternalAddress(server_listener_name=name))
    endpoint = endpoint_v3.LbEndpoint(endpoint=endpoint_v3.Endpoint(address=inside))
    group = endpoint_v3.LocalityLbEndpoints(lb_endpoints=[endpoint])
    message = cluster_v3.Cluster(
        name=name,
        load_assignment=endpoint_v3.ClusterLoadAssignment(cluster_name=name, endpoints=[group]),
        circuit_breakers=traffic.circuit_breakers(traffic.DEFAULT),
        typed_extension_protocol_options={clusters.PROTOCOL_OPTIONS: _as_called()},
    )
    return resources.encoded(resources.CLUSTER, name, wire.encode(message))


@functools.cache
def _as_called() -> protobuf.Any:
    """Return the version of HTTP in which an exit and what is outside are spoken to: that of the caller."""
    version = upstream_v3.HttpProtocolOptionsUseDownstreamHttpConfig(
        http_protocol_options=core_v3.Http1ProtocolOptions(),
        http2_protocol_options=core_v3.Http2ProtocolOptions(allow_connect=True),
    )
    return wire.packed(upstream_v3.HttpProtocolOptions(use_downstream_protocol_config=version))


# ---------------------------------------------------------------------------- the exit itself


def _listener(way: Exit) -> EncodedResource:
    listener = listener_v3.Listener(
        name=way.name,
        internal_listener=listener_v3.ListenerInternalListenerConfig(),
        traffic_direction=core_v3.TrafficDirection.OUTBOUND,
        filter_chains=[
            filter_chains.leaving(
                way.name, _routes(way.kind, resolver_name(way.refused)), _filters(way), replies.outside()
            )
        ],
    )
    leads_to = [(resources.CLUSTER, resolver_name(way.refused))]
    return resources.encoded(resources.LISTENER, way.name, wire.encode(listener), leads_to)


def _routes(kind: str, cluster: str) -> list[routes.Route]:
    connect = [] if kind == HTTP else [routes.connects_to(cluster)]
    request = [] if kind == TLS else [routes.requests_to(cluster)]
    return [*connect, *request]


def _filters(way: Exit) -> dict[str, betterproto2.Message]:
    resolving = resolver_v3.FilterConfig(dns_cache_config=_cache(way.refused), save_upstream_address=True)
    networks = way.what if way.kind == TCP else ()
    return {filters.RESOLVER: resolving, filters.ADDRESSES: rbac.outside(networks, way.refused)}


# ---------------------------------------------------------------------------- from the exit on


def resolver_name(refused: tuple[str, ...]) -> str:
    """Return the name of the cluster that resolves names, and of the memory of its answers.

    It tells by what it refuses: what Envoy remembers under a name cannot get other settings.
    """
    return names.resolver(hashlib.blake2b(" ".join(refused).encode(), digest_size=4).hexdigest())


@functools.lru_cache(16)
def resolver(refused: tuple[str, ...]) -> EncodedResource:
    """Return the cluster that leads wherever a name resolves to, but for the networks that are refused."""
    name = resolver_name(refused)
    forward = forward_v3.ClusterConfig(
        dns_cache_config=_cache(refused),
        allow_insecure_cluster_options=True,  # Envoy asks for TLS options otherwise, and there is no TLS of ours here
    )
    message = cluster_v3.Cluster(
        name=name,
        cluster_type=cluster_v3.ClusterCustomClusterType(
            name="envoy.clusters.dynamic_forward_proxy", typed_config=wire.packed(forward)
        ),
        lb_policy=cluster_v3.ClusterLbPolicy.CLUSTER_PROVIDED,
        connect_timeout=clusters.CONNECT_TIMEOUT,
        circuit_breakers=traffic.circuit_breakers(traffic.DEFAULT),
        typed_extension_protocol_options={clusters.PROTOCOL_OPTIONS: _as_called()},
    )
    return resources.encoded(resources.CLUSTER, name, wire.encode(message))


@functools.lru_cache(16)
def _cache(refused: tuple[str, ...]) -> cache_v3.DnsCacheConfig:
    """Return how names are looked up: again when their answer is too old by its own word, but for some seconds.

    The filter of addresses is of Envoy 1.39 and newer: it takes out of each answer what is refused. Older ones do not
    know it; they have `rbac.outside`, which judges the first address of an answer.
    """
    return cache_v3.DnsCacheConfig(
        name=resolver_name(refused),
        dns_lookup_family=cluster_v3.ClusterDnsLookupFamily.V4_PREFERRED,
        dns_refresh_rate=60 * _SECOND,
        dns_min_refresh_rate=5 * _SECOND,
        dns_failure_refresh_rate=cluster_v3.ClusterRefreshRate(base_interval=_SECOND, max_interval=10 * _SECOND),
        host_ttl=60 * _SECOND,
        max_hosts=_NAMES,
        dns_query_timeout=5 * _SECOND,
        dns_cache_circuit_breaker=cache_v3.DnsCacheCircuitBreakers(max_pending_requests=_NAMES),
        resolved_address_filter=matcher_v3.AddressMatcher(ranges=list(_ranges(refused))),
    )


def _ranges(networks: Iterable[str]) -> Iterable[xds_v3.CidrRange]:
    pairs = (network.split("/") for network in networks)
    return (xds_v3.CidrRange(address_prefix=address, prefix_len=int(length)) for address, length in pairs)
