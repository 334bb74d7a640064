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


def receiver(decode: Callable[[bytes], R], receive: Callable[[R], tuple[effects.Effect, ...]]) -> Receive:
    """Return how to take encoded requests: what cannot be decoded is refused (rule C2)."""

    def received(data: bytes) -> tuple[effects.Effect, ...]:
        try:
            request = decode(data)
        except protobuf.DecodeError:
            return (_UNDECODABLE,)
        return receive(request)

    return received


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
