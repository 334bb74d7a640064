"""Mutual TLS between the proxies of a mesh: transport sockets of both ends of a connection.

Law: a caller takes nobody but the exact service it means for that service, a service nobody but members of its mesh; no
session is resumed, for whoever resumes one is not looked at again. Certificates come by SDS, under the same names in
all proxies, so that nothing here speaks of who holds it.
"""

import functools
from collections.abc import Iterable

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3
from envoy_data_plane.envoy.type.matcher import v3 as matcher_v3

from mesh import graph, identity
from mesh.resources import Protocol
from translator import names, resources, wire
from translator.resources import ResourceName

REFERENCES: tuple[ResourceName, ...] = ((resources.SECRET, names.IDENTITY), (resources.SECRET, names.AUTHORITIES))
"""What a transport socket of this module needs."""

_HTTP2 = "h2"
_VERSION_2 = frozenset({Protocol.HTTP2, Protocol.GRPC})
NAME = "envoy.transport_sockets.tls"
"""Of the transport socket."""


@functools.lru_cache(maxsize=1 << 14)
def upstream(target: identity.Identity, protocol: Protocol) -> core_v3.TransportSocket:
    """Return the end of a caller: it shows its own certificate and takes that of the target alone.

    `names.ALPN` tells the target's proxy that this is the mesh and not an application's own TLS.
    """
    exactly = matcher_v3.StringMatcher(exact=target.uri)
    context = tls_v3.UpstreamTlsContext(
        common_tls_context=_common([exactly], [names.ALPN, *_spoken(protocol)]), max_session_keys=0
    )
    return core_v3.TransportSocket(name=NAME, typed_config=wire.packed(context))


def downstream(trust_domain: str, protocol: Protocol) -> core_v3.TransportSocket:
    """Return the end of a service that judges its callers later, by its routes: every member of the mesh gets in."""
    return _downstream([_member(trust_domain)], protocol)


def downstream_for(callers: graph.Callers, protocol: Protocol) -> core_v3.TransportSocket:
    """Return the end of a service that nobody but its callers gets in touch with, or in audit every member."""
    if callers.enforcement is graph.Enforcement.AUDIT:
        return downstream(callers.trust_domain, protocol)
    named = [matcher_v3.StringMatcher(exact=caller.uri) for caller in callers.identities]
    everyone = [_matching(identity.services_pattern(callers.trust_domain))] if callers.all_services else []
    return _downstream([*everyone, *named] or [_nobody(callers.trust_domain)], protocol)


def _downstream(callers: Iterable[matcher_v3.StringMatcher], protocol: Protocol) -> core_v3.TransportSocket:
    """Return the end of a service. It never lists `names.ALPN`: it would be chosen, and HTTP/2 not be spoken."""
    context = tls_v3.DownstreamTlsContext(
        common_tls_context=_common(callers, _spoken(protocol)),
        require_client_certificate=True,
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )
    return core_v3.TransportSocket(name=NAME, typed_config=wire.packed(context))


def _spoken(protocol: Protocol) -> list[str]:
    return [_HTTP2] if protocol in _VERSION_2 else []


def _common(peers: Iterable[matcher_v3.StringMatcher], spoken: list[str]) -> tls_v3.CommonTlsContext:
    """Return what both ends have: certificates, and one of these URIs in that of the peer. None would mean any."""
    uri = tls_v3.SubjectAltNameMatcherSanType.URI
    named = [tls_v3.SubjectAltNameMatcher(san_type=uri, matcher=peer) for peer in peers]
    return tls_v3.CommonTlsContext(
        tls_params=versions(),
        tls_certificate_sds_secret_configs=[secret(names.IDENTITY)],
        combined_validation_context=tls_v3.CommonTlsContextCombinedCertificateValidationContext(
            default_validation_context=tls_v3.CertificateValidationContext(match_typed_subject_alt_names=named),
            validation_context_sds_secret_config=secret(names.AUTHORITIES),
        ),
        alpn_protocols=spoken,
    )


@functools.cache
def versions() -> tls_v3.TlsParameters:
    """Return the versions; the upper one is written out because callers would stop at 1.2 of themselves."""
    return tls_v3.TlsParameters(
        tls_minimum_protocol_version=tls_v3.TlsParametersTlsProtocol.TLSv1_2,
        tls_maximum_protocol_version=tls_v3.TlsParametersTlsProtocol.TLSv1_3,
    )


@functools.cache
def secret(name: str) -> tls_v3.SdsSecretConfig:
    """Return the reference to a secret of the control plane."""
    source = core_v3.ConfigSource(ads=core_v3.AggregatedConfigSource(), resource_api_version=core_v3.ApiVersion.V3)
    return tls_v3.SdsSecretConfig(name=name, sds_config=source)


def _member(trust_domain: str) -> matcher_v3.StringMatcher:
    """Return the matcher of all members: an authority that was given may have certified others, who are none."""
    return _matching(identity.members_pattern(trust_domain))


def _nobody(trust_domain: str) -> matcher_v3.StringMatcher:
    """Return the matcher of an identity that nobody has: without any matcher all would be let in."""
    return matcher_v3.StringMatcher(exact=f"spiffe://{trust_domain}/{names.NOBODY}")


def _matching(pattern: str) -> matcher_v3.StringMatcher:
    return matcher_v3.StringMatcher(safe_regex=matcher_v3.RegexMatcher(regex=pattern))
