"""TLS at the edge of a mesh: how a gateway ends the connections of strangers, and whom it asks for a certificate.

Law: certificates come by SDS, each under a name of its own, so that a new one changes no listener. Whoever is asked for
a certificate is asked on each connection: no session is resumed, for whoever resumes one is not looked at again.
"""

import ipaddress
import re
from collections.abc import Iterable

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3
from envoy_data_plane.envoy.type.matcher import v3 as matcher_v3

from mesh import graph
from mesh.problems import Ref
from translator import names, resources, tls, wire
from translator.resources import ResourceName

HTTP = ("h2", "http/1.1")
"""What is offered to clients that speak HTTP, the best first."""

_San = tls_v3.SubjectAltNameMatcherSanType


def downstream(of: graph.GatewayTls, spoken: Iterable[str]) -> core_v3.TransportSocket:
    """Return the gateway's end of TLS; `spoken` are the protocols inside of it, none where nobody asks."""
    common = tls_v3.CommonTlsContext(
        tls_params=tls.versions(),
        tls_certificate_sds_secret_configs=[tls.secret(names.certificate(of.certificate))],
        alpn_protocols=[*spoken],
    )
    if of.authorities is None:
        return _socket(tls_v3.DownstreamTlsContext(common_tls_context=common))
    return _socket(
        tls_v3.DownstreamTlsContext(
            common_tls_context=_validating(common, of.authorities, of.names),
            require_client_certificate=True,
            disable_stateless_session_resumption=True,
            disable_stateful_session_resumption=True,
        )
    )


def references(of: graph.GatewayTls) -> tuple[ResourceName, ...]:
    """Return the secrets that TLS needs."""
    roots = ((resources.SECRET, names.roots(of.authorities)),) if of.authorities is not None else ()
    return ((resources.SECRET, names.certificate(of.certificate)), *roots)


def _socket(context: tls_v3.DownstreamTlsContext) -> core_v3.TransportSocket:
    return core_v3.TransportSocket(name=tls.NAME, typed_config=wire.packed(context))


def _validating(common: tls_v3.CommonTlsContext, authorities: Ref, wanted: tuple[str, ...]) -> tls_v3.CommonTlsContext:
    roots = tls.secret(names.roots(authorities))
    if not wanted:
        return wire.varied(common, validation_context_sds_secret_config=roots)
    named = tls_v3.CertificateValidationContext(match_typed_subject_alt_names=[_matcher(name) for name in wanted])
    combined = tls_v3.CommonTlsContextCombinedCertificateValidationContext(
        default_validation_context=named, validation_context_sds_secret_config=roots
    )
    return wire.varied(common, combined_validation_context=combined)


def _matcher(name: str) -> tls_v3.SubjectAltNameMatcher:
    """Return the matcher of the one sort of name that a text can be.

    A DNS name is matched by a pattern, because to Envoy's exact matcher a certificate for `*.x` is one for `a.x`.
    """
    if address := _address(name):
        return _exactly(_San.IP_ADDRESS, address)
    if ":" in name:
        return _exactly(_San.URI, name)
    if "@" in name:
        return _exactly(_San.EMAIL, name)
    pattern = matcher_v3.RegexMatcher(regex=f"(?i){re.escape(name)}")
    return tls_v3.SubjectAltNameMatcher(san_type=_San.DNS, matcher=matcher_v3.StringMatcher(safe_regex=pattern))


def _exactly(sort: tls_v3.SubjectAltNameMatcherSanType, name: str) -> tls_v3.SubjectAltNameMatcher:
    return tls_v3.SubjectAltNameMatcher(san_type=sort, matcher=matcher_v3.StringMatcher(exact=name))


def _address(text: str) -> str:
    """Return an address in its short form, empty if the text is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
