"""The little of xDS that a load generator needs, by hand: what to answer to a response, without decoding what is in it.

Law: costs next to nothing, so that what is measured is the server; first requests, made once a stream, are protobuf's.
"""

import pathlib
import pickle
from collections.abc import Iterator
from typing import NamedTuple

from meshloom.identity import claim
from translator import proxies
from xds import resource_types
from xds.wire import discovery_pb2

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
METHODS = {"delta": SERVICE + "DeltaAggregatedResources", "sotw": SERVICE + "StreamAggregatedResources"}
ORDER = (resource_types.CLUSTER, resource_types.LISTENER, resource_types.ROUTES)
"""What a proxy asks for, each once it has the one before."""

_VERSION, _RESOURCES, _TYPE, _NONCE = 1, 2, 4, 5
_DELIMITED = 2


class Response(NamedTuple):
    """A response of either variant, whose field numbers agree; `count` is the number of resources."""

    version: bytes
    type_url: bytes
    nonce: bytes
    count: int


def response(data: bytes) -> Response:
    """Return what an encoded response says of itself, its resources only counted."""
    found = {_VERSION: b"", _TYPE: b"", _NONCE: b""}
    at, count = 0, 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 != _DELIMITED:
            raise ValueError(f"field {tag >> 3} of a response is no text, bytes or message")
        size, at = _varint(data, at)
        count += tag >> 3 == _RESOURCES
        if tag >> 3 in found:
            found[tag >> 3] = data[at : at + size]
        at += size
    return Response(found[_VERSION], found[_TYPE], found[_NONCE], count)


def first_request(variant: str, type_url: str, names: tuple[str, ...], node: discovery_pb2.Node | None) -> bytes:
    """Return the request by which a stream asks for a type for the first time; no names means all."""
    if variant == "delta":
        delta = discovery_pb2.DeltaDiscoveryRequest(node=node, type_url=type_url, resource_names_subscribe=names)
        return delta.SerializeToString()
    return discovery_pb2.DiscoveryRequest(node=node, type_url=type_url, resource_names=names).SerializeToString()


def ack(variant: str, to: Response, names: tuple[str, ...]) -> bytes:
    """Return the request that accepts a response; `names` are those the stream subscribes to of its type."""
    if variant == "delta":
        return _text(2, to.type_url) + _text(6, to.nonce)
    listed = b"".join(_text(3, name.encode()) for name in names)
    return _text(1, to.version) + listed + _text(4, to.type_url) + _text(5, to.nonce)


def node(proxy: proxies.Sidecar) -> discovery_pb2.Node:
    """Return who a proxy says it is, as its bootstrap would have it."""
    message = discovery_pb2.Node(id=claim.node_id(proxy), user_agent_name="envoy")
    message.metadata.update(claim.metadata(proxy))
    return message


Recording = list[tuple[int, bytes]]
"""Responses in the order they came: the number of the stream, and the bytes."""


def keep(recording: Recording, path: str) -> None:
    """Write a recording for another process of the same benchmark."""
    pathlib.Path(path).write_bytes(pickle.dumps(recording))


def kept(path: str) -> Recording:
    """Return a recording that another process has written."""
    recording: Recording = pickle.loads(pathlib.Path(path).read_bytes())
    return recording


def _text(field: int, value: bytes) -> bytes:
    return bytes((field << 3 | _DELIMITED, *_size(len(value)))) + value


def _size(number: int) -> Iterator[int]:
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
