"""Pods that are marked as outdated, for those who have to make them anew themselves.

Law: written through the status of a pod, so that nothing else of a pod may be changed; what is written already is not
written again.
"""

from collections.abc import Mapping
from typing import Any, Final

from mesh.problems import Ref
from meshloom.cluster import writes
from meshloom.eviction import views
from meshloom.injector import contract
from watchers import api_server

PACE: Final = writes.Pace(rate=5.0, burst=25, together=2)
_WITHIN: Final = 5.0


class Marks:
    """Marks pods while `run` runs."""

    def __init__(self, api: api_server.ApiServer) -> None:
        self._api = api
        self._due = writes.Writes("mark", PACE, _Nobody())
        self._asked: Mapping[Ref, views.Mark] = {}

    async def run(self) -> None:
        """Write until cancelled."""
        await self._due.run()

    def forget(self) -> None:
        """Forget what was asked for."""
        self._asked = {}

    def want(self, marks: Mapping[Ref, views.Mark]) -> None:
        """Have pods marked, or no more."""
        before, self._asked = self._asked, marks
        for ref, mark in marks.items():
            if before.get(ref) != mark:
                self._put(ref, mark)

    def _put(self, ref: Ref, mark: views.Mark) -> None:
        self._due.put(ref, lambda: self._write(ref, mark))

    async def _write(self, ref: Ref, mark: views.Mark) -> None:
        at = api_server.path("v1", "pods", ref.namespace, ref.name, "status")
        await self._api.request("PATCH", at, body=patch(mark), content_type=api_server.MERGE_PATCH, within=_WITHIN)


class _Nobody:
    """Counts nothing."""

    def wrote(self, _what: str, _outcome: str) -> None:
        """Do nothing."""


def patch(mark: views.Mark) -> Mapping[str, Any]:
    """Return what is changed of a pod; another one that has its name is not changed."""
    said = "true" if mark.is_outdated else None
    return {"metadata": {"uid": mark.uid, "annotations": {contract.OUTDATED: said}}}
