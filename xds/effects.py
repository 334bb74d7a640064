"""What a state machine wants done or known: values, to be carried out by whoever owns the stream.

Law: effects are carried out in the order given; they hold finished bytes, and nothing is decided after them.
"""

from typing import NamedTuple

from xds import responses


class Send(NamedTuple):
    """Write this response."""

    response: responses.Response

    @property
    def type_url(self) -> str:
        """The type of its resources."""
        return self.response.type_url

    @property
    def nonce(self) -> str:
        """Its nonce."""
        return self.response.nonce

    @property
    def version(self) -> str:
        """Its version."""
        return self.response.content.version

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return self.response.data

    @property
    def names(self) -> tuple[str, ...]:
        """The resources in it."""
        return self.response.content.names

    @property
    def removed(self) -> tuple[str, ...]:
        """The names that it withdraws (delta only)."""
        return self.response.content.removed


class Acked(NamedTuple):
    """The client accepted the response of this nonce; of `names` it now holds what the snapshot says."""

    type_url: str
    nonce: str
    version: str
    names: tuple[str, ...]


class Nacked(NamedTuple):
    """The client refused the response of this nonce; `message` is in its own words (rule C7)."""

    type_url: str
    nonce: str
    version: str
    names: tuple[str, ...]
    message: str


class Refuse(NamedTuple):
    """End the stream: the client broke the protocol. `code` is the name of a gRPC status code."""

    code: str
    message: str


Effect = Send | Acked | Nacked | Refuse
