"""Kubernetes Events about pods that are created without the proxy that their labels ask for, or refused.

Law: as `meshloom.cluster.events`. A pod that is being created has no name yet that anybody could look for, so whoever
makes it is told.
"""

from typing import Any, Final

from meshloom.cluster import events, writes
from meshloom.injector.patch import Outcome
from meshloom.injector.pods import Json, Pod, mapping, objects
from watchers import api_server

PACE: Final = writes.Pace(rate=5.0, burst=25, together=2)
WHAT: Final = "event of a pod"
MOST: Final = 1000
"""Events that wait to be written; others are lost, for there is too much to read."""


class Missed:
    """Tells of pods (`injection.Missed`) as long as `run` runs; `instance` is who does."""

    def __init__(self, api: api_server.ApiServer, instance: str) -> None:
        self._due = writes.Writes(WHAT, PACE, _Nobody())
        self._events, self._instance = events.Events(api, self._due, instance), instance

    async def run(self) -> None:
        """Write until cancelled."""
        await self._due.run()

    def __call__(self, pod: Pod, outcome: Outcome) -> None:
        """Have an Event written; nothing where there is nobody to tell of it, or very much to tell already."""
        made = event(pod, outcome, self._instance)
        if made is not None and self._due.count < MOST:
            self._events.put(made)


class _Nobody:
    """Counts nothing: reviews are counted already."""

    def wrote(self, _what: str, _outcome: str) -> None:
        """Do nothing."""


def event(pod: Pod, outcome: Outcome, instance: str) -> Json | None:
    """Return the Event, but for its times: its name is that of what it says. None if it is about nobody."""
    about, problem = subject(pod), outcome.problem
    if about is None or problem is None:
        return None
    said = f"{'A pod is refused' if outcome.is_refused else 'A pod has no proxy'}: {problem}"
    return events.about(about, pod.namespace, f"Proxy{outcome.reason.value}", said, instance)


def subject(pod: Pod) -> events.Subject | None:
    """Return whom a pod is told of: who makes it, or the pod itself if it has a name."""
    for owner in objects(pod.metadata.get("ownerReferences")):
        if owner.get("controller") is True:
            return events.Subject(*(_text(owner.get(part)) for part in ("apiVersion", "kind", "name", "uid")))
    name = _text(mapping(pod.metadata).get("name"))
    return events.Subject("v1", "Pod", name, "") if name else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
