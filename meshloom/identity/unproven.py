"""Peers taken at their word: for ADS in clear, where nothing can be proven.

Law: only for a unix socket or a loopback address, whose reach the machine itself limits; elsewhere it is refused.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from meshloom.identity import claim
from translator import proxies
from xds import node as nodes
from xds import ports


@dataclass(frozen=True, slots=True)
class Unproven:
    """What a peer in clear has proven: nothing."""


NOTHING: Final = ports.Proof(Unproven())


class Trusting:
    """Believes every peer, and lets it have what it asks for (`xds.ports.Gatekeeper`)."""

    async def proof(self, caller: ports.Caller) -> ports.Proof | ports.Refusal:
        """Ask for nothing."""
        return NOTHING

    def key(self, proof: ports.Proof, node: nodes.Node) -> proxies.Proxy | ports.Refusal:
        """Return the proxy that a node claims to be, or why it cannot be understood."""
        return claimed(node)

    def denied(self, proof: ports.Proof, key: Hashable) -> ports.Refusal | None:
        """Deny nothing."""
        return None


def claimed(node: nodes.Node) -> proxies.Proxy | ports.Refusal:
    """Return the proxy that a node claims to be, or why it cannot be understood."""
    if not 0 < len(node.id) <= claim.NODE_ID_LIMIT:
        fault = f"the node id is empty or longer than {claim.NODE_ID_LIMIT} characters; {claim.REMEDY}"
        return ports.Refusal("UNAUTHENTICATED", fault, "claim")
    try:
        return claim.proxy(node.metadata)
    except claim.ClaimError as fault:
        return ports.Refusal("UNAUTHENTICATED", str(fault), "claim")
