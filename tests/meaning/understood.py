"""What of Envoy's configuration the evaluator understands, message by message: a table.

Law: a field that is not here is an error, so that nothing which steers traffic is passed over. `READ` marks what the
evaluation reads, `BESIDE` what decides nothing of who reaches whom: names of counters, timeouts, limits.
"""

from collections.abc import Iterator, Mapping
from typing import Any

READ, BESIDE, ANY = "read", "beside", "any"
"""`ANY` is a `google.protobuf.Any` around a message of this table."""

Fields = Mapping[str, Any]
"""By field: one of the marks, the fields of a message inside, or `EACH` of them in a map."""


class NotUnderstoodError(AssertionError):
    """Configuration that the evaluator has no meaning for."""


class EachIn(dict[str, Any]):
    """The fields of the values of a map, whatever the keys."""


_SOCKET_ADDRESS = {"address": READ, "port_value": READ}
_ADDRESS = {"socket_address": _SOCKET_ADDRESS, "envoy_internal_address": {"server_listener_name": READ}}
_STRING = {
    "exact": READ,
    "prefix": READ,
    "suffix": READ,
    "contains": READ,
    "ignore_case": READ,
    "safe_regex": {"regex": READ},
}
_SOURCE = {"ads": READ, "initial_fetch_timeout": BESIDE, "resource_api_version": BESIDE}
_SECRET = {"name": READ, "sds_config": _SOURCE}
_EXTENSION = {"name": READ, "typed_config": ANY}
_TEXT = {"text_format_source": {"inline_string": READ}}
_HEADER = {"append_action": READ, "header": {"key": READ, "value": READ}}
_CERTIFICATES = {
    "match_typed_subject_alt_names": {"matcher": _STRING, "san_type": READ},
}
_TLS = {
    "alpn_protocols": READ,
    "tls_certificate_sds_secret_configs": _SECRET,
    "combined_validation_context": {
        "default_validation_context": _CERTIFICATES,
        "validation_context_sds_secret_config": _SECRET,
    },
    "tls_params": {"tls_minimum_protocol_version": BESIDE, "tls_maximum_protocol_version": BESIDE},
}
_PERMISSION: dict[str, Any] = {
    "any": READ,
    "matcher": {"name": READ, "typed_config": ANY},
}
_PERMISSION["and_rules"] = _PERMISSION["or_rules"] = {"rules": _PERMISSION}
_PERMISSION["not_rule"] = _PERMISSION
_PRINCIPAL = {"authenticated": {"principal_name": _STRING}, "any": READ, "not_id": {"authenticated": {}}}
_RULES = {"action": READ, "policies": EachIn({"permissions": _PERMISSION, "principals": _PRINCIPAL})}
_ACCESS = {"rules": _RULES, "shadow_rules": _RULES, "track_per_rule_stats": BESIDE}
_PER_FILTER = EachIn({})
"""Of a map of Anys the values are messages of this table."""

_CACHE = {
    "name": READ,
    "dns_cache_circuit_breaker": BESIDE,
    "dns_failure_refresh_rate": BESIDE,
    "dns_lookup_family": BESIDE,
    "dns_min_refresh_rate": BESIDE,
    "dns_query_timeout": BESIDE,
    "dns_refresh_rate": BESIDE,
    "host_ttl": BESIDE,
    "max_hosts": BESIDE,
    "resolved_address_filter": BESIDE,
}
"""Old Envoys know no filter of addresses: the access filter behind must do without."""

_MATCH = {
    "prefix": READ,
    "path": READ,
    "path_separated_prefix": READ,
    "headers": {"name": READ, "string_match": _STRING, "invert_match": READ},
    "grpc": READ,
    "connect_matcher": {},
}
_ACTION = {
    "cluster": READ,
    "weighted_clusters": {"clusters": {"name": READ, "weight": READ, "host_rewrite_literal": READ}},
    "prefix_rewrite": READ,
    "regex_rewrite": {"pattern": {"regex": READ}, "substitution": READ},
    "host_rewrite_literal": READ,
    "upgrade_configs": {"upgrade_type": READ, "connect_config": {}},
    "timeout": BESIDE,
    "idle_timeout": BESIDE,
}
_ROUTE = {
    "name": BESIDE,
    "match": _MATCH,
    "route": _ACTION,
    "direct_response": {"status": READ, "body": {"inline_string": READ}},
    "typed_per_filter_config": _PER_FILTER,
}

_CHAIN = {
    "name": BESIDE,
    "filter_chain_match": {
        "destination_port": READ,
        "prefix_ranges": {"address_prefix": READ, "prefix_len": READ},
        "server_names": READ,
        "transport_protocol": READ,
        "application_protocols": READ,
    },
    "filters": {**_EXTENSION, "config_discovery": {"config_source": _SOURCE, "type_urls": READ}},
    "transport_socket": _EXTENSION,
    "transport_socket_connect_timeout": BESIDE,
}

_ASSIGNMENT = {"cluster_name": BESIDE, "endpoints": {"lb_endpoints": {"endpoint": {"address": _ADDRESS}}}}
_ROUTES = {
    "name": READ,
    "virtual_hosts": {
        "name": BESIDE,
        "domains": READ,
        "routes": _ROUTE,
        "retry_policy": BESIDE,
        "typed_per_filter_config": _PER_FILTER,
    },
    "ignore_port_in_host_matching": READ,
    "request_headers_to_add": BESIDE,
    "request_headers_to_remove": BESIDE,
    "response_headers_to_remove": BESIDE,
}

TABLE: Mapping[str, Fields] = {
    "envoy.config.listener.v3.Listener": {
        "name": READ,
        "address": _ADDRESS,
        "internal_listener": {},
        "additional_addresses": {"address": _ADDRESS},
        "bind_to_port": READ,
        "use_original_dst": READ,
        "traffic_direction": BESIDE,
        "access_log": BESIDE,
        "per_connection_buffer_limit_bytes": BESIDE,
        "listener_filters": {**_EXTENSION, "filter_disabled": READ},
        "listener_filters_timeout": BESIDE,
        "continue_on_listener_filters_timeout": READ,
        "default_filter_chain": _CHAIN,
        "filter_chains": _CHAIN,
    },
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector": {},
    "envoy.extensions.filters.listener.original_dst.v3.OriginalDst": {},
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": {
        "cluster": READ,
        "weighted_clusters": {"clusters": {"name": READ, "weight": READ}},
        "stat_prefix": BESIDE,
        "idle_timeout": BESIDE,
        "access_log": BESIDE,
        "max_connect_attempts": BESIDE,
    },
    "envoy.extensions.filters.network.rbac.v3.RBAC": {
        "rules": _RULES,
        "shadow_rules": _RULES,
        "stat_prefix": BESIDE,
    },
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": {
        "codec_type": READ,
        "stat_prefix": BESIDE,
        "access_log": BESIDE,
        "rds": {"route_config_name": READ, "config_source": _SOURCE},
        "route_config": _ROUTES,
        "generate_request_id": BESIDE,
        "http_filters": _EXTENSION,
        "early_header_mutation_extensions": _EXTENSION,
        "local_reply_config": {
            "body_format": _TEXT,
            "mappers": {
                "filter": {"extension_filter": _EXTENSION},
                "status_code": READ,
                "body_format_override": _TEXT,
                "headers_to_add": _HEADER,
            },
        },
        "strip_any_host_port": READ,
        "strip_trailing_host_dot": READ,
        "normalize_path": READ,
        "merge_slashes": READ,
        "path_with_escaped_slashes_action": READ,
        "forward_client_cert_details": BESIDE,
        "set_current_client_cert_details": BESIDE,
        "server_header_transformation": BESIDE,
        "server_name": BESIDE,
        "use_remote_address": BESIDE,
        "always_set_request_id_in_response": BESIDE,
        "common_http_protocol_options": {"idle_timeout": BESIDE, "headers_with_underscores_action": READ},
        "http_protocol_options": {"accept_http_10": BESIDE},
        "http2_protocol_options": BESIDE,
        "upgrade_configs": {"upgrade_type": READ},
        "request_headers_timeout": BESIDE,
    },
    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig": {
        "dns_cache_config": _CACHE,
        "save_upstream_address": READ,
    },
    "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig": {
        "dns_cache_config": _CACHE,
        "allow_insecure_cluster_options": BESIDE,
    },
    "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher": {
        "upstream_ip": {"address_prefix": READ, "prefix_len": READ},
        "upstream_port_range": {"start": READ, "end": READ},
    },
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation": {
        "mutations": {"remove_on_match": {"key_matcher": _STRING}},
    },
    "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter": {"expression": READ},
    "envoy.extensions.filters.http.router.v3.Router": {"suppress_envoy_headers": BESIDE},
    "envoy.extensions.filters.http.rbac.v3.RBAC": _ACCESS,
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute": {"rbac": _ACCESS},
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext": {
        "common_tls_context": _TLS,
        "require_client_certificate": READ,
        "disable_stateful_session_resumption": BESIDE,
        "disable_stateless_session_resumption": BESIDE,
    },
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": {
        "common_tls_context": _TLS,
        "sni": READ,
        "max_session_keys": BESIDE,
    },
    "envoy.config.route.v3.RouteConfiguration": _ROUTES,
    "envoy.config.cluster.v3.Cluster": {
        "name": READ,
        "cluster_type": _EXTENSION,
        "load_assignment": _ASSIGNMENT,
        "eds_cluster_config": {"eds_config": _SOURCE, "service_name": READ},
        "transport_socket": _EXTENSION,
        "lb_policy": BESIDE,
        "outlier_detection": BESIDE,
        "type": READ,
        "upstream_bind_config": BESIDE,
        "typed_extension_protocol_options": _PER_FILTER,
        "circuit_breakers": BESIDE,
        "connect_timeout": BESIDE,
        "wait_for_warm_on_init": BESIDE,
    },
    "envoy.config.endpoint.v3.ClusterLoadAssignment": {
        **_ASSIGNMENT,
        "endpoints": {**_ASSIGNMENT["endpoints"], "locality": BESIDE, "load_balancing_weight": BESIDE},
    },
    "envoy.extensions.clusters.dns.v3.DnsCluster": {
        "dns_failure_refresh_rate": BESIDE,
        "dns_jitter": BESIDE,
        "dns_lookup_family": BESIDE,
        "dns_refresh_rate": BESIDE,
    },
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "explicit_http_config": {"http_protocol_options": READ, "http2_protocol_options": READ},
        "use_downstream_protocol_config": {"http_protocol_options": READ, "http2_protocol_options": READ},
    },
    "envoy.config.core.v3.TypedExtensionConfig": _EXTENSION,
    "envoy.service.runtime.v3.Runtime": {"name": BESIDE, "layer": BESIDE},
}


def check(message: Mapping[str, Any], kind: str) -> None:
    """Raise NotUnderstoodError if a message of this kind has a field that the evaluator does not know."""
    found = [*_unknown(message, kind)]
    if found:
        raise NotUnderstoodError(f"what does this mean? {', '.join(found)}")


def _unknown(message: Mapping[str, Any], kind: str) -> Iterator[str]:
    if kind not in TABLE:
        yield kind
    else:
        fields = {name: value for name, value in message.items() if name != "@type"}
        yield from _strange(fields, TABLE[kind], kind)


def _strange(value: Any, known: Any, at: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _strange(item, known, at)
    elif known is _PER_FILTER:
        for item in value.values():
            yield from _unknown(item, kind_of(item))
    elif known is ANY:
        yield from _unknown(value, kind_of(value))
    elif isinstance(known, Mapping):
        yield from _inside(value, known, at)


def _inside(value: Mapping[str, Any], known: Mapping[str, Any], at: str) -> Iterator[str]:
    for name, item in value.items():
        if isinstance(known, EachIn):
            yield from _strange(item, dict(known), f"{at}.{name}")
        elif name not in known:
            yield f"{at}.{name}"
        else:
            yield from _strange(item, known[name], f"{at}.{name}")


def kind_of(message: Mapping[str, Any]) -> str:
    """Return the name of the message in an Any."""
    return str(message["@type"]).rpartition("/")[2]
