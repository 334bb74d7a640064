"""Who leads: a Lease that candidates take, renew and release, judged without trusting anybody's clock.

Law: pure. A lease is over when its record has not changed for as long as it promises, by the judge's own monotonic
clock from the moment at which it was first seen; times that are written are for people. A leader stops earlier than
others may begin.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Record = Mapping[str, Any]
"""The `spec` of a Lease (https://kubernetes.io/docs/concepts/architecture/leases/)."""

_LONGEST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds: how long a lease lasts, how long its holder leads without renewing it, and how often it is looked at.

    `duration - lead` is what a request that was begun while leading may still take.
    """

    duration: float = 15.0
    lead: float = 10.0
    retry: float = 2.0


USUAL: Final = Terms()


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease as it was seen; `at` is when its record was first as it is, by the monotonic clock."""

    version: str
    record: Record
    at: float

    @property
    def holder(self) -> str:
        """Who holds it, empty if nobody does."""
        return str(self.record.get("holderIdentity") or "")


def seen(before: Seen | None, lease: Mapping[str, Any], now: float) -> Seen:
    """Return what is known of a Lease that has just been read."""
    metadata, spec = lease.get("metadata"), lease.get("spec")
    version = str(metadata.get("resourceVersion", "")) if isinstance(metadata, Mapping) else ""
    record = spec if isinstance(spec, Mapping) else {}
    is_same = before is not None and before.version == version and before.record == record
    return Seen(version, record, before.at if before is not None and is_same else now)


def is_free(of: Seen, me: str, now: float, terms: Terms) -> bool:
    """Return whether a candidate may take the lease, or renew it."""
    return of.holder in ("", me) or now >= of.at + _promised(of.record, terms)


def claim(of: Seen | None, me: str, wall: datetime.datetime, terms: Terms) -> Record:
    """Return the record by which a candidate takes the lease, or renews it."""
    before: Record = of.record if of is not None else {}
    is_mine = of is not None and of.holder == me
    written = moment(wall)
    transitions = before.get("leaseTransitions")
    count = transitions if isinstance(transitions, int) else 0
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": max(1, round(terms.duration)),
        "acquireTime": before.get("acquireTime") if is_mine else written,
        "renewTime": written,
        "leaseTransitions": count if is_mine or of is None else count + 1,
    }


def release(of: Seen, wall: datetime.datetime) -> Record:
    """Return the record by which a holder lets go, so that the next need not wait."""
    return {**of.record, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": moment(wall)}


def moment(wall: datetime.datetime) -> str:
    """Return a time as Kubernetes' MicroTime."""
    return wall.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _promised(record: Record, terms: Terms) -> float:
    """Return how long a lease lasts: what its holder promised, but not what nobody would promise."""
    said = record.get("leaseDurationSeconds")
    is_sound = isinstance(said, int) and 0 < said <= _LONGEST
    return max(float(said), terms.duration) if is_sound and said is not None else terms.duration
