"""Peers taken at their word: the identification for ADS in clear, where nothing can be proven.

Law: only for a unix socket or a loopback address, whose reach the machine itself limits; elsewhere it is refused.
"""

from collections.abc import Mapping

from meshloom.identity import claim
from translator import proxies
from xds import node as nodes
from xds import ports


async def identify(node: nodes.Node, peer_address: str, metadata: Mapping[str, str]) -> proxies.Proxy | ports.Refusal:
    """Return the proxy that a node claims to be, or why it cannot be understood (`xds.ports.Identify`)."""
    if not 0 < len(node.id) <= claim.NODE_ID_LIMIT:
        fault = f"the node id is empty or longer than {claim.NODE_ID_LIMIT} characters; {claim.REMEDY}"
        return ports.Refusal("UNAUTHENTICATED", fault)
    try:
        return claim.proxy(node.metadata)
    except claim.ClaimError as fault:
        return ports.Refusal("UNAUTHENTICATED", str(fault))
