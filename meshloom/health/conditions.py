"""What must hold before this control plane is worth asking.

Law: pure. Ready means: every source is read, a configuration is made of it, and ADS is open. A pass that fails later
is said, but the last good configuration is still served, so readiness stays.
"""

import enum
from dataclasses import dataclass
from typing import Any

from meshloom import worker


class Ads(enum.Enum):
    """Where the ADS port stands."""

    CLOSED = "closed"
    OPEN = "open"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must hold; `reason` says how it stands."""

    name: str
    holds: bool
    reason: str


Conditions = tuple[Condition, ...]


def conditions(sources: str, observing: bool, status: worker.Status, ads: Ads) -> Conditions:
    """Return how each condition stands; `sources` names what is read."""
    return (_sources(sources, observing), _configuration(status), _ads(ads))


def is_ready(found: Conditions) -> bool:
    """Return whether all hold."""
    return all(each.holds for each in found)


def document(found: Conditions) -> dict[str, Any]:
    """Return them as `{"ready": …, "conditions": [{"name": …, "holds": …, "reason": …}]}`."""
    told = [{"name": each.name, "holds": each.holds, "reason": each.reason} for each in found]
    return {"ready": is_ready(found), "conditions": told}


def _sources(name: str, observing: bool) -> Condition:
    reason = f"{name} is read" if observing else f"{name} is not read yet; the log says what it waits for"
    return Condition("sources", observing, reason)


def _configuration(status: worker.Status) -> Condition:
    if status.last is None:
        waiting = "the first configuration could not be compiled; the log says why"
        return Condition("configuration", False, waiting if status.fault else "no configuration is compiled yet")
    newest = "the newest configuration could not be compiled and the last good one is served; the log says why"
    return Condition("configuration", True, newest if status.fault else "the newest configuration is served")


def _ads(ads: Ads) -> Condition:
    reasons = {
        Ads.CLOSED: "ADS is not open yet; it opens with the first configuration",
        Ads.OPEN: "ADS is open",
        Ads.STOPPING: "the control plane is stopping",
    }
    return Condition("ads", ads is Ads.OPEN, reasons[ads])
