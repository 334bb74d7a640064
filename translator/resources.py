"""An Envoy resource as it leaves the compiler: named, versioned by its content, encoded once.

Law: equal bytes have equal versions, on any replica, after any restart, at any hash seed.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from translator import wire

TYPE_PREFIX = "type.googleapis.com/"
CLUSTER = TYPE_PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = TYPE_PREFIX + "envoy.config.listener.v3.Listener"
ROUTES = TYPE_PREFIX + "envoy.config.route.v3.RouteConfiguration"
FILTER = TYPE_PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
"""A filter of a listener that is a resource of its own: when it changes, only new connections meet the new one."""
RUNTIME = TYPE_PREFIX + "envoy.service.runtime.v3.Runtime"
SECRET = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"

ResourceName = tuple[str, str]
"""A type URL and a resource name of that type."""


@dataclass(frozen=True, slots=True)
class EncodedResource:
    """One resource, ready to be spliced into a response.

    `body` is an encoded `google.protobuf.Any` (type URL and message); `references` are the resources that must be in
    place before a proxy may use this one (rules C10-C12). The body is never printed: it may hold a private key.
    """

    type_url: str
    name: str
    version: str
    body: bytes = field(repr=False)
    references: frozenset[ResourceName] = frozenset()


def content_version(parts: Iterable[bytes]) -> str:
    """Return the version of a resource made of these parts: 16 hexadecimal digits of a digest."""
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def encoded(type_url: str, name: str, message: bytes, references: Iterable[ResourceName] = ()) -> EncodedResource:
    """Return a resource of an encoded message."""
    body = wire.any_bytes(type_url, message)
    return EncodedResource(type_url, name, content_version((body,)), body, frozenset(references))


def joined(
    type_url: str, name: str, pieces: Iterable[bytes], content: Iterable[bytes], references: Iterable[ResourceName]
) -> EncodedResource:
    """Return a resource of a message that is encoded in pieces.

    `content` tells messages of this name apart as well as they do themselves, and is shorter.
    """
    body = wire.any_bytes(type_url, *pieces)
    return EncodedResource(type_url, name, content_version(content), body, frozenset(references))


def digest(element: bytes) -> bytes:
    """Return the 16 bytes that stand for an element of a message among the `content` of resources."""
    return hashlib.blake2b(element, digest_size=16).digest()
