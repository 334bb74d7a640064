"""Conditions of an object: their types, order, truths and reasons.

Law: reasons are those of the original (`docs/reference/status.md`), words are ours. What is said is bounded and
printable, for some of it comes from users and proxies.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from meshloom import plain

DEPENDENCIES: Final = "ServiceMeshDependenciesActive"
CONFIGURED: Final = "ServiceMeshConfigured"
ACTIVE: Final = "ServiceMeshActive"

SUCCESSFUL: Final = "Successful"
NOT_RESOLVED: Final = "DependenciesNotResolved"
STATE_CHANGED: Final = "LifecycleStateChanged"
INVALID: Final = "InvalidParameter"
"""What the original's API answered to a specification that it did not accept."""

LONGEST_MESSAGE: Final = 4096
MOST_LISTED: Final = 5
"""Faults that one message lists; the others are counted."""

_UNCONFIGURED_KINDS: Final = frozenset({"VirtualDeploymentBinding", "IngressGatewayDeployment"})
"""The two kinds that the original did not send to its cloud; they have no condition Configured."""


class Truth(enum.Enum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one condition."""

    truth: Truth
    reason: str
    message: str

    @property
    def is_true(self) -> bool:
        """Whether the condition holds."""
        return self.truth is Truth.TRUE


def condition_types(kind: str) -> tuple[str, ...]:
    """Return the types of conditions of a kind, in the order in which columns of `kubectl get` count on them."""
    return (DEPENDENCIES, ACTIVE) if kind in _UNCONFIGURED_KINDS else (DEPENDENCIES, CONFIGURED, ACTIVE)


def success(message: str) -> Verdict:
    """Return that a condition holds."""
    return Verdict(Truth.TRUE, SUCCESSFUL, message)


def bounded(text: str, most: int = LONGEST_MESSAGE) -> str:
    """Return a text as it may stand in a status."""
    return plain.printable(text, most)


def listed(faults: Iterable[str]) -> str:
    """Return several faults as one message; where they are many, the first, and how many more there are."""
    told = tuple(dict.fromkeys(faults))
    more = f"; and {len(told) - MOST_LISTED} more" if len(told) > MOST_LISTED else ""
    return bounded("; ".join(told[:MOST_LISTED]), LONGEST_MESSAGE - len(more)) + more
