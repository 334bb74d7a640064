"""Clusters: where bytes go, upstream to the targets of other deployments and down to the application itself.

Law: a cluster follows from one listener of one deployment (and from where its application is), so that all proxies
that use it share one encoding.
"""

import datetime
import functools

from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint_v3
from envoy_data_plane.envoy.extensions.clusters.common.dns import v3 as dns_family_v3
from envoy_data_plane.envoy.extensions.clusters.dns import v3 as dns_v3
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as upstream_v3
from envoy_data_plane.google import protobuf

from mesh import graph
from mesh.resources import Protocol
from translator import names, resources, wire
from translator.proxies import Explicit
from translator.resources import EncodedResource

_CONNECT_TIMEOUT = datetime.timedelta(seconds=5)
_HIGH = 1_000_000
_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def target_clusters(deployment: graph.Deployment) -> dict[int, EncodedResource]:
    """Return the clusters of a deployment's listeners of the HTTP family, by port."""
    listeners = (listener for listener in deployment.listeners if listener.family is graph.Family.HTTP)
    return {listener.port: _target_cluster(deployment, listener) for listener in listeners}


def _target_cluster(deployment: graph.Deployment, listener: graph.Listener) -> EncodedResource:
    name = names.target(graph.Target(deployment.ref, listener.port))
    match deployment.discovery:
        case graph.Dns(hostname):
            return _resolved(name, hostname, listener)
        case graph.Undiscovered():
            return _encoded(cluster_v3.Cluster(name=name, **_settings(listener.protocol)))


def _resolved(name: str, hostname: str, listener: graph.Listener) -> EncodedResource:
    """Return a cluster whose endpoints are all addresses of a host name, looked up again and again by the proxy."""
    message = cluster_v3.Cluster(
        name=name,
        cluster_type=cluster_v3.ClusterCustomClusterType(name="envoy.cluster.dns", typed_config=_dns()),
        wait_for_warm_on_init=False,  # or a name that does not resolve withholds the ACK of all clusters
        load_assignment=_assignment(name, hostname, listener.port),
        **_settings(listener.protocol),
    )
    return _encoded(message)


def local_cluster(listener: graph.Listener, capture: Explicit) -> EncodedResource:
    """Return the cluster of the application behind a listener of the HTTP family."""
    name = names.inbound(listener.port)
    port = capture.application_port(listener.port)
    message = cluster_v3.Cluster(
        name=name,
        load_assignment=_assignment(name, capture.application_address, port),
        **_settings(listener.protocol),
    )
    return _encoded(message)


def _encoded(message: cluster_v3.Cluster) -> EncodedResource:
    return resources.encoded(resources.CLUSTER, message.name, wire.encode(message))


def _assignment(name: str, address: str, port: int) -> endpoint_v3.ClusterLoadAssignment:
    socket = core_v3.SocketAddress(address=address, port_value=port)
    endpoint = endpoint_v3.Endpoint(address=core_v3.Address(socket_address=socket))
    group = endpoint_v3.LocalityLbEndpoints(lb_endpoints=[endpoint_v3.LbEndpoint(endpoint=endpoint)])
    return endpoint_v3.ClusterLoadAssignment(cluster_name=name, endpoints=[group])


@functools.cache
def _dns() -> protobuf.Any:
    """Return how names are looked up: as STRICT_DNS does it, each address an endpoint."""
    seconds = datetime.timedelta(seconds=1)
    lookup = dns_v3.DnsCluster(
        dns_refresh_rate=5 * seconds,  # where the answer has no lifetime
        dns_failure_refresh_rate=dns_v3.DnsClusterRefreshRate(base_interval=1 * seconds, max_interval=10 * seconds),
        respect_dns_ttl=True,
        dns_lookup_family=dns_family_v3.DnsLookupFamily.V4_PREFERRED,  # one address of a dual-stack pod, not both
    )
    return wire.packed(lookup)


@functools.cache
def _settings(protocol: Protocol) -> dict[str, object]:
    """Return what all clusters of a protocol share."""
    return {
        "connect_timeout": _CONNECT_TIMEOUT,
        "circuit_breakers": cluster_v3.CircuitBreakers(thresholds=[_thresholds()]),
        "typed_extension_protocol_options": {_PROTOCOL_OPTIONS: _http(protocol)},
    }


def _thresholds() -> cluster_v3.CircuitBreakersThresholds:
    return cluster_v3.CircuitBreakersThresholds(
        max_connections=_HIGH, max_pending_requests=_HIGH, max_requests=_HIGH, max_retries=_HIGH
    )


def _http(protocol: Protocol) -> protobuf.Any:
    """Return the version of HTTP that an upstream of this protocol is spoken to in."""
    version = (
        upstream_v3.HttpProtocolOptionsExplicitHttpConfig(http_protocol_options=core_v3.Http1ProtocolOptions())
        if protocol is Protocol.HTTP
        else upstream_v3.HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=core_v3.Http2ProtocolOptions())
    )
    return wire.packed(upstream_v3.HttpProtocolOptions(explicit_http_config=version))
