"""Kubernetes Events about conditions: what changed, in their words.

Law: few and slow, for people read them; the same thing said again is counted and makes no new Event. An Event that is
lost is no loss.
"""

import datetime
import hashlib
from typing import Any, Final, NamedTuple

from mesh import resources
from mesh.problems import Ref
from meshloom.cluster import writes
from meshloom.status import verdicts
from meshloom.status.documents import Condition
from watchers import api_server

PACE: Final = writes.Pace(rate=5.0, burst=25, together=2, most=500)
LONGEST_MESSAGE: Final = 1024
_CONFLICT: Final = 409
_WITHIN: Final = 5.0
_LONGEST_NAME: Final = 200


class Subject(NamedTuple):
    """Whom an Event is about, beside its namespace; without a uid whoever has the name."""

    api_version: str
    kind: str
    name: str
    uid: str = ""


class Events:
    """Tells of conditions; `instance` is who does."""

    def __init__(self, api: api_server.ApiServer, due: writes.Writes, instance: str) -> None:
        self._api, self._due, self._instance = api, due, instance

    def tell(self, ref: Ref, uid: str, name: str, condition: Condition) -> None:
        """Have an Event written about a condition of an object."""
        made = event(ref, uid, name, condition, self._instance)
        self._due.put(f"{name} of {ref}", lambda: self._write(made))

    def put(self, made: dict[str, Any]) -> None:
        """Have an Event written, in the place of one that says the same and is still due."""
        metadata = made["metadata"]
        self._due.put((metadata["namespace"], metadata["name"]), lambda: self._write(made))

    async def _write(self, made: dict[str, Any]) -> None:
        metadata = made["metadata"]
        collection = api_server.path("v1", "events", metadata["namespace"])
        when = {"firstTimestamp": (now := _now()), "lastTimestamp": now, "count": 1}
        try:
            await self._api.request("POST", collection, body={**made, **when}, within=_WITHIN)
        except api_server.ApiError as fault:
            if fault.status != _CONFLICT:
                raise
            await self._count(f"{collection}/{metadata['name']}", now)

    async def _count(self, path: str, now: str) -> None:
        before = await self._api.request("GET", path, within=_WITHIN)
        counted = {"count": int(before.get("count") or 1) + 1, "lastTimestamp": now}
        await self._api.request("PATCH", path, body=counted, content_type=api_server.MERGE_PATCH, within=_WITHIN)


def event(ref: Ref, uid: str, name: str, condition: Condition, instance: str) -> dict[str, Any]:
    """Return the Event about a condition, but for its times: its name is that of what it says."""
    said = f"{name} is {condition.status}: {condition.message}"
    digest = hashlib.blake2b("\n".join((uid, condition.reason, said)).encode(), digest_size=8).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": ref.namespace, "name": f"{ref.name[:_LONGEST_NAME]}.{digest}"},
        "involvedObject": {
            "apiVersion": resources.API_VERSION,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": uid,
        },
        "type": "Normal" if condition.status == verdicts.Truth.TRUE.value else "Warning",
        "reason": condition.reason,
        "message": verdicts.bounded(said, LONGEST_MESSAGE),
        "source": {"component": api_server.MANAGER},
        "reportingComponent": api_server.MANAGER,
        "reportingInstance": instance,
    }


def about(
    subject: Subject, namespace: str, reason: str, said: str, instance: str, *, is_warning: bool = True
) -> dict[str, Any]:
    """Return an Event about anything, but for its times: its name is that of what it says."""
    digest = hashlib.blake2b("\n".join((*subject, reason, said)).encode(), digest_size=8).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": namespace, "name": f"{subject.name[:_LONGEST_NAME]}.{digest}"},
        "involvedObject": {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "namespace": namespace,
            "name": subject.name,
            **({"uid": subject.uid} if subject.uid else {}),
        },
        "type": "Warning" if is_warning else "Normal",
        "reason": reason,
        "message": verdicts.bounded(said, LONGEST_MESSAGE),
        "source": {"component": api_server.MANAGER},
        "reportingComponent": api_server.MANAGER,
        "reportingInstance": instance,
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
