"""What every request must satisfy, in both variants, before a state machine takes it.

Law: a refusal names the fault and the remedy, and never repeats more than a little of what the client sent.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from google.protobuf import message as protobuf

from xds import effects, resource_types
from xds.wire import discovery_pb2

R = TypeVar("R")

Request = discovery_pb2.DiscoveryRequest | discovery_pb2.DeltaDiscoveryRequest

MOST_WORDS: Final = 4096
"""Characters of a client's complaint that are kept."""

_SHOWN: Final = 120


Receive = Callable[[bytes], tuple[effects.Effect, ...]]
"""Takes an encoded request into a state machine, and returns what follows from it."""


Plain = Callable[[str, str], tuple[effects.Effect, ...] | None]
"""Takes the type URL and nonce of a request that says nothing else; None if that is not for it to take."""


def receiver(
    decode: Callable[[bytes], R], receive: Callable[[R], tuple[effects.Effect, ...]], plain: Plain | None = None
) -> Receive:
    """Return how to take encoded requests: what cannot be decoded is refused (rule C2).

    `plain`, if given, is asked first about what most requests of the delta variant are, an ACK and nothing else; it
    does what `receive` would.
    """

    def received(data: bytes) -> tuple[effects.Effect, ...]:
        said = plain_delta(data) if plain is not None else None
        if plain is not None and said is not None and (followed := plain(*said)) is not None:
            return followed
        try:
            request = decode(data)
        except protobuf.DecodeError:
            return (_UNDECODABLE,)
        return receive(request)

    return received


def plain_delta(data: bytes) -> tuple[str, str] | None:
    """Return type URL and nonce of an encoded DeltaDiscoveryRequest that holds nothing but these two, as encoders write
    it; None of any other, which may hold just as much.
    """
    end = 2 + data[1] if len(data) > 1 else 0
    type_url, nonce = _ENCODED_TYPES.get(data[:end]), data[end + 2 :]
    is_plain = data[end : end + 2] == b"\x32%c" % len(nonce) if len(nonce) <= _SHORT else False  # field 6
    return (type_url, nonce.decode()) if type_url is not None and is_plain and nonce.isdigit() else None


_SHORT: Final = 127  # bytes, whose number is one byte
_ENCODED_TYPES: Final = {b"\x12%c%b" % (len(url), url.encode()): url for url in resource_types.SUPPORTED}  # field 2


def refusal(request: Request, introduced: bool, names: int, most_names: int) -> effects.Refuse | None:
    """Return why a request cannot be taken; None if it can.

    `introduced` says that the stream has carried a node, `names` is the number of names in the longest list of the
    request, and `most_names` its limit.
    """
    if not introduced and not request.node.id:  # C1
        return _invalid("first request on a stream without a node id; set node.id in the proxy's bootstrap (rule C1)")
    if not request.type_url:  # C2
        return _invalid("request without type_url, which is mandatory on ADS; set it to the type asked for (rule C2)")
    if request.type_url not in resource_types.SUPPORTED:  # C2
        return _invalid(
            f"type_url {request.type_url[:_SHOWN]!r} is not served here; ask for one of "
            f"{', '.join(sorted(resource_types.SUPPORTED))} (rule C2)"
        )
    if names > most_names:
        return too_many(names, most_names)
    return None


def too_many(names: int, most_names: int) -> effects.Refuse:
    """Return the refusal of a request or subscription with more names than allowed."""
    message = (
        f"{names} resource names of one type, at most {most_names} are allowed; subscribe to fewer, or to all with '*'"
    )
    return effects.Refuse("RESOURCE_EXHAUSTED", message)


def complaint(request: Request) -> str | None:
    """Return the client's words if the request is a NACK, which is what `error_detail` means and nothing else (C7)."""
    return request.error_detail.message if request.HasField("error_detail") else None


def _invalid(message: str) -> effects.Refuse:
    return effects.Refuse("INVALID_ARGUMENT", message)


_UNDECODABLE: Final = effects.Refuse(
    "INVALID_ARGUMENT",
    "request is not an encoded message of this method; check that the client speaks envoy.service.discovery.v3 and "
    "calls the method of its variant",
)
