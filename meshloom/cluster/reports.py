"""What replicas tell each other of their proxies: a ConfigMap for each, which the leader reads.

Law: written when something is new, at most every two seconds, and now and then to show that its writer lives; a report
in which nothing moves for long counts no more. It goes with its pod.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from watchers import api_server

EVERY: Final = 2.0
BEAT: Final = 30.0
"""Seconds after which a report is written again though nothing is new."""
STALE: Final = 90.0
"""Seconds after which a report in which nothing has moved is nobody's any more."""

_LABEL: Final = "meshloom.dev/report"
_NAME: Final = "meshloom-report-{}"
_KEY: Final = "proxies.json"
_WITHIN: Final = 5.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Replica:
    """This replica: the namespace it is in, the name of its pod or process, and the uid of its pod if it is one."""

    namespace: str
    name: str
    pod_uid: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    version: str
    text: str
    since: float


class Reports:
    """The reports of all replicas. On one event loop."""

    def __init__(self, api: api_server.ApiServer, replica: Replica, own: Callable[[], Awaitable[str]]) -> None:
        """`own` returns what this replica has to tell now."""
        self._api, self._replica, self._own = api, replica, own
        self._path = api_server.path("v1", "configmaps", replica.namespace)
        self._name = _NAME.format(replica.name)
        self._written, self._at, self._asked = "", 0.0, -EVERY
        self._others: dict[str, _Told] = {}
        self._fault = ""

    async def run(self) -> None:
        """Tell what is new until cancelled; then take the report back."""
        try:
            while True:
                await self._tell()
                await asyncio.sleep(EVERY)
        finally:
            if self._written:
                with contextlib.suppress(api_server.ApiError):
                    await self._api.request("DELETE", f"{self._path}/{self._name}", within=_WITHIN)

    async def others(self) -> tuple[str, ...]:
        """Return what the other replicas that live tell; what they told last where nobody answers."""
        now = _now()
        if now - self._asked >= EVERY:
            self._asked = now
            await self._ask()
        return tuple(told.text for told in self._others.values() if now - told.since < STALE)

    async def _ask(self) -> None:
        try:
            found = await self._api.request("GET", self._path, {"labelSelector": _LABEL}, within=_WITHIN)
        except api_server.ApiError as fault:
            self._said(fault.message)
        else:
            self._said("")
            self._others = dict(self._read(one) for one in found["items"] if one["metadata"]["name"] != self._name)

    async def _tell(self) -> None:
        text, now = await self._own(), _now()
        if text == self._written and now - self._at < BEAT:
            return
        beats = str(int(now))
        try:
            own = document(self._replica, self._name, text, beats)
            await self._api.applied(f"{self._path}/{self._name}", own, within=_WITHIN)
        except api_server.ApiError as fault:
            self._said(fault.message)
        else:
            self._written, self._at = text, now

    def _read(self, found: Mapping[str, Any]) -> tuple[str, _Told]:
        name, version = found["metadata"]["name"], found["metadata"]["resourceVersion"]
        before = self._others.get(name)
        if before is not None and before.version == version:
            return name, before
        return name, _Told(version, str((found.get("data") or {}).get(_KEY, "")), _now())

    def _said(self, fault: str) -> None:
        if fault and fault != self._fault:
            _log.warning(f"what replicas know of their proxies cannot be exchanged: {fault}")
        self._fault = fault


def document(replica: Replica, name: str, text: str, beat: str) -> Mapping[str, Any]:
    """Return the ConfigMap of a report."""
    owner = {"apiVersion": "v1", "kind": "Pod", "name": replica.name, "uid": replica.pod_uid}
    metadata = {
        "name": name,
        "namespace": replica.namespace,
        "labels": {"app.kubernetes.io/name": "meshloom", _LABEL: "proxies"},
        "annotations": {"meshloom.dev/beat": beat},
        **({"ownerReferences": [owner]} if replica.pod_uid else {}),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: text}}


def _now() -> float:
    return asyncio.get_running_loop().time()
