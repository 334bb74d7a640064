"""Protobuf bytes of envoy-data-plane messages, by one encoder compiled per message class.

Law: `encode(message)` is byte for byte betterproto2's `bytes(message)`, only faster; the one exception stands at
`_duration`. A message is trusted as it was built: pydantic checks it in its constructor, nobody assigns to it afterwards.
"""

import dataclasses
import datetime
import struct
from collections.abc import Callable, Iterable
from typing import Any

import betterproto2
from envoy_data_plane.google import protobuf
from envoy_data_plane.message_pool import default_message_pool

Encoder = Callable[[Any], bytes]
Range = tuple[int, int]

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = (
    dict.fromkeys(betterproto2.WIRE_VARINT_TYPES, _VARINT)
    | dict.fromkeys(betterproto2.WIRE_FIXED_64_TYPES, _FIXED64)
    | dict.fromkeys(betterproto2.WIRE_LEN_DELIM_TYPES, _LENGTH_DELIMITED)
    | dict.fromkeys(betterproto2.WIRE_FIXED_32_TYPES, _FIXED32)
)
_FIXED = {
    betterproto2.TYPE_DOUBLE: struct.Struct("<d").pack,
    betterproto2.TYPE_FLOAT: struct.Struct("<f").pack,
    betterproto2.TYPE_FIXED32: struct.Struct("<I").pack,
    betterproto2.TYPE_FIXED64: struct.Struct("<Q").pack,
    betterproto2.TYPE_SFIXED32: struct.Struct("<i").pack,
    betterproto2.TYPE_SFIXED64: struct.Struct("<q").pack,
}
_INT_RANGES = {
    betterproto2.TYPE_INT32: (-(2**31), 2**31 - 1),
    betterproto2.TYPE_INT64: (-(2**63), 2**63 - 1),
    betterproto2.TYPE_UINT32: (0, 2**32 - 1),
    betterproto2.TYPE_UINT64: (0, 2**64 - 1),
}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def encode(message: betterproto2.Message) -> bytes:
    """Return the protobuf encoding of a message.

    Raises ValueError for what pydantic cannot see in a constructor: a wrapper's integer out of its type's range, a
    timestamp without a time zone.
    """
    return _ENCODERS[type(message)](message)


def type_url(message_class: type[betterproto2.Message]) -> str:
    """Return the URL an `Any` names this class by, such as `type.googleapis.com/envoy.config.cluster.v3.Cluster`."""
    return default_message_pool.type_to_url[message_class]


def packed(message: betterproto2.Message) -> protobuf.Any:
    """Return the message inside an `Any`, for fields such as `typed_config`."""
    return protobuf.Any(type_url=type_url(type(message)), value=encode(message))


def any_bytes(url: str, body: bytes) -> bytes:
    """Return the encoding of an `Any` around a message that is encoded already."""
    return _any_url(url) + _any_value(body) if body else _any_url(url)


def repeated(field_number: int, bodies: Iterable[bytes]) -> bytes:
    """Return the encoding of one repeated message field, from its elements' encodings."""
    tag = _tag(field_number, _LENGTH_DELIMITED)
    return b"".join([tag + _VARINTS[len(body)] + body for body in bodies])


def spliced(message: betterproto2.Message, field_number: int, bodies: Iterable[bytes]) -> bytes:
    """Return the encoding of a message whose repeated message field holds elements that are encoded already.

    The elements go last. Protobuf gives fields of any order the same meaning; the bytes are those of the whole
    message when no field declared after this one is set. Raises ValueError when the message has no such field, or
    holds elements in it already.
    """
    name = _repeated_messages(type(message)).get(field_number)
    if name is None or getattr(message, name):
        problem = "has no repeated message field" if name is None else "already holds elements in field"
        raise ValueError(f"{type(message).__name__} {problem} {field_number}; splice into an empty repeated field")
    return encode(message) + repeated(field_number, bodies)
