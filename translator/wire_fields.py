"""How the value of one protobuf field becomes bytes: an encoder for each field, chosen once from its metadata.

Law: what betterproto2 writes for a field is what these encoders write; the one exception stands at `_duration`.
"""

import dataclasses
import datetime
import struct
from collections.abc import Callable, Mapping
from typing import Any

import betterproto2
from envoy_data_plane.google import protobuf

Encoder = Callable[[Any], bytes]
MessageEncoders = Mapping[type, Encoder]
"""The encoder of each message class; looking one up compiles it."""

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = (
    dict.fromkeys(betterproto2.WIRE_VARINT_TYPES, VARINT)
    | dict.fromkeys(betterproto2.WIRE_FIXED_64_TYPES, FIXED64)
    | dict.fromkeys(betterproto2.WIRE_LEN_DELIM_TYPES, LENGTH_DELIMITED)
    | dict.fromkeys(betterproto2.WIRE_FIXED_32_TYPES, FIXED32)
)
_FIXED_FORMATS = {
    betterproto2.TYPE_DOUBLE: "<d",
    betterproto2.TYPE_FLOAT: "<f",
    betterproto2.TYPE_FIXED32: "<I",
    betterproto2.TYPE_FIXED64: "<Q",
    betterproto2.TYPE_SFIXED32: "<i",
    betterproto2.TYPE_SFIXED64: "<q",
}
_WRAPPED_RANGES = {
    betterproto2.TYPE_INT32: (-(2**31), 2**31 - 1),
    betterproto2.TYPE_INT64: (-(2**63), 2**63 - 1),
    betterproto2.TYPE_UINT32: (0, 2**32 - 1),
    betterproto2.TYPE_UINT64: (0, 2**64 - 1),
}
_MEMOISED_VARINTS = 1 << 14  # every tag and nearly every length; an int64 seen once is not worth keeping
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


class _Varints(dict[int, bytes]):
    """Integers as varints; a negative one takes ten bytes, as an int64 in two's complement."""

    def __missing__(self, value: int) -> bytes:
        encoded = _varint(value if value >= 0 else value + (1 << 64))
        if 0 <= value < _MEMOISED_VARINTS:
            self[int(value)] = encoded
        return encoded


def _varint(value: int) -> bytes:
    septets = bytearray()
    while value > 0x7F:
        septets.append(0x80 | value & 0x7F)
        value >>= 7
    septets.append(value)
    return bytes(septets)


VARINTS = _Varints()


def tag(number: int, wire_type: int) -> bytes:
    """Return the key in front of a field's value."""
    return VARINTS[number << 3 | wire_type]


def field_encoder(meta: betterproto2.FieldMetadata, messages: MessageEncoders) -> Encoder:
    """Return the encoder of a field: from the value the message's attribute holds to bytes, tags included.

    It is not asked about None, nor about the field's default.
    """
    if meta.map_meta is not None:
        return _entries(meta.number, *(_single(part, messages) for part in meta.map_meta))
    if not meta.repeated:
        return _single(meta, messages)
    if meta.proto_type in betterproto2.PACKED_TYPES:
        return _packed(meta)
    return _each(_single(meta, messages))


def _single(meta: betterproto2.FieldMetadata, messages: MessageEncoders) -> Encoder:
    if meta.unwrap is not None:
        return _delimited(meta.number, _unwrapped(meta.unwrap()))
    match meta.proto_type:
        case betterproto2.TYPE_MESSAGE:
            return _message(meta.number, messages)
        case betterproto2.TYPE_STRING:
            return _delimited(meta.number, str.encode)
        case betterproto2.TYPE_BYTES:
            return _delimited(meta.number, bytes)
        case _:
            return _tagged(tag(meta.number, _WIRE_TYPES[meta.proto_type]), _number(meta.proto_type))


def _number(proto_type: str) -> Encoder:
    """Return the encoder of a scalar that needs no length: a varint or a fixed-width number."""
    if proto_type in _FIXED_FORMATS:
        return struct.Struct(_FIXED_FORMATS[proto_type]).pack
    if proto_type in (betterproto2.TYPE_SINT32, betterproto2.TYPE_SINT64):
        return lambda value: VARINTS[value << 1 if value >= 0 else ~(value << 1)]
    return VARINTS.__getitem__


def _tagged(key: bytes, body: Encoder) -> Encoder:
    return lambda value: key + body(value)


def _delimited(number: int, body: Encoder) -> Encoder:
    key = tag(number, LENGTH_DELIMITED)

    def field(value: Any) -> bytes:
        encoded = body(value)
        return key + VARINTS[len(encoded)] + encoded

    return field


def _message(number: int, messages: MessageEncoders) -> Encoder:
    """Return the encoder of a nested message; its class is compiled when first met, so classes may nest in a ring."""
    key = tag(number, LENGTH_DELIMITED)

    def field(value: Any) -> bytes:
        encoded = messages[type(value)](value)
        return key + VARINTS[len(encoded)] + encoded

    return field


def _each(element: Encoder) -> Encoder:
    return lambda values: b"".join([element(value) for value in values])


def _packed(meta: betterproto2.FieldMetadata) -> Encoder:
    number = _number(meta.proto_type)
    return _delimited(meta.number, lambda values: b"".join([number(value) for value in values]))


def _entries(number: int, key: Encoder, value: Encoder) -> Encoder:
    """Return the encoder of a map: one entry after another in the dict's order, defaults written out."""
    entry = _delimited(number, lambda item: key(item[0]) + value(item[1]))
    return lambda mapping: b"".join([entry(item) for item in mapping.items()])


def _unwrapped(message_class: type[betterproto2.Message]) -> Encoder:
    """Return the encoder of a well-known message that betterproto2 shows as a Python value."""
    if message_class is protobuf.Duration:
        return _duration
    if message_class is protobuf.Timestamp:
        return _timestamp
    return _wrapper(message_class)


def _wrapper(message_class: type[Any]) -> Encoder:
    """Return the encoder of `google.protobuf.UInt32Value` and its like, which leave out a default."""
    meta = betterproto2.FieldMetadata.get(dataclasses.fields(message_class)[0])
    default = message_class().value
    field = _single(meta, {})
    bounds = _WRAPPED_RANGES.get(meta.proto_type)
    if bounds is None:
        return lambda value: b"" if value == default else field(value)
    low, high = bounds

    def body(value: int) -> bytes:
        if not low <= value <= high:
            raise ValueError(f"{value} is no {message_class.__name__}: must be from {low} to {high}")
        return field(value) if value else b""

    return body


def _duration(value: datetime.timedelta) -> bytes:
    """Return the body of a `google.protobuf.Duration`.

    Here betterproto2 is wrong, so we differ: it writes -1.5 s as -1 s and +0.5 s, where protobuf wants one sign, and
    rounds microseconds away from 285 years on.
    """
    total = value // _MICROSECOND
    seconds, micros = divmod(abs(total), 10**6)
    sign = -1 if total < 0 else 1
    return _seconds_and_nanos(sign * seconds, sign * micros * 1000)


def _timestamp(value: datetime.datetime) -> bytes:
    """Return the body of a `google.protobuf.Timestamp`, whose nanoseconds are never negative."""
    if value.tzinfo is None:
        raise ValueError(f"timestamp {value.isoformat()} has no time zone; give it one")
    since = value - _EPOCH
    return _seconds_and_nanos(since.days * 86_400 + since.seconds, since.microseconds * 1000)


def _seconds_and_nanos(seconds: int, nanos: int) -> bytes:
    return (b"\x08" + VARINTS[seconds] if seconds else b"") + (b"\x10" + VARINTS[nanos] if nanos else b"")
