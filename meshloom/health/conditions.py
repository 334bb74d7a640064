"""What must hold before this control plane is worth asking.

Law: pure. Ready means: every source is read, a configuration is made of it, and ADS is open. A pass that fails later
is said, and so is a kind that cannot be followed any more, but the last good configuration is still served, so
readiness stays.
"""

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from meshloom import worker
from watchers import standing


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


def followed(standings: Iterable[standing.Standing]) -> Conditions:
    """Return how each kind of a cluster is followed; Secrets, whose names are nobody's business, are one kind."""
    whole: dict[str, standing.Standing] = {}
    for each in standings:
        name = str(each)
        whole[name] = _worse(whole[name], each) if name in whole else each
    return tuple(Condition(name, each.is_synced, _follows(each)) for name, each in whole.items())


def _worse(one: standing.Standing, other: standing.Standing) -> standing.Standing:
    return max(one, other, key=lambda each: (not each.is_synced, bool(each.fault)))


def _follows(each: standing.Standing) -> str:
    meanwhile = "what was seen last is served" if each.is_synced else "it is not listed yet"
    if each.fault:
        since = datetime.datetime.fromtimestamp(each.since, datetime.UTC)
        return f"cannot be followed since {since:%Y-%m-%d %H:%M:%S} UTC ({each.fault}); {meanwhile}"
    return "is followed" if each.is_synced else meanwhile


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
