"""Access logs: what a proxy says of each request and connection, a line of JSON each, on its standard output.

Law: a log is in every listener and always the same; whether it is written is said by the proxy's runtime (`runtimes`),
so that nobody's connection ends because somebody wants to read along. Nothing a request carries is written but its
method, authority, path and id: queries, headers and bodies hold what is nobody else's business.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

from envoy_data_plane.envoy.config.accesslog import v3 as access_log_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.extensions.access_loggers.filters.cel import v3 as cel_v3
from envoy_data_plane.envoy.extensions.access_loggers.stream import v3 as stream_v3
from envoy_data_plane.google import protobuf

from mesh import graph
from mesh.problems import Ref
from translator import names, wire

Fields = Mapping[str, str]
"""What is written, by key: texts with Envoy's commands in them. What a command knows nothing of is left out."""

_KEPT = 1 << 14


class Owner(NamedTuple):
    """Whose proxy it is: a service or a gateway, its mesh and its identity as a URI."""

    ref: Ref
    mesh: Ref
    uri: str


def owner(of: graph.Service | graph.Gateway) -> Owner:
    """Return a service or a gateway as far as it counts here."""
    return Owner(of.ref, of.mesh, of.identity.uri)


# ---------------------------------------------------------------------------- why a request was not served

Reasons = tuple[tuple[str, str], ...]
"""CEL expressions, in order, each with the words to write where it is the first that holds."""

_ANSWERED_HERE = "response.code_details == 'direct_response'"
_NOTHING = "request.headers[':nothing']"  # is never there, so that the whole is left out


def _inbound(of: Ref) -> Reasons:
    return (
        ("response.code_details.startsWith('rbac_access_denied')", f"no access policy lets this caller reach {of}"),
    )


def _outbound(of: Ref) -> Reasons:
    return (
        (
            f"{_ANSWERED_HERE} && response.code == 403 && xds.virtual_host_name == '{names.NOBODY}'",
            f"no access policy lets {of} reach this authority, or there is none of this name",
        ),
        (f"{_ANSWERED_HERE} && response.code == 404", "no route or port of the service matches"),
        (f"{_ANSWERED_HERE} && response.code == 503", "the route leads to nobody: every weight is 0"),
        (
            f"response.code == 403 && response.headers['{names.DENIED_BY}'] == '{names.EGRESS}'",
            "this authority leads to an address that is not outside of the mesh, or that no access policy opens",
        ),
        (
            f"response.code == 403 && response.headers['{names.DENIED_BY}'] != ''",
            f"no access policy lets {of} reach this service, says the proxy of the service",
        ),
    )


def _gateway(of: Ref) -> Reasons:
    return (
        (f"{_ANSWERED_HERE} && response.code == 403", f"no access policy lets {of} reach the service of this route"),
        (f"{_ANSWERED_HERE} && response.code == 503", "the route leads to nobody"),
        ("response.code_details == 'route_not_found'", "no host or route of the gateway matches"),
    )


def _why(reasons: Reasons) -> str:
    choices = "".join(f"{condition} ? '{words}' : " for condition, words in reasons)
    return f"%CEL({choices}{_NOTHING})%"


# ---------------------------------------------------------------------------- requests


def of_inbound(own: Owner) -> list[access_log_v3.AccessLog]:
    """Return the log of requests that the application gets."""
    return _requests("inbound", own, _why(_inbound(own.ref)))


def of_outbound(own: Owner) -> list[access_log_v3.AccessLog]:
    """Return the log of requests that the application sends."""
    return _requests("outbound", own, _why(_outbound(own.ref)))


def of_gateway(own: Owner) -> list[access_log_v3.AccessLog]:
    """Return the log of requests that come to a gateway."""
    return _requests("gateway", own, _why(_gateway(own.ref)))


@functools.lru_cache(_KEPT)
def _requests(direction: str, own: Owner, why: str) -> list[access_log_v3.AccessLog]:
    rbac = "envoy.filters.http.rbac"
    fields = {
        **_who("request", direction, own),
        "method": "%REQ(:METHOD)%",
        "authority": "%REQ(:AUTHORITY)%",
        "path": "%PATH(NQ)%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "grpc_status": "%GRPC_STATUS%",
        "reason": why,
        "denied_by": f"%RESP({names.DENIED_BY})%",
        "policy": f"%DYNAMIC_METADATA({rbac}:enforced_effective_policy_id)%",
        "audit": f"%DYNAMIC_METADATA({rbac}:shadow_engine_result)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "route": "%CEL(xds.virtual_host_name)%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        **_how(),
    }
    return [_written(fields)]


# ---------------------------------------------------------------------------- connections

_CLOSED: Mapping[str, str] = {
    names.NO_POLICY: "no access policy lets this proxy reach the service",
    names.NO_PORT: "the service has no such TCP port",
    names.NO_SHARES: "no route of the service leads anywhere",
    names.NO_RULE: "no rule of the gateway is for this listener",
    names.NO_DESTINATION: "no service that this proxy may reach is at this address and port",
    names.NO_HOST: "no service that this proxy may reach has this name",
}


@functools.lru_cache(_KEPT)
def of_inbound_connections(own: Owner) -> list[access_log_v3.AccessLog]:
    """Return the log of TCP connections that the application gets, those included that were refused."""
    fields = {**_who("connection", "inbound", own), **_proven(), **_connection(), "reason": _why(_refused(own.ref))}
    return [_written(fields)]


@functools.lru_cache(_KEPT)
def of_shut(own: Owner) -> list[access_log_v3.AccessLog]:
    """Return the log of connections to a port that nothing of a service listens on."""
    reason = "no listener of the VirtualDeployment has this port"
    return [_written({**_who("connection", "inbound", own), **_connection(), "reason": reason})]


@functools.lru_cache(_KEPT)
def of_outbound_connections(name: str) -> list[access_log_v3.AccessLog]:
    """Return the log of connections that applications open, or that come to a gateway, counted under this name.

    All proxies that have it have it in common, so that it says of them what certificate and bootstrap say.
    """
    direction = name.partition("/")[0]
    place = {"gateway": _NODE, **_CALLER} if direction == "gateway" else {"deployment": _NODE}
    reason = _CLOSED.get(name.rpartition("/")[2], "")
    who = {**place, "identity": "%UPSTREAM_LOCAL_URI_SAN%", **_CALLEE}
    why = {"reason": reason} if reason else {}
    return [_written({**_what("connection", direction), **who, **_connection(), "route": name, **why})]


@functools.lru_cache(_KEPT)
def of_failures(own: Owner) -> list[access_log_v3.AccessLog]:
    """Return the log of connections to a listener of requests that never brought one, for their handshake failed."""
    direction = "gateway" if own.ref.kind == "IngressGateway" else "inbound"
    fields = {**_who("connection", direction, own), **_proven(), **_connection(), "reason": _FAILED}
    return [_written(fields, f"{_HANDSHAKE} != ''")]


_HANDSHAKE = "connection.transport_failure_reason"
_FAILED = "the handshake failed"


def _refused(service: Ref) -> Reasons:
    """Envoy says only since 1.37 what of a certificate it does not like."""
    no_policy = f"no access policy lets this caller reach {service}"
    return (
        (f"{_HANDSHAKE}.contains('SAN')", no_policy),
        (f"{_HANDSHAKE}.contains('CERTIFICATE_VERIFY_FAILED')", f"{no_policy}, or it is no member of the mesh"),
        (f"{_HANDSHAKE} != ''", _FAILED),
    )


def _proven() -> Fields:
    """Return who calls, and who somebody only says to be whose handshake failed."""
    said = "connection.uri_san_peer_certificate"
    return {
        "caller": f"%CEL(has({_HANDSHAKE}) ? {_NOTHING} : {said})%",
        "claimed": f"%CEL({_HANDSHAKE} != '' ? {said} : {_NOTHING})%",
    }


def _connection() -> Fields:
    return {
        "server_name": "%REQUESTED_SERVER_NAME%",
        "details": "%CONNECTION_TERMINATION_DETAILS%",
        "audit": "%DYNAMIC_METADATA(envoy.filters.network.rbac:shadow_engine_result)%",
        **_how(),
    }


# ---------------------------------------------------------------------------- what both have

_NODE = "%CEL(xds.node.cluster)%"
"""What the bootstrap of a proxy calls its cluster: the address of its deployment or gateway."""

_CALLER: Fields = {"caller": "%DOWNSTREAM_PEER_URI_SAN%"}
_CALLEE: Fields = {"callee": "%UPSTREAM_PEER_URI_SAN%"}


def _what(of: str, direction: str) -> Fields:
    return {"time": "%START_TIME%", "log": of, "direction": direction}


def _who(of: str, direction: str, own: Owner) -> Fields:
    """Return who speaks with whom."""
    is_gateway = own.ref.kind == "IngressGateway"
    place = {"gateway": own.ref.key} if is_gateway else {"service": own.ref.key, "deployment": _NODE}
    caller = {} if direction == "outbound" else _CALLER
    callee = {} if direction == "inbound" else _CALLEE
    return {**_what(of, direction), "mesh": own.mesh.key, **place, "identity": own.uri, **caller, **callee}


def _how() -> Fields:
    """Return what became of it."""
    return {
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "listener": "%DOWNSTREAM_LOCAL_ADDRESS%",
        "handshake": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
        "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
        "upstream_host": "%UPSTREAM_HOST%",
        "upstream_handshake": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    }


def _written(fields: Fields, condition: str = "") -> access_log_v3.AccessLog:
    """Return a log of these fields that is written while the runtime says so, and this expression holds."""
    values = {name: protobuf.Value(string_value=text) for name, text in fields.items()}
    form = core_v3.SubstitutionFormatString(json_format=protobuf.Struct(fields=values), omit_empty_values=True)
    switch = access_log_v3.AccessLogFilter(runtime_filter=access_log_v3.RuntimeFilter(runtime_key=names.LOGGING))
    both = [switch, _where(condition)] if condition else []
    return access_log_v3.AccessLog(
        name="envoy.access_loggers.stdout",
        filter=access_log_v3.AccessLogFilter(and_filter=access_log_v3.AndFilter(filters=both)) if both else switch,
        typed_config=wire.packed(stream_v3.StdoutAccessLog(log_format=form)),
    )


def _where(condition: str) -> access_log_v3.AccessLogFilter:
    return access_log_v3.AccessLogFilter(
        extension_filter=access_log_v3.ExtensionFilter(
            name="envoy.access_loggers.extension_filters.cel",
            typed_config=wire.packed(cel_v3.ExpressionFilter(expression=condition)),
        )
    )
