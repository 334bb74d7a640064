"""Handshakes: `DownstreamTlsContext` and `UpstreamTlsContext` of envoy.extensions.transport_sockets.tls.v3.

Law: who is not trusted is not listened to. A certificate is one of a trusted root, with a name that one of the matchers
holds for; without matchers any name will do, without a validation context any certificate.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tests.meaning import strings
from tests.meaning.payloads import Certificate, Hello, Payload
from tests.meaning.understood import NotUnderstoodError

Roots = frozenset[str]
Secrets = Mapping[str, Certificate | Roots]
"""What a proxy is given by SDS: certificates to show, and roots to trust."""

Context = Mapping[str, Any]


def refusal(context: Context, hello: Hello, secrets: Secrets) -> str:
    """Return why a handshake fails at its server or its client, or nothing."""
    common = context["common_tls_context"]
    shown = hello.certificate
    if shown is None and context.get("require_client_certificate"):
        return "no client certificate"
    if shown is not None and not trusting(common, secrets)(shown):
        return "client certificate is not trusted"
    return "" if hello.takes(own(common, secrets)) else "server certificate is not trusted"


def negotiated(context: Context, hello: Hello) -> str:
    """Return the application protocol that both name, by the order of the server; empty where there is none."""
    listed = context["common_tls_context"].get("alpn_protocols", [])
    return next((name for name in listed if name in hello.alpn), "")


def greeting(context: Context, inside: Payload, secrets: Secrets) -> Hello:
    """Return how a proxy begins a connection of this UpstreamTlsContext."""
    common = context["common_tls_context"]
    shown = own(common, secrets) if "tls_certificate_sds_secret_configs" in common else None
    alpn = tuple(common.get("alpn_protocols", ()))
    return Hello(inside, context.get("sni", ""), alpn, shown, trusting(common, secrets))


def own(common: Context, secrets: Secrets) -> Certificate:
    """Return the certificate of this end; Envoy would choose among several by name, which nobody has."""
    (config,) = common["tls_certificate_sds_secret_configs"]
    found = secrets[config["name"]]
    assert isinstance(found, Certificate)
    return found


def trusting(common: Context, secrets: Secrets) -> Callable[[Certificate], bool]:
    """Return what judges a peer's certificate."""
    if "combined_validation_context" not in common:
        return lambda _: True
    both = common["combined_validation_context"]
    roots = secrets[both["validation_context_sds_secret_config"]["name"]]
    matchers = both.get("default_validation_context", {}).get("match_typed_subject_alt_names", [])
    assert isinstance(roots, frozenset)
    return lambda shown: shown.root in roots and (not matchers or any(_holds(one, shown) for one in matchers))


def _holds(matcher: Mapping[str, Any], shown: Certificate) -> bool:
    match matcher["san_type"]:
        case "URI":
            names = shown.uris
        case "DNS":
            names = shown.names
        case other:
            raise NotUnderstoodError(f"names of type {other}")
    return any(strings.matches(matcher["matcher"], name) for name in names)
