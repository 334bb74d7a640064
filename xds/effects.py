"""What a state machine wants done or known: values, to be carried out by whoever owns the stream.

Law: effects are carried out in the order given; they hold finished bytes, and nothing is decided after them.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, an encoded response holding these resources and withdrawing `removed` (delta only)."""

    type_url: str
    nonce: str
    version: str
    data: bytes = field(repr=False)
    names: tuple[str, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acked:
    """The client accepted the response of this nonce."""

    type_url: str
    nonce: str
    version: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nacked:
    """The client refused the response of this nonce; `message` is in its own words (rule C7)."""

    type_url: str
    nonce: str
    version: str
    names: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """End the stream: the client broke the protocol. `code` is the name of a gRPC status code."""

    code: str
    message: str


Effect = Send | Acked | Nacked | Refuse
