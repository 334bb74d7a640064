"""What the server asks of the program that runs it: who a peer is, and where to report what happens.

Law: declared by their user; the program supplies them. What a peer shows to prove who it is never prints.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from xds import node as nodes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a peer is not served; `code` is the name of a gRPC status code, for example UNAUTHENTICATED.

    `reason` is a word for metrics, one of few; empty where the code says enough.
    """

    code: str
    message: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """What the transport knows of who opened a stream, before anything was said on it.

    `address` is gRPC's, for example "ipv4:10.0.0.7:51234" or "unix:"; `metadata` are the request headers in lower case,
    binary ones left out. `certificate` is the client's, in PEM, empty if it has none; `chain` are the certificates that
    it sent beside it. The transport has seen that it has the key, and checked them against `Tls.client_ca`.
    """

    address: str
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    encrypted: bool = False
    certificate: bytes = field(default=b"", repr=False)
    chain: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a peer has proven; `until` is when it ends, in seconds of the server's clock, None if it does not."""

    of: Hashable
    until: float | None = None


class Gatekeeper(Protocol):
    """Finds out who opened a stream, and whether that still holds. Nothing of a stream is read before its proof."""

    async def proof(self, caller: Caller) -> Proof | Refusal:
        """Return what the peer has proven by how it connected, or why that is nothing."""

    def key(self, proof: Proof, node: nodes.Node) -> Hashable | Refusal:
        """Return the key of the snapshots that the node asks for, or why it cannot be understood.

        A key without a snapshot is fine: the stream waits for one (rule C14).
        """

    def denied(self, proof: Proof, key: Hashable) -> Refusal | None:
        """Return why a proof does not, or not any more, give access to this key; None if it does.

        Asked when a stream begins, and of every stream at `Server.review`; must return at once.
        """


class Observer(Protocol):
    """Told what happens on streams, for metrics. Calls come on the event loop and must return at once."""

    def opened(self, variant: str) -> None:
        """Note that a stream of this variant ("sotw" or "delta") was accepted."""

    def closed(self, variant: str) -> None:
        """Note that it ended, for whatever reason."""

    def refused(self, variant: str, code: str, reason: str) -> None:
        """Note that a stream was ended by the server with this status code, and the reason of the `Refusal`."""

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

    def refused(self, variant: str, code: str, reason: str) -> None:
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
