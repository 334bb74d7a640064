"""All that one replica does about statuses: it follows passes and proxies, tells the others, and writes if it leads.

Law: nothing is decided here; the parts are put together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshloom.cluster import events, finalizers, leader, reports, status_writer, statuses, streams, writes
from meshloom.cluster.observed import Observed
from meshloom.operator import api as operator_api
from meshloom.status import deployed
from watchers.api_server import ApiServer

STATUS, EVENT, FINALIZER = "status", "event", "finalizer"
SORTS: Final = (STATUS, EVENT, FINALIZER)
"""What is written, as it is counted."""


class StatusDuties:
    """`observed` takes in objects (`watchers.kube.Aside`), `passes` what passes find. On one event loop."""

    def __init__(self, api: ApiServer, replica: reports.Replica, gateways: deployed.Deployed) -> None:
        """`gateways` says how those are that this replica has deployed."""
        self.observed, self.passes = Observed(), statuses.Passes()
        self._api, self._replica, self._gateways = api, replica, gateways

    def begun(self, connected: streams.Peers, snapshots: operator_api.Snapshots, counted: writes.Observer) -> "Begun":
        """Return what a replica with these proxies does."""
        written = writes.Writes(STATUS, writes.Pace(), counted)
        said = writes.Writes(EVENT, events.PACE, counted)
        guarded = writes.Writes(FINALIZER, writes.Pace(), counted)
        told = events.Events(self._api, said, self._replica.name)
        writer = status_writer.StatusWriter(self._api, self.observed, written, told)
        guard = finalizers.Finalizers(self._api, guarded)
        seen = streams.Streams(connected, snapshots)
        rounds = statuses.Statuses(self.passes, seen, self.observed, writer, guard, self._gateways)
        telling = reports.Reports(self._api, self._replica, rounds.look)
        duties = {f"writing of {one}": each.run for one, each in zip(SORTS, (written, said, guarded), strict=True)}
        return Begun(telling.run, {"saying what is so": lambda: rounds.lead(telling), **duties})


@dataclass(frozen=True, slots=True)
class Begun:
    """What every replica does until it is cancelled, and the duties of the one that leads."""

    run: leader.Duty
    duties: Mapping[str, leader.Duty]
