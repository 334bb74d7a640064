"""Secrets: what a proxy proves itself with, and by which roots it knows the others of its mesh; and what a gateway has
for strangers.

Law: the same two names in all proxies, so that whatever refers to them is shared; only the content differs. What is
in PEM stays as it is: nothing is parsed here, and nothing of it is ever printed.
"""

from envoy_data_plane.envoy.config.core import v3 as core_v3
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls_v3

from translator import names, resources, wire
from translator.resources import EncodedResource


def identity_secret(chain_pem: bytes, key_pem: bytes) -> EncodedResource:
    """Return a proxy's own certificate, the leaf first and then its issuers up to the root without it, and its key."""
    return certificate(names.IDENTITY, chain_pem, key_pem)


def authorities_secret(roots_pem: bytes) -> EncodedResource:
    """Return the roots of a mesh, one PEM block after the other: who has a certificate of one of them is a member."""
    return roots(names.AUTHORITIES, roots_pem)


def certificate(name: str, chain_pem: bytes, key_pem: bytes) -> EncodedResource:
    """Return a certificate that a gateway shows to strangers, with those above it, and its key."""
    pair = tls_v3.TlsCertificate(certificate_chain=_inline(chain_pem), private_key=_inline(key_pem))
    return _encoded(tls_v3.Secret(name=name, tls_certificate=pair))


def roots(name: str, roots_pem: bytes) -> EncodedResource:
    """Return the roots of those strangers that a gateway lets in."""
    context = tls_v3.CertificateValidationContext(trusted_ca=_inline(roots_pem))
    return _encoded(tls_v3.Secret(name=name, validation_context=context))


def _encoded(secret: tls_v3.Secret) -> EncodedResource:
    return resources.encoded(resources.SECRET, secret.name, wire.encode(secret))


def _inline(content: bytes) -> core_v3.DataSource:
    return core_v3.DataSource(inline_bytes=content)
