"""Envoy's resources as people read them: decoded from the bytes that are sent, without what is secret.

Law: one path: the offline compile and the running server show a resource by the same function. Of a Secret only what
is known to be public is shown; a private key prints as `[redacted]`, wherever it stands.
"""

from collections.abc import Iterable
from typing import Any

from envoy_data_plane.google import protobuf

from xds import snapshot as snapshots

REDACTED = "[redacted]"

_OF_SECRETS = "/envoy.extensions.transport_sockets.tls.v3.Secret"
_PUBLIC = frozenset({"@type", "name", "validationContext"})
"""What may be shown of a Secret as it is."""

_PUBLIC_OF_CERTIFICATE = frozenset({"certificateChain"})
_PRIVATE = frozenset(
    {"genericSecret", "password", "pkcs12", "privateKey", "privateKeyProvider", "sessionTicketKeys", "token"}
)
"""Fields of Envoy's messages that hold what nobody may read, wherever they stand."""


def resource(entry: snapshots.Entry) -> dict[str, Any]:
    """Return a resource in Envoy's JSON form, with `[redacted]` in place of what is secret."""
    packed = protobuf.Any.parse(entry.body)
    document: dict[str, Any] = packed.to_dict()
    return _secret(document) if packed.type_url.endswith(_OF_SECRETS) else _without_keys(document)


def _secret(document: dict[str, Any]) -> dict[str, Any]:
    shown = _redacted(document, _PUBLIC | {"tlsCertificate"})
    if isinstance(certificate := shown.get("tlsCertificate"), dict):
        shown["tlsCertificate"] = _redacted(certificate, _PUBLIC_OF_CERTIFICATE)
    return shown


def _redacted(document: dict[str, Any], public: Iterable[str]) -> dict[str, Any]:
    return {key: value if key in public else REDACTED for key, value in document.items()}


def _without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: REDACTED if key in _PRIVATE and inner else _without_keys(inner) for key, inner in value.items()}
    return [_without_keys(each) for each in value] if isinstance(value, list) else value
