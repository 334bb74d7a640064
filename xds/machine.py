"""The state machine of a stream as a session drives it, whichever variant it speaks.

Law: it decides and does nothing: each call returns what is to be sent or noted.
"""

from collections.abc import Mapping
from typing import Protocol

from xds import effects, gate, snapshot
from xds import node as nodes
from xds import standing as standings


class Machine(Protocol):
    """The state machine of a stream, of either variant, but for its requests."""

    @property
    def node(self) -> nodes.Node | None:
        """Who the client says it is, once it has said so (rule C1)."""

    def publish(self, new: snapshot.Snapshot) -> tuple[effects.Effect, ...]:
        """Take a snapshot."""

    def release(self, nonce: str) -> tuple[effects.Effect, ...]:
        """Stop waiting for the answer to a nonce."""

    @property
    def resting(self) -> bool:
        """Whether withdrawn clusters that nothing needs wait for time to pass."""

    @property
    def held_back(self) -> bool:
        """Whether anything waits for other resources."""

    def rests(self) -> None:
        """From now on leave withdrawn clusters in place until `rested` is called twice."""

    def rested(self) -> tuple[effects.Effect, ...]:
        """Note that a while has passed."""

    def waits(self) -> tuple[gate.Wait, ...]:
        """Return what is held back, and by what."""

    def holdings(self, type_url: str) -> Mapping[str, str]:
        """Return name -> version of what the client has accepted of a type."""

    def standing(self, type_url: str) -> standings.Standing:
        """Return how far the client is with a type."""
