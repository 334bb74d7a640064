"""What a proxy itself says to a request: the words of denials inside the mesh, and the silence of gateways.

Law: callers inside the mesh are told what to mend; strangers get a status and the id of their request.
"""

from envoy_data_plane.envoy.config.accesslog import v3 as access_log_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.extensions.access_loggers.filters.cel import v3 as cel_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3

from mesh import graph
from mesh.problems import Ref
from translator import names, wire

FORBIDDEN = 403

_CLOSED = "leads to an address that no access policy opens or that is never outside of the mesh"


def unreachable(caller: Ref) -> hcm_v3.LocalReplyConfig:
    """Return the reply of a caller's own proxy to a request for a host that no access rule lets it reach.

    Only the virtual host of everything else answers so; what Envoy itself forbids (an upgrade, say) keeps its words.
    """
    return _denial(f"response.code == {FORBIDDEN} && response.code_details == 'direct_response'", caller.key, caller)


def denied(service: Ref) -> hcm_v3.LocalReplyConfig:
    """Return the reply of a service's proxy to a caller that its access rules do not name."""
    return _denial("response.code_details.startsWith('rbac_access_denied')", "%DOWNSTREAM_PEER_URI_SAN%", service)


def _denial(condition: str, caller: str, denier: Ref) -> hcm_v3.LocalReplyConfig:
    """`caller` is a text or an Envoy command that stands for one; `denier` the service whose proxy says it."""
    mapper = hcm_v3.ResponseMapper(
        filter=_where(condition),
        body_format_override=_text(f"no access policy lets {caller} reach %REQ(:AUTHORITY)%\n"),
        headers_to_add=[_denied_by(denier.key)],
    )
    return hcm_v3.LocalReplyConfig(mappers=[mapper])


def _denied_by(denier: str) -> core_v3.HeaderValueOption:
    return core_v3.HeaderValueOption(
        header=core_v3.HeaderValue(key=names.DENIED_BY, value=denier),
        append_action=core_v3.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def outside() -> hcm_v3.LocalReplyConfig:
    """Return the reply of an exit to a call that leads to an address where none may go, or to no address.

    Newer Envoys take such addresses out of the answers of name servers, older ones judge them: it is one refusal.
    """
    refused = (
        "response.code_details.startsWith('rbac_access_denied') || response.code_details.contains('address_denied')"
    )
    mappers = [
        hcm_v3.ResponseMapper(
            filter=_where(refused),
            status_code=FORBIDDEN,
            body_format_override=_text(f"%REQ(:AUTHORITY)% {_CLOSED}\n"),
            headers_to_add=[_denied_by(names.EGRESS)],
        ),
        hcm_v3.ResponseMapper(
            filter=_where("response.code_details.startsWith('dns_resolution_failure')"),
            body_format_override=_text("%REQ(:AUTHORITY)% cannot be resolved: no name server knows an address\n"),
        ),
    ]
    return hcm_v3.LocalReplyConfig(mappers=mappers)


def discretion() -> hcm_v3.LocalReplyConfig:
    """Return the reply of a gateway to whatever it does not forward, or could not."""
    return hcm_v3.LocalReplyConfig(body_format=_text("%RESPONSE_CODE% (request %REQ(X-REQUEST-ID)%)\n"))


def no_route(service: graph.Service) -> str:
    """Return what is said where none of a service's routes matches."""
    return (
        f"no route of {service.ref} matches this request; "
        "add one to a VirtualServiceRouteTable or set spec.defaultRoutingPolicy.type to UNIFORM"
    )


def no_such_port(service: graph.Service) -> str:
    """Return what is said to a request for a port that a service does not have."""
    if not service.http:
        return f"{service.ref} serves no HTTP; give a VirtualDeployment of it a listener of HTTP, HTTP2 or GRPC"
    ports = ", ".join(str(port.port) for port in service.http)
    return f"{service.ref} serves no HTTP on this port (80 unless the host names one); name one of: {ports}"


def nothing_there(service: graph.Service) -> str:
    """Return what is said to a tunnel to a port that a service does not have."""
    ports = ", ".join(map(str, sorted(service.ports())))
    return f"{service.ref} does not listen on this port; " + (
        f"name one of: {ports}" if ports else "give a VirtualDeployment of it a listener"
    )


def _text(form: str) -> core_v3.SubstitutionFormatString:
    return core_v3.SubstitutionFormatString(text_format_source=core_v3.DataSource(inline_string=form))


def _where(condition: str) -> access_log_v3.AccessLogFilter:
    """Return the filter of replies for which a CEL expression holds; no other filter knows why Envoy says something."""
    return access_log_v3.AccessLogFilter(
        extension_filter=access_log_v3.ExtensionFilter(
            name="envoy.access_loggers.extension_filters.cel",
            typed_config=wire.packed(cel_v3.ExpressionFilter(expression=condition)),
        )
    )
