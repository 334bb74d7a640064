"""What the server asks of the program that runs it: who a peer is, and where to report what happens.

Law: declared by their user; the program supplies them.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from xds import node as nodes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a peer is not served; `code` is the name of a gRPC status code, for example UNAUTHENTICATED."""

    code: str
    message: str


class Identify(Protocol):
    """Finds out who opened a stream."""

    async def __call__(self, node: nodes.Node, peer_address: str, metadata: Mapping[str, str]) -> Hashable | Refusal:
        """Return the key of the snapshots for this peer, or why it gets none.

        `peer_address` is gRPC's, for example "ipv4:10.0.0.7:51234" or "unix:"; `metadata` are the request headers in
        lower case, binary ones left out. A key without a snapshot is fine: the stream waits for one (rule C14).
        """


class Observer(Protocol):
    """Told what happens on streams, for metrics. Calls come on the event loop and must return at once."""

    def opened(self, variant: str) -> None:
        """Note that a stream of this variant ("sotw" or "delta") was accepted."""

    def closed(self, variant: str) -> None:
        """Note that it ended, for whatever reason."""

    def refused(self, variant: str, code: str) -> None:
        """Note that a stream was ended by the server with this status code."""

    def sent(self, type_url: str, size: int) -> None:
        """Note a response of this many bytes."""

    def acked(self, type_url: str, seconds: float) -> None:
        """Note an ACK this long after the response was sent."""

    def nacked(self, type_url: str, seconds: float) -> None:
        """Note a NACK this long after the response was sent."""

    def overdue(self, type_url: str) -> None:
        """Note a response that nobody waits for any more, its answer did not come in time."""


class Silent:
    """An observer that does nothing."""

    def opened(self, variant: str) -> None:
        """Do nothing."""

    def closed(self, variant: str) -> None:
        """Do nothing."""

    def refused(self, variant: str, code: str) -> None:
        """Do nothing."""

    def sent(self, type_url: str, size: int) -> None:
        """Do nothing."""

    def acked(self, type_url: str, seconds: float) -> None:
        """Do nothing."""

    def nacked(self, type_url: str, seconds: float) -> None:
        """Do nothing."""

    def overdue(self, type_url: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM material of the server's end; `client_ca` makes client certificates mandatory."""

    certificate_chain: bytes
    private_key: bytes = field(repr=False)
    client_ca: bytes | None = None
