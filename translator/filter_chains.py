"""Filter chains: how a connection becomes requests; one HTTP connection manager each.

Law: a chain knows nothing of addresses, so that all proxies of a service share one encoding; routes come by ADS. What
steers proxies is their configuration: what callers say to them in headers is dropped unread.
"""

import datetime
import functools
from collections.abc import Mapping
from typing import Any

import betterproto2
from envoy_data_plane.envoy.config.common.mutation_rules import v3 as rules_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.config.listener import v3 as listener_v3
from envoy_data_plane.envoy.config.route import v3 as route_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3
from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation import v3 as mutation_v3
from envoy_data_plane.envoy.type.matcher import v3 as matcher_v3
from envoy_data_plane.google import protobuf

from mesh.resources import Protocol
from translator import access_log, filters, names, replies, wire
from translator.access_log import Owner

CODECS = {
    Protocol.HTTP: hcm_v3.HttpConnectionManagerCodecType.HTTP1,
    Protocol.HTTP2: hcm_v3.HttpConnectionManagerCodecType.HTTP2,
    Protocol.GRPC: hcm_v3.HttpConnectionManagerCodecType.HTTP2,
}
"""Never guessed inside the mesh: what the listener says is spoken."""

_PASS_THROUGH = hcm_v3.HttpConnectionManagerServerHeaderTransformation.PASS_THROUGH
FETCH_TIMEOUT = datetime.timedelta(seconds=15)  # above 0: a response that is lost must not hold a listener for ever
_IDLE_CONNECTION = datetime.timedelta(hours=1)
_WEBSOCKET = "websocket"
_SLOW_HEADERS = datetime.timedelta(seconds=15)


def outbound(caller: Owner) -> listener_v3.FilterChain:
    """Return the chain by which the applications of a service call others: an HTTP proxy.

    Many a program that only knows how to CONNECT speaks HTTP/1.0 for it.
    """
    options = core_v3.Http1ProtocolOptions(accept_http_10=True)
    manager = wire.varied(_calls(caller, names.OUTBOUND), http_protocol_options=options)
    return _chain(wire.varied(manager, upgrade_configs=[_upgrade("CONNECT"), _upgrade(_WEBSOCKET)]))


def inside_connect(caller: Owner) -> listener_v3.FilterChain:
    """Return the chain in which what the applications of a service say through CONNECT is read as requests."""
    return _chain(_calls(caller, names.CONNECT))


def captured(caller: Owner, name: str) -> listener_v3.FilterChain:
    """Return the chain of what the applications of a service dial at a port, by the routes of this name."""
    options = core_v3.Http1ProtocolOptions(accept_http_10=True)
    return _chain(wire.varied(_calls(caller, name), rds=_routes(name), http_protocol_options=options))


def _calls(caller: Owner, stat_prefix: str) -> hcm_v3.HttpConnectionManager:
    return hcm_v3.HttpConnectionManager(
        stat_prefix=stat_prefix,
        rds=_routes(names.OUTBOUND),
        upgrade_configs=[_upgrade(_WEBSOCKET)],
        access_log=access_log.of_outbound(caller),
        http_filters=filters.chain({filters.ROUTER: filters.router()}),
        server_header_transformation=_PASS_THROUGH,
        strip_trailing_host_dot=True,
        early_header_mutation_extensions=_unsteered(),
        local_reply_config=replies.unreachable(caller.ref),
    )


def inbound(service: Owner, port: int, protocol: Protocol, is_guarded: bool) -> listener_v3.FilterChain:
    """Return the chain by which a port of a service is called. A guarded one lets in nobody whom no route names.

    The application is told who calls, as far as it is proven, in `x-forwarded-client-cert`; what callers say there is
    dropped.
    """
    name = names.inbound(port)
    guard = {filters.RBAC: filters.closed_door()} if is_guarded else {}
    manager = hcm_v3.HttpConnectionManager(
        stat_prefix=name,
        codec_type=CODECS[protocol],
        rds=_routes(name),
        upgrade_configs=[_upgrade(_WEBSOCKET)] if protocol is Protocol.HTTP else [],
        access_log=access_log.of_inbound(service),
        http_filters=filters.chain({**guard, filters.ROUTER: filters.router()}),
        server_header_transformation=_PASS_THROUGH,
        early_header_mutation_extensions=_unsteered(),
        forward_client_cert_details=hcm_v3.HttpConnectionManagerForwardClientCertDetails.SANITIZE_SET,
        set_current_client_cert_details=hcm_v3.HttpConnectionManagerSetCurrentClientCertDetails(uri=True),
        local_reply_config=replies.denied(service.ref),
    )
    return _chain(manager)


def gateway(own: Owner, port: int, routes: str, *, is_mutual: bool = False) -> listener_v3.FilterChain:
    """Return the chain by which strangers call a port of a gateway, with Envoy's advice for edges.

    `is_mutual` says that they have proven who they are: then `x-forwarded-client-cert` says so until the routes have
    moved it to a header of the gateway's own. What strangers say there is dropped.
    """
    manager = hcm_v3.HttpConnectionManager(
        stat_prefix=names.gateway(port),
        rds=_routes(routes),
        upgrade_configs=[_upgrade(_WEBSOCKET)],
        access_log=access_log.of_gateway(own),
        http_filters=filters.chain({filters.ROUTER: filters.router()}),
        server_name="gateway",  # in place of what the application says of itself
        use_remote_address=True,  # x-forwarded-* of strangers are not believed
        early_header_mutation_extensions=_unsteered(),
        always_set_request_id_in_response=True,
        strip_any_host_port=True,
        strip_trailing_host_dot=True,
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=hcm_v3.HttpConnectionManagerPathWithEscapedSlashesAction.UNESCAPE_AND_REDIRECT,
        common_http_protocol_options=_edge_connections(),
        http2_protocol_options=_edge_http2(),
        request_headers_timeout=_SLOW_HEADERS,
        local_reply_config=replies.discretion(),
    )
    return _chain(wire.varied(manager, **_proven()) if is_mutual else manager)


def _proven() -> dict[str, Any]:
    """Return what makes Envoy say whose certificate it has seen, in place of what a client says."""
    return {
        "forward_client_cert_details": hcm_v3.HttpConnectionManagerForwardClientCertDetails.SANITIZE_SET,
        "set_current_client_cert_details": hcm_v3.HttpConnectionManagerSetCurrentClientCertDetails(
            subject=True, uri=True, dns=True
        ),
    }


def leaving(
    name: str,
    routes: list[route_v3.Route],
    before: Mapping[str, betterproto2.Message],
    replies: hcm_v3.LocalReplyConfig,
) -> listener_v3.FilterChain:
    """Return the chain by which calls leave the mesh, through these filters. What they are is the application's own."""
    everything = route_v3.VirtualHost(name=name, domains=["*"], routes=routes)
    manager = hcm_v3.HttpConnectionManager(
        stat_prefix=name,
        route_config=route_v3.RouteConfiguration(
            name=name, virtual_hosts=[everything], request_headers_to_remove=[names.INTERNAL, names.SCHEME]
        ),
        http_filters=filters.chain({**before, filters.ROUTER: filters.router()}),
        server_header_transformation=_PASS_THROUGH,
        upgrade_configs=[_upgrade("CONNECT"), _upgrade(_WEBSOCKET)],
        http2_protocol_options=core_v3.Http2ProtocolOptions(allow_connect=True),
        generate_request_id=False,
        local_reply_config=replies,
    )
    return _chain(manager)


def client(routes: str) -> protobuf.Any:
    """Return what a gRPC client has in place of a chain: the manager of calls that follow these routes."""
    manager = hcm_v3.HttpConnectionManager(
        stat_prefix=routes, rds=_routes(routes), http_filters=filters.chain({filters.ROUTER: filters.router()})
    )
    return wire.packed(manager)


def _upgrade(name: str) -> hcm_v3.HttpConnectionManagerUpgradeConfig:
    return hcm_v3.HttpConnectionManagerUpgradeConfig(upgrade_type=name)


def _edge_connections() -> core_v3.HttpProtocolOptions:
    return core_v3.HttpProtocolOptions(
        idle_timeout=_IDLE_CONNECTION,
        headers_with_underscores_action=core_v3.HttpProtocolOptionsHeadersWithUnderscoresAction.REJECT_REQUEST,
    )


def _edge_http2() -> core_v3.Http2ProtocolOptions:
    return core_v3.Http2ProtocolOptions(
        max_concurrent_streams=100, initial_stream_window_size=64 << 10, initial_connection_window_size=1 << 20
    )


@functools.cache
def _unsteered() -> list[core_v3.TypedExtensionConfig]:
    """Return what is done to a request first of all: whatever would steer a proxy (`x-envoy-retry-on`) goes.

    Envoy does so of itself for callers outside, but to it outside is whoever does not name an address such as 10.0.0.1
    in `x-forwarded-for`, which everybody may.
    """
    steering = matcher_v3.StringMatcher(prefix=names.STEERING)
    mutation = rules_v3.HeaderMutation(remove_on_match=rules_v3.HeaderMutationRemoveOnMatch(key_matcher=steering))
    config = wire.packed(mutation_v3.HeaderMutation(mutations=[mutation]))
    return [core_v3.TypedExtensionConfig(name="envoy.http.early_header_mutation.header_mutation", typed_config=config)]


@functools.cache
def _routes(name: str) -> hcm_v3.Rds:
    source = core_v3.ConfigSource(
        ads=core_v3.AggregatedConfigSource(),
        resource_api_version=core_v3.ApiVersion.V3,
        initial_fetch_timeout=FETCH_TIMEOUT,
    )
    return hcm_v3.Rds(config_source=source, route_config_name=name)


def _chain(manager: hcm_v3.HttpConnectionManager) -> listener_v3.FilterChain:
    name = "envoy.filters.network.http_connection_manager"
    return listener_v3.FilterChain(filters=[listener_v3.Filter(name=name, typed_config=wire.packed(manager))])
