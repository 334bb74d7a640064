"""How the gateway of each IngressGatewayDeployment is: a fact for its status.

Law: pure; a fact changes only when what it says does.
"""

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

_STUCK = (("ReplicaFailure", "True"), ("Progressing", "False"))
"""Conditions of a Deployment that say why it is not available, before others."""


class Standing(enum.Enum):
    """AVAILABLE: there are pods to call. WAITING: not yet, or not any more. FAULTY: it cannot be as it should."""

    AVAILABLE = "available"
    WAITING = "waiting"
    FAULTY = "faulty"


class State(NamedTuple):
    """How a gateway is, and the words for it."""

    standing: Standing
    words: str


def faulty(words: str) -> State:
    """Return the state of a gateway that cannot be as it should."""
    return State(Standing.FAULTY, words)


def of_deployment(found: Mapping[str, Any] | None) -> State:
    """Return the state of a gateway whose objects are as they should be, by its Deployment."""
    if found is None:
        return State(Standing.WAITING, "the Deployment is being made")
    name = found["metadata"]["name"]
    said = {one.get("type"): one for one in (found.get("status") or {}).get("conditions") or ()}
    available = said.get("Available", {})
    if available.get("status") == "True":
        return State(Standing.AVAILABLE, f"Deployment {name} is available")
    stuck = next((said[kind] for kind, status in _STUCK if said.get(kind, {}).get("status") == status), available)
    words = str(stuck.get("message") or "its pods are being made")
    return State(Standing.WAITING, f"Deployment {name} is not available: {words}")
