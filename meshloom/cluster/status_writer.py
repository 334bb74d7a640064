"""Statuses on their way to the API server: applied as ours alone, each when something is new.

Law: what was written in vain is not written again: a server that keeps something else than it was given is left alone
until there is something else to say.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from mesh import resources
from mesh.problems import Ref
from meshloom.cluster import events, writes
from meshloom.cluster.observed import Observed
from meshloom.status import documents, rounds
from watchers import api_server

WITHIN: Final = 5.0
"""Seconds for one write: less than what is left of a lease when its holder stops leading."""

_TIMES: Final = ("lastUpdatedTime", "lastTransitionTime")


class StatusWriter:
    """Writes statuses, and tells of what is new in them."""

    def __init__(self, api: api_server.ApiServer, observed: Observed, due: writes.Writes, told: events.Events) -> None:
        self._api, self._observed, self._due, self._events = api, observed, due, told
        self._vain: dict[Ref, tuple[bytes, bytes]] = {}

    def put(self, change: rounds.Change) -> None:
        """Have a status written, unless that was in vain the last time."""
        vain = self._vain.get(change.ref)
        if vain is None or vain != (timeless(change.after), self._observed.status(change.ref)):
            self._due.put(change.ref, lambda: self._write(change))

    def forget(self, ref: Ref) -> None:
        """Forget an object that is gone."""
        self._vain.pop(ref, None)

    async def _write(self, change: rounds.Change) -> None:
        """What was judged of an object that has been made anew since then is not said of the new one."""
        if change.uid != self._observed.uid(change.ref):
            return
        try:
            answer = await self._api.applied(path(change.ref, "status"), body(change), within=WITHIN)
        except api_server.ApiError as fault:
            if fault.status in writes.FINAL:
                self._vain[change.ref] = (timeless(change.after), self._observed.status(change.ref))
            raise
        self._observed.note(change.ref, answer)
        kept = self._observed.status(change.ref)
        if json.loads(kept) == change.after:
            self._vain.pop(change.ref, None)
        else:
            self._vain[change.ref] = (timeless(change.after), kept)
        for name, condition in documents.news(change.before, change.after):
            self._events.tell(change.ref, change.uid, name, condition)


def path(ref: Ref, subresource: str = "") -> str:
    """Return where an object of the nine kinds is."""
    plural = resources.KINDS[ref.kind].plural
    return api_server.path(resources.API_VERSION, plural, ref.namespace, ref.name, subresource)


def body(change: rounds.Change) -> Mapping[str, Any]:
    """Return what is applied. A uid in it would be of no use: the API server does not compare it with the object's."""
    metadata = {"namespace": change.ref.namespace, "name": change.ref.name}
    return {
        "apiVersion": resources.API_VERSION,
        "kind": change.ref.kind,
        "metadata": metadata,
        "status": change.after,
    }


def timeless(status: documents.Document) -> bytes:
    """Return a status without its times, to be compared."""
    return rounds.encoded(_without_times(status))


def _without_times(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _without_times(item) for key, item in value.items() if key not in _TIMES}
        case list():
            return [_without_times(item) for item in value]
        case _:
            return value
