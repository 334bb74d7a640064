"""All that one replica does about statuses: it follows passes and proxies, tells the others, and writes if it leads.

Law: nothing is decided here; the parts are put together.
"""

from collections.abc import Mapping
from typing import Final

from meshloom.cluster import events, finalizers, leader, reports, status_writer, statuses, streams, writes
from meshloom.cluster.observed import Observed
from meshloom.operator import api as operator_api
from watchers.api_server import ApiServer

STATUS, EVENT, FINALIZER = "status", "event", "finalizer"
SORTS: Final = (STATUS, EVENT, FINALIZER)
"""What is written, as it is counted."""


class StatusDuties:
    """`observed` takes in objects (`watchers.kube.Aside`), `passes` what passes find. On one event loop."""

    def __init__(self, api: ApiServer, replica: reports.Replica, counted: writes.Observer) -> None:
        self.observed, self.passes = Observed(), statuses.Passes()
        self._api, self._replica = api, replica
        self._written = writes.Writes(STATUS, writes.Pace(), counted)
        self._told = writes.Writes(EVENT, events.PACE, counted)
        self._guarded = writes.Writes(FINALIZER, writes.Pace(), counted)
        self._finalizers = finalizers.Finalizers(api, self._guarded)
        told = events.Events(api, self._told, replica.name)
        self._writer = status_writer.StatusWriter(api, self.observed, self._written, told)

    def begun(self, connected: streams.Peers, snapshots: operator_api.Snapshots) -> "Begun":
        """Return the duties of a replica with these proxies."""
        looking = streams.Streams(connected, snapshots)
        rounds = statuses.Statuses(self.passes, looking, self.observed, self._writer, self._finalizers)
        told = reports.Reports(self._api, self._replica, rounds.look)
        return Begun(told, {"statuses": lambda: rounds.lead(told), **self._writing()})

    def _writing(self) -> Mapping[str, leader.Duty]:
        several = {"statuses": self._written, "events": self._told, "finalizers": self._guarded}
        return {f"writing {name}": one.run for name, one in several.items()}


class Begun:
    """What every replica does, and the duties of the one that leads."""

    def __init__(self, told: reports.Reports, duties: Mapping[str, leader.Duty]) -> None:
        self._told, self.duties = told, duties

    async def run(self) -> None:
        """Tell the other replicas of our proxies until cancelled."""
        await self._told.run()
