"""Protobuf bytes of envoy-data-plane messages, by one encoder compiled per message class.

Law: `encode(message)` is byte for byte betterproto2's `bytes(message)`, only faster (one exception:
`wire_fields._duration`). A message is trusted as it was built: its constructor checks it, nobody assigns to it later.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, TypeVar

import betterproto2
from envoy_data_plane.google import protobuf
from envoy_data_plane.message_pool import default_message_pool

from translator import wire_fields

M = TypeVar("M", bound=betterproto2.Message)


def encode(message: betterproto2.Message) -> bytes:
    """Return the protobuf encoding of a message.

    Raises ValueError for what a constructor lets pass: a wrapper's integer out of its type's range, a timestamp
    without a time zone.
    """
    return _ENCODERS[type(message)](message)


def varied(message: M, **fields: Any) -> M:
    """Return a copy of a message with other values in some of its fields, which are trusted: no constructor, which may
    cost more than all the rest of a message, sees them. Raises ValueError when there is no such field.
    """
    unknown = fields.keys() - message.__dict__.keys()
    if unknown:
        raise ValueError(f"{type(message).__name__} has no field {', '.join(sorted(unknown))}")
    copy = object.__new__(type(message))
    copy.__dict__.update(message.__dict__, **fields)
    return copy


def type_url(message_class: type[betterproto2.Message]) -> str:
    """Return the URL by which an `Any` names a class: `type.googleapis.com/envoy.config.cluster.v3.Cluster`."""
    return default_message_pool.type_to_url[message_class]


def packed(message: betterproto2.Message) -> protobuf.Any:
    """Return an `Any` that holds the message, for fields such as `typed_config`."""
    return protobuf.Any(type_url=type_url(type(message)), value=encode(message))


def any_bytes(url: str, *pieces: bytes) -> bytes:
    """Return the encoding of an `Any` around a message that is encoded already, in one or several pieces."""
    length = sum(map(len, pieces))
    return b"".join((_type_url(url), _VALUE, wire_fields.VARINTS[length], *pieces)) if length else _type_url(url)


_VALUE = wire_fields.tag(2, wire_fields.LENGTH_DELIMITED)


@functools.cache
def _type_url(url: str) -> bytes:
    return repeated(1, [url.encode()])


def repeated(field_number: int, bodies: Iterable[bytes]) -> bytes:
    """Return the encoding of a repeated message field whose elements are encoded already."""
    key = wire_fields.tag(field_number, wire_fields.LENGTH_DELIMITED)
    varints = wire_fields.VARINTS
    return b"".join([key + varints[len(body)] + body for body in bodies])


def spliced(message: betterproto2.Message, field_number: int, bodies: Iterable[bytes]) -> bytes:
    """Return the encoding of a message with elements that are encoded already in one of its repeated message fields.

    The elements go last. To protobuf the order of fields means nothing; the bytes are `encode`'s for the whole message
    when no field declared after this one is set. Raises ValueError when the message has no such field, or has elements
    in it.
    """
    name = _repeated_messages(type(message)).get(field_number)
    if name is None or getattr(message, name):
        trouble = "no repeated message field" if name is None else "elements already in field"
        raise ValueError(f"{type(message).__name__} has {trouble} {field_number}: splice into an empty one")
    return encode(message) + repeated(field_number, bodies)


@functools.cache
def _repeated_messages(message_class: type[Any]) -> dict[int, str]:
    fields = ((field, betterproto2.FieldMetadata.get(field)) for field in dataclasses.fields(message_class))
    return {
        meta.number: field.name
        for field, meta in fields
        if meta.repeated and meta.proto_type == betterproto2.TYPE_MESSAGE
    }


class _Encoders(dict[type, wire_fields.Encoder]):
    """The compiled encoders; one is compiled when its class is first met."""

    def __missing__(self, message_class: type) -> wire_fields.Encoder:
        self[message_class] = encoder = _compiled(message_class, self)
        return encoder


def _compiled(message_class: type, messages: wire_fields.MessageEncoders) -> wire_fields.Encoder:
    """Return the encoder of a message class: its fields in the order they are declared, then the unknown ones."""
    fields = [
        (field.name, _default(field), wire_fields.field_encoder(betterproto2.FieldMetadata.get(field), messages))
        for field in dataclasses.fields(message_class)
    ]

    def encoder(message: Any) -> bytes:
        values = message.__dict__
        parts = []
        for name, default, encoded in fields:
            value = values[name]
            if value is None or (default is not None and value == default):
                continue
            parts.append(encoded(value))
        parts.append(values["_unknown_fields"])
        return b"".join(parts)

    return encoder


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return what a field holds when it is not set; None for those that tell `not set` from zero or empty."""
    if field.default_factory is dataclasses.MISSING:
        raise TypeError(f"field {field.name} has no default: not a betterproto2 message")
    return field.default_factory()


_ENCODERS = _Encoders()
