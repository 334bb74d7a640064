"""The file an Envoy starts with: who it is, where its control plane is, and what it shows of itself.

Law: pure and complete: the same arguments give the same file, every fetch has an end, and nothing in it is deprecated
in the oldest or newest Envoy we support.
"""

import enum
from dataclasses import dataclass
from typing import Any

from meshloom import addresses, secure_ads, stats_tags
from meshloom.identity import claim
from meshloom.injector import targets
from meshloom.stats_tags import Tags
from translator import names, proxies

STATISTICS_PORT, HEALTH_PORT = claim.STATISTICS_PORT, claim.HEALTH_PORT
ADMIN_PORT = 9901

FETCH_TIMEOUT = "15s"
"""How long Envoy waits for a configuration that does not come. Never 0: then a missed answer warms for ever."""

DRAIN_SECONDS = 45
"""How long a replaced listener goes on serving the connections it has; Envoy's own default is 600."""

LOG_DELAY_MS = 1000
"""How long a line of an access log may wait for others; Envoy's own default is ten seconds."""

COMMAND_LINE = (
    *("--drain-time-s", str(DRAIN_SECONDS)),
    *("--file-flush-interval-msec", str(LOG_DELAY_MS)),
    "--disable-hot-restart",
)
"""What belongs on Envoy's command line because no bootstrap can say it. Hot restart makes two Envoys on one machine
fight over a shared memory segment; who needs it gives each its own `--base-id` instead."""

CONNECTIONS = 50_000
"""Connections at which an Envoy accepts no more, except to its health and statistics listeners."""

Json = dict[str, Any]


class Variant(enum.Enum):
    """How the proxy asks for its configuration: by differences, or by the state of the world."""

    DELTA = "DELTA_GRPC"
    STATE_OF_THE_WORLD = "GRPC"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy is: the control plane it asks, the address its own listeners bind, and its admin interface."""

    control_plane: addresses.Dialled
    host: str
    admin: addresses.Address
    proof: secure_ads.Proof | None = None
    """How it and the control plane prove to each other who they are; None is ADS in clear."""
    instance: str = ""
    """The name of its pod, by which its node id is told from those of other replicas."""


def admin_address(host: str) -> addresses.Socket:
    """Return where the admin interface listens unless told otherwise: beside a loopback address, else on 127.0.0.1.

    Who reaches it can stop the proxy; it has no place on an address that others reach.
    """
    here = addresses.Socket(host, ADMIN_PORT)
    return here if addresses.is_private(here) else addresses.Socket("127.0.0.1", ADMIN_PORT)


def bootstrap(
    proxy: proxies.Envoy,
    place: Place,
    variant: Variant = Variant.DELTA,
    more: Tags = (),
    probes: addresses.Pipe | None = None,
) -> Json:
    """Return the bootstrap of a proxy as Envoy's JSON form of `envoy.config.bootstrap.v3.Bootstrap`.

    Its statistics have these tags and those of its place. At `probes` somebody answers for its application.
    """
    tags = (*stats_tags.of_proxy(proxy), *more)
    return {
        "node": _node(proxy, place.instance),
        "admin": {"address": _address(place.admin)},
        "dynamic_resources": _dynamic_resources(variant),
        "static_resources": {
            "clusters": [
                _control_plane(place),
                _cluster("admin", place.admin),
                *([_cluster("probes", probes)] if probes else []),
            ],
            "listeners": [_statistics(place.host), _health(place.host, has_probes=probes is not None)],
            **({"secrets": secrets} if (secrets := place.proof.secrets() if place.proof else []) else {}),
        },
        "stats_config": {"stats_tags": [{"tag_name": name, "fixed_value": value} for name, value in tags]},
        "layered_runtime": {"layers": [_runtime(), {"name": "admin", "admin_layer": {}}]},
        "overload_manager": _overload_manager(),
        "bootstrap_extensions": [_typed("envoy.bootstrap.internal_listener", f"{_INTERNAL}.InternalListener")],
    }


# ---------------------------------------------------------------------------- who and from where

_INTERNAL = "envoy.extensions.bootstrap.internal_listener.v3"
_FILTERS = "envoy.extensions.filters"
_BY_ADS = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": FETCH_TIMEOUT}


def _node(proxy: proxies.Envoy, instance: str) -> Json:
    named = claim.node_id(proxy)
    return {
        "id": f"{named}/{instance}" if instance else named,
        "cluster": claim.owner(proxy).key,
        "metadata": claim.metadata(proxy),
    }


def _dynamic_resources(variant: Variant) -> Json:
    back_off = {"retry_back_off": {"base_interval": "0.5s", "max_interval": "10s"}}
    return {
        "ads_config": {
            "api_type": variant.value,
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": {"cluster_name": "control-plane", "retry_policy": back_off}}],
        },
        "cds_config": _BY_ADS,
        "lds_config": _BY_ADS,
    }


def _runtime() -> Json:
    """Return the layer that the control plane switches; what is said at the admin interface overrides it."""
    return {"name": "meshloom", "rtds_layer": {"name": names.RUNTIME, "rtds_config": _BY_ADS}}


def _control_plane(place: Place) -> Json:
    keepalive = {"connection_keepalive": {"interval": "30s", "timeout": "10s"}}
    filters, socket = (place.proof.http_filters(), place.proof.transport_socket()) if place.proof else ({}, {})
    options = _any(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": keepalive},
        **filters,
    )
    return {
        **_cluster("control-plane", place.control_plane),
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        **socket,
    }


def _cluster(name: str, address: addresses.Dialled) -> Json:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(address)}}]}]
    looked_up = {"type": "STRICT_DNS", "dns_lookup_family": "V4_PREFERRED"}  # IPv6 first asks for it everywhere in vain
    return {
        "name": name,
        **(looked_up if isinstance(address, addresses.Name) else {"type": "STATIC"}),
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


# ---------------------------------------------------------------------------- what it shows of itself


def _statistics(host: str) -> Json:
    """Return the listener that serves the admin interface's `/stats/prometheus`, to GET, and nothing else."""
    path = "/stats/prometheus"
    return _window("statistics", addresses.Socket(host, STATISTICS_PORT), [_route(path, _asked_of_admin(path))])


def _health(host: str, *, has_probes: bool) -> Json:
    """Return the listener whose `/health` is 200 once the first configuration is loaded, until the proxy drains.

    Behind `/healthproxy` the application is asked, by somebody who knows for how long.
    """
    probes = [_route(targets.PATH, {"cluster": "probes", "timeout": "0s"})] if has_probes else []
    routes = [_route("/health", _asked_of_admin("/ready")), *probes]
    return _window("health", addresses.Socket(host, HEALTH_PORT), routes)


def _asked_of_admin(path: str) -> Json:
    return {"cluster": "admin", "prefix_rewrite": path, "timeout": "10s"}


def _route(path: str, action: Json) -> Json:
    get = {"name": ":method", "string_match": {"exact": "GET"}}
    return {"match": {"path": path, "headers": [get]}, "route": action}


def _window(name: str, address: addresses.Socket, routes: list[Json]) -> Json:
    """Return a listener that answers GET of these paths; all else is 404."""
    host = {"name": name, "domains": ["*"], "routes": routes}
    return {
        "name": f"meshloom-{name}",
        "address": _bound(address),
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": [_connection_manager(name, {"name": name, "virtual_hosts": [host]})]}],
    }


def _bound(address: addresses.Socket) -> Json:
    """Return an address to listen on; that of all IPv6 is also that of all IPv4."""
    found = _address(address)
    return {"socket_address": {**found["socket_address"], "ipv4_compat": True}} if address.host == "::" else found


def _connection_manager(name: str, routes: Json) -> Json:
    return _typed(
        "envoy.filters.network.http_connection_manager",
        f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=f"meshloom_{name}",
        codec_type="AUTO",
        internal_address_config={},
        normalize_path=True,
        request_timeout="10s",
        common_http_protocol_options={"idle_timeout": "60s"},
        route_config=routes,
        http_filters=[_typed("envoy.filters.http.router", f"{_FILTERS}.http.router.v3.Router")],
    )


# ---------------------------------------------------------------------------- limits and shapes


def _overload_manager() -> Json:
    monitor = _typed(
        "envoy.resource_monitors.global_downstream_max_connections",
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=CONNECTIONS,
    )
    return {"resource_monitors": [monitor]}


def _address(address: addresses.Dialled) -> Json:
    match address:
        case addresses.Pipe(path):
            return {"pipe": {"path": path}}
        case addresses.Socket(host, port) | addresses.Name(host, port):
            return {"socket_address": {"address": host, "port_value": port}}


def _typed(name: str, message: str, **fields: Any) -> Json:
    return {"name": name, "typed_config": _any(message, **fields)}


def _any(message: str, **fields: Any) -> Json:
    return {"@type": f"type.googleapis.com/{message}", **fields}


def command_line(path: str) -> tuple[str, ...]:
    """Return the arguments to start Envoy with, for a bootstrap in the file at `path`."""
    return ("envoy", "-c", path, *COMMAND_LINE)
