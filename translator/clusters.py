"""Clusters: where bytes go, upstream to the targets of other deployments and down to the application itself.

Law: a cluster follows from one listener of one deployment (and from how its service is proven, or where its application
is), so that all proxies that use it share one encoding.
"""

import datetime
import functools
from collections.abc import Iterable
from typing import NamedTuple

from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint_v3
from envoy_data_plane.envoy.extensions.clusters.common.dns import v3 as dns_family_v3
from envoy_data_plane.envoy.extensions.clusters.dns import v3 as dns_v3
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as upstream_v3
from envoy_data_plane.google import protobuf

from mesh import graph, hosts, identity, mtls
from mesh.resources import Protocol
from translator import names, resources, tls, traffic, wire
from translator.bundles import Part
from translator.proxies import Explicit
from translator.resources import EncodedResource
from translator.traffic import Traffic

CONNECT_TIMEOUT = datetime.timedelta(seconds=5)
PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

Discovery = cluster_v3.ClusterCustomClusterType | cluster_v3.ClusterEdsClusterConfig
"""How a cluster finds its endpoints, where it does not hold them."""

_OF_APPLICATIONS = Traffic(outlier_detection=False)
"""An application is the only endpoint of its cluster."""


class Callee(NamedTuple):
    """What of a service counts for how it is called."""

    who: identity.Identity
    mode: mtls.Mode

    @property
    def proven(self) -> identity.Identity | None:
        """Whom callers want to see a certificate of; None where it is called in clear: all but DISABLED have one."""
        return None if self.mode is mtls.Mode.DISABLED else self.who


def callee(service: graph.Service) -> Callee:
    """Return a service as far as it counts here."""
    return Callee(service.identity, service.mode)


def of_deployment(deployment: graph.Deployment, of: Callee, kept: Traffic = traffic.DEFAULT) -> Part:
    """Return the clusters of a deployment's listeners; `kept` is what keeps their traffic alive."""
    return tuple(_target_cluster(deployment, listener, of.proven, kept) for listener in deployment.listeners)


def _target_cluster(
    deployment: graph.Deployment, listener: graph.Listener, proven: identity.Identity | None, kept: Traffic
) -> EncodedResource:
    name = names.target(graph.Target(deployment.ref, listener.port))
    match deployment.discovery:
        case graph.Dns(hostname):
            return _encoded(name, listener.protocol, _assignment(name, hostname, listener.port), _dns(), proven, kept)
        case graph.Bound():
            return _encoded(name, listener.protocol, None, _eds(), proven, kept)
        case graph.Undiscovered():
            return _encoded(name, listener.protocol, None, None, proven, kept)


def for_grpc(deployment: graph.Deployment, of: Callee) -> Part:
    """Return the clusters by which gRPC clients call a deployment's listeners of the HTTP family, and their endpoints
    unless it is bound.

    gRPC knows two kinds of cluster: EDS, which holds addresses, and LOGICAL_DNS, where it looks a name up itself. It
    calls in clear, for it has no certificate of the mesh; where one is asked for it is given no address, and told why.
    """
    listeners = (listener for listener in deployment.listeners if listener.family is graph.Family.HTTP)
    found = _out_of_reach if of.mode is mtls.Mode.STRICT else _for_grpc
    return tuple(item for listener in listeners for item in found(deployment, listener))


def _out_of_reach(deployment: graph.Deployment, listener: graph.Listener) -> Part:
    """Return a cluster whose endpoints are none; to callers gRPC says their name, which says why."""
    name = names.target(graph.Target(deployment.ref, listener.port))
    reason = (
        f"{deployment.service.key} is STRICT and a gRPC program without a proxy has no certificate; "
        f"let it be PERMISSIVE ({name})"
    )
    return _by_endpoints(name, reason, ())


def _for_grpc(deployment: graph.Deployment, listener: graph.Listener) -> Part:
    name = names.target(graph.Target(deployment.ref, listener.port))
    if isinstance(deployment.discovery, graph.Bound):
        return (_by_eds(name, name),)
    host = hosts.parsed_host(deployment.hostname)
    if deployment.hostname and (host is None or not host.is_address):
        return (_by_name(name, _assignment(name, deployment.hostname, listener.port)),)
    return _by_address(name, host.name if host is not None else "", listener.port)


def _by_name(name: str, assignment: endpoint_v3.ClusterLoadAssignment) -> EncodedResource:
    message = cluster_v3.Cluster(
        name=name,
        type=cluster_v3.ClusterDiscoveryType.LOGICAL_DNS,
        circuit_breakers=traffic.circuit_breakers(traffic.DEFAULT),
        load_assignment=assignment,
    )
    return resources.encoded(resources.CLUSTER, name, wire.encode(message))


def _by_address(name: str, address: str, port: int) -> Part:
    """Return a cluster and its endpoints apart; without an address there are none."""
    return _by_endpoints(name, name, [_group(address, port)] if address else [])


def _by_endpoints(name: str, endpoints: str, groups: Iterable[endpoint_v3.LocalityLbEndpoints]) -> Part:
    """Return a cluster and its endpoints, which have a name of their own."""
    assignment = endpoint_v3.ClusterLoadAssignment(cluster_name=endpoints, endpoints=list(groups))
    found = resources.encoded(resources.ENDPOINTS, endpoints, wire.encode(assignment))
    return _by_eds(name, endpoints), found


def _by_eds(name: str, endpoints: str) -> EncodedResource:
    """Return a cluster whose endpoints come by this name."""
    message = cluster_v3.Cluster(
        name=name,
        type=cluster_v3.ClusterDiscoveryType.EDS,
        eds_cluster_config=_eds(endpoints if endpoints != name else ""),
        circuit_breakers=traffic.circuit_breakers(traffic.DEFAULT),
    )
    return resources.encoded(resources.CLUSTER, name, wire.encode(message), [(resources.ENDPOINTS, endpoints)])


def of_application(listener: graph.Listener, capture: Explicit) -> EncodedResource:
    """Return the cluster of the application behind a listener."""
    name = names.inbound(listener.port)
    port = capture.application_port(listener.port)
    return _encoded(name, listener.protocol, _assignment(name, capture.application_address, port))


@functools.cache
def inside_connect() -> EncodedResource:
    """Return the cluster of what applications say through CONNECT: the listener of that name, inside of the proxy."""
    inside = core_v3.EnvoyInternalAddress(server_listener_name=names.CONNECT)
    endpoint = endpoint_v3.Endpoint(address=core_v3.Address(envoy_internal_address=inside))
    group = endpoint_v3.LocalityLbEndpoints(lb_endpoints=[endpoint_v3.LbEndpoint(endpoint=endpoint)])
    message = cluster_v3.Cluster(
        name=names.CONNECT,
        connect_timeout=CONNECT_TIMEOUT,
        circuit_breakers=traffic.circuit_breakers(traffic.DEFAULT),
        load_assignment=endpoint_v3.ClusterLoadAssignment(cluster_name=names.CONNECT, endpoints=[group]),
    )
    return resources.encoded(resources.CLUSTER, names.CONNECT, wire.encode(message))


def of_captured_application(listener: graph.Listener) -> EncodedResource:
    """Return the cluster of the application behind a listener in transparent capture: it is where it was dialled."""
    return _original(names.inbound(listener.port), listener.protocol)


@functools.cache
def of_passthrough() -> EncodedResource:
    """Return the cluster of connections that reach an application as they are."""
    return _original(names.PASSTHROUGH, Protocol.TCP)


def _original(name: str, protocol: Protocol) -> EncodedResource:
    """Return a cluster of whatever was dialled, called from an address by which the kernel lets it through."""
    first, *others = (core_v3.SocketAddress(address=address, port_value=0) for address in names.TO_APPLICATION.values())
    binding = core_v3.BindConfig(
        source_address=first, extra_source_addresses=[core_v3.ExtraSourceAddress(address=one) for one in others]
    )
    message = cluster_v3.Cluster(
        name=name,
        type=cluster_v3.ClusterDiscoveryType.ORIGINAL_DST,
        lb_policy=cluster_v3.ClusterLbPolicy.CLUSTER_PROVIDED,
        connect_timeout=CONNECT_TIMEOUT,
        circuit_breakers=traffic.circuit_breakers(traffic.DEFAULT),
        upstream_bind_config=binding,
        typed_extension_protocol_options={PROTOCOL_OPTIONS: _http(protocol)} if _is_http(protocol) else {},
    )
    return resources.encoded(resources.CLUSTER, name, wire.encode(message))


def _encoded(
    name: str,
    protocol: Protocol,
    assignment: endpoint_v3.ClusterLoadAssignment | None,
    discovery: Discovery | None = None,
    proven: identity.Identity | None = None,
    kept: Traffic = _OF_APPLICATIONS,
) -> EncodedResource:
    """Return a cluster. Without a discovery it is static, without an assignment it has no endpoints, and without an
    identity it is called in clear.
    """
    by_eds = discovery if isinstance(discovery, cluster_v3.ClusterEdsClusterConfig) else None
    message = cluster_v3.Cluster(
        name=name,
        type=cluster_v3.ClusterDiscoveryType.EDS if by_eds else None,
        cluster_type=discovery if isinstance(discovery, cluster_v3.ClusterCustomClusterType) else None,
        eds_cluster_config=by_eds,
        wait_for_warm_on_init=False,  # or a name that does not resolve withholds the ACK of all clusters
        connect_timeout=CONNECT_TIMEOUT,
        circuit_breakers=traffic.circuit_breakers(kept),
        outlier_detection=traffic.outlier_detection(kept),
        load_assignment=assignment,
        transport_socket=tls.upstream(proven, protocol) if proven else None,
        typed_extension_protocol_options={PROTOCOL_OPTIONS: _http(protocol)} if _is_http(protocol) else {},
    )
    needed = (*(tls.REFERENCES if proven else ()), *([(resources.ENDPOINTS, name)] if by_eds else ()))
    return resources.encoded(resources.CLUSTER, name, wire.encode(message), needed)


def _is_http(protocol: Protocol) -> bool:
    return graph.FAMILIES[protocol] is graph.Family.HTTP


def _assignment(name: str, address: str, port: int) -> endpoint_v3.ClusterLoadAssignment:
    group = endpoint_v3.LocalityLbEndpoints(lb_endpoints=[_endpoint(address, port)])
    return endpoint_v3.ClusterLoadAssignment(cluster_name=name, endpoints=[group])


def _group(address: str, port: int) -> endpoint_v3.LocalityLbEndpoints:
    """Return a group of one endpoint with the weight and the place that gRPC asks for; it ignores one of no weight."""
    return endpoint_v3.LocalityLbEndpoints(
        locality=core_v3.Locality(), lb_endpoints=[_endpoint(address, port)], load_balancing_weight=1
    )


def _endpoint(address: str, port: int) -> endpoint_v3.LbEndpoint:
    socket = core_v3.SocketAddress(address=address, port_value=port)
    return endpoint_v3.LbEndpoint(endpoint=endpoint_v3.Endpoint(address=core_v3.Address(socket_address=socket)))


@functools.cache
def _eds(name: str = "") -> cluster_v3.ClusterEdsClusterConfig:
    """Return where endpoints come from: this very stream, by the name of the cluster if not by another."""
    source = core_v3.ConfigSource(ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3)
    return cluster_v3.ClusterEdsClusterConfig(eds_config=source, service_name=name)


@functools.cache
def _dns() -> cluster_v3.ClusterCustomClusterType:
    """Return how names are looked up: again and again by the proxy, each address an endpoint (STRICT_DNS of old).

    Not as seldom as the lifetime of an answer allows: a container engine promises ten minutes for an address that is
    given away with the next restart.
    """
    second = datetime.timedelta(seconds=1)
    lookup = dns_v3.DnsCluster(
        dns_refresh_rate=5 * second,
        dns_jitter=second,
        dns_failure_refresh_rate=dns_v3.DnsClusterRefreshRate(base_interval=second, max_interval=10 * second),
        dns_lookup_family=dns_family_v3.DnsLookupFamily.V4_PREFERRED,  # one address of a dual-stack pod, not both
    )
    return cluster_v3.ClusterCustomClusterType(name="envoy.cluster.dns", typed_config=wire.packed(lookup))


@functools.cache
def _http(protocol: Protocol) -> protobuf.Any:
    """Return the version of HTTP that an upstream of this protocol is spoken to in."""
    version = (
        upstream_v3.HttpProtocolOptionsExplicitHttpConfig(http_protocol_options=core_v3.Http1ProtocolOptions())
        if protocol is Protocol.HTTP
        else upstream_v3.HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=core_v3.Http2ProtocolOptions())
    )
    return wire.packed(upstream_v3.HttpProtocolOptions(explicit_http_config=version))
