"""What a proxy itself says to a request: the words of denials inside the mesh, and the silence of gateways.

Law: callers inside the mesh are told what to mend; strangers get a status and the id of their request.
"""

from envoy_data_plane.envoy.config.accesslog import v3 as access_log_v3
from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm_v3

from mesh.problems import Ref
from translator import names

FORBIDDEN = 403


def denial(caller: str, denier: Ref) -> hcm_v3.LocalReplyConfig:
    """Return the reply to a request that no access rule allows.

    `caller` is a text or an Envoy command that stands for one; `denier` the service whose proxy says it.
    """
    header = core_v3.HeaderValueOption(
        header=core_v3.HeaderValue(key=names.DENIED_BY, value=denier.key),
        append_action=core_v3.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    mapper = hcm_v3.ResponseMapper(
        filter=_status_is(FORBIDDEN),
        body_format_override=_text(f"no access policy lets {caller} reach %REQ(:AUTHORITY)%\n"),
        headers_to_add=[header],
    )
    return hcm_v3.LocalReplyConfig(mappers=[mapper])


def discretion() -> hcm_v3.LocalReplyConfig:
    """Return the reply of a gateway to whatever it does not forward, or could not."""
    return hcm_v3.LocalReplyConfig(body_format=_text("%RESPONSE_CODE% (request %REQ(X-REQUEST-ID)%)\n"))


def _text(form: str) -> core_v3.SubstitutionFormatString:
    return core_v3.SubstitutionFormatString(text_format_source=core_v3.DataSource(inline_string=form))


def _status_is(status: int) -> access_log_v3.AccessLogFilter:
    value = core_v3.RuntimeUInt32(default_value=status, runtime_key="meshloom.denial_status")
    comparison = access_log_v3.ComparisonFilter(op=access_log_v3.ComparisonFilterOp.EQ, value=value)
    return access_log_v3.AccessLogFilter(status_code_filter=access_log_v3.StatusCodeFilter(comparison=comparison))
