"""What encoding costs: betterproto2's own encoder beside ours, on the messages a sidecar is sent, in one run.

Law: both sides encode the same message on the same machine within the same second, so their ratio means something
where the microseconds do not.
"""

import datetime
import timeit
from collections.abc import Callable, Iterator

import betterproto2
from envoy_data_plane.envoy.config.cluster import v3 as cluster_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3

from bench import rows
from translator import wire

SECOND = datetime.timedelta(seconds=1)


def measure(say: Callable[[str], None]) -> Iterator[rows.Row]:
    """Yield a row a message: `value` is our time, `floor` betterproto2's."""
    for name, build in MESSAGES.items():
        say(name)
        yield _row(name, build())


def _row(name: str, message: betterproto2.Message) -> rows.Row:
    if wire.encode(message) != bytes(message):
        raise AssertionError(f"{name}: the encoders disagree; run tests/translator/test_wire.py")
    value, floor = _microseconds(lambda: wire.encode(message)), _microseconds(lambda: bytes(message))
    return rows.row(f"encode a {name}", value, "µs", floor)


def _microseconds(call: Callable[[], bytes]) -> float:
    """Return the best of five, each at least twenty milliseconds long."""
    timer = timeit.Timer(call)
    once = timer.timeit(3) / 3
    number = max(1, int(0.02 / once))
    return min(timer.repeat(5, number)) / number * 1e6


def _cluster_of_five() -> cluster_v3.Cluster:
    endpoints = [_endpoint(f"10.0.0.{number}") for number in range(5)]
    return cluster_v3.Cluster(
        name="outbound|80||pets.shop",
        type=cluster_v3.ClusterDiscoveryType.STATIC,
        connect_timeout=SECOND,
        load_assignment=endpoint_v3.ClusterLoadAssignment(
            cluster_name="outbound|80||pets.shop",
            endpoints=[endpoint_v3.LocalityLbEndpoints(lb_endpoints=endpoints)],
        ),
    )


def _endpoint(address: str) -> endpoint_v3.LbEndpoint:
    return endpoint_v3.LbEndpoint(
        endpoint=endpoint_v3.Endpoint(address=_address(address, 8080)),
        health_status=core_v3.HealthStatus.HEALTHY,
        load_balancing_weight=1,
    )


def _address(address: str, port: int) -> core_v3.Address:
    return core_v3.Address(socket_address=core_v3.SocketAddress(address=address, port_value=port))


def _flat_cluster() -> cluster_v3.Cluster:
    ads = core_v3.ConfigSource(ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3)
    return cluster_v3.Cluster(
        name="outbound|80||pets.shop",
        type=cluster_v3.ClusterDiscoveryType.EDS,
        connect_timeout=SECOND,
        eds_cluster_config=cluster_v3.ClusterEdsClusterConfig(eds_config=ads),
        per_connection_buffer_limit_bytes=32_768,
    )


def _listener() -> listener_v3.Listener:
    """Return a listener whose connection manager is packed already: its bytes are what both encoders write."""
    network_filter = listener_v3.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=wire.packed(_connection_manager())
    )
    return listener_v3.Listener(
        name="inbound",
        address=_address("0.0.0.0", 15_006),
        filter_chains=[listener_v3.FilterChain(filters=[network_filter])],
        use_original_dst=True,
    )


def _connection_manager() -> hcm_v3.HttpConnectionManager:
    router = hcm_v3.HttpFilter(name="envoy.filters.http.router", typed_config=wire.packed(router_v3.Router()))
    return hcm_v3.HttpConnectionManager(
        stat_prefix="inbound",
        route_config=_routes(5),
        http_filters=[router],
        forward_client_cert_details=hcm_v3.HttpConnectionManagerForwardClientCertDetails.SANITIZE_SET,
        use_remote_address=False,
        upgrade_configs=[hcm_v3.HttpConnectionManagerUpgradeConfig(upgrade_type="websocket")],
        stream_idle_timeout=datetime.timedelta(),
    )


def _routes(hosts: int) -> route_v3.RouteConfiguration:
    return route_v3.RouteConfiguration(name="80", virtual_hosts=[_host(f"pets-{number}") for number in range(hosts)])


def _host(name: str) -> route_v3.VirtualHost:
    weights = route_v3.WeightedCluster(
        clusters=[route_v3.WeightedClusterClusterWeight(name=f"{name}-v{each}", weight=50) for each in (1, 2)]
    )
    route = route_v3.Route(
        name="default",
        match=route_v3.RouteMatch(prefix="/"),
        route=route_v3.RouteAction(weighted_clusters=weights, timeout=15 * SECOND),
    )
    return route_v3.VirtualHost(name=name, domains=[name, f"{name}.shop", f"{name}.shop:80"], routes=[route])


MESSAGES: dict[str, Callable[[], betterproto2.Message]] = {
    "cluster with five endpoints": _cluster_of_five,
    "flat cluster": _flat_cluster,
    "connection manager with five hosts": _connection_manager,
    "listener around a packed connection manager": _listener,
    "route configuration with fifty hosts": lambda: _routes(50),
}
