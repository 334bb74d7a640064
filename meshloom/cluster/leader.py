"""The one replica that writes: it holds the Lease `meshloom-leader`, and has duties for as long as it does.

Law: whoever does not lead has no duties; they end before anybody else may begin. Nothing that goes wrong is raised.
"""

import asyncio
import contextlib
import datetime
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from meshloom.cluster import election
from watchers import api_server

_CHANCE = random.SystemRandom()
"""So that not all come at once."""

LEASE: Final = "meshloom-leader"
JITTER: Final = 0.2
"""By this part of the time between them looks at the lease come later, so that candidates spread."""

_API: Final = "coordination.k8s.io/v1"
_AGAIN: Final = 5.0
"""Seconds until a duty that failed, which is a fault of ours, is taken up again."""

_log = structlog.get_logger()

Duty = Callable[[], Coroutine[Any, Any, None]]
"""What is done while leading, without end; it is cancelled when leading ends."""


class Observer(Protocol):
    """Who wants to know."""

    def leads(self, is_leading: bool) -> None:
        """Note whether this replica leads."""


@dataclass(frozen=True, slots=True)
class Place:
    """The namespace of the lease, and who asks for it: `identity` is of this process alone."""

    namespace: str
    identity: str


class Leader:
    """A candidate, and the leader from time to time. On one event loop."""

    def __init__(
        self,
        api: api_server.ApiServer,
        place: Place,
        duties: Mapping[str, Duty],
        observer: Observer,
        terms: election.Terms = election.USUAL,
    ) -> None:
        """`duties` are named for the log."""
        self._api, self._place, self._duties, self._observer, self._terms = api, place, duties, observer, terms
        self._path = api_server.path(_API, "leases", place.namespace, LEASE)
        self._seen: election.Seen | None = None
        self._until = 0.0
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._end: asyncio.TimerHandle | None = None
        self._fault = ""

    @property
    def is_leading(self) -> bool:
        """Whether this replica leads now."""
        return _now() < self._until

    @property
    def holder(self) -> str:
        """Who held the lease when it was last looked at, empty if nobody did."""
        return self._seen.holder if self._seen is not None else ""

    async def run(self) -> None:
        """Stand for election until cancelled; then let go of the lease."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(self._terms.retry * (1 + JITTER * _CHANCE.random()))
        finally:
            was_leading = self.is_leading
            await self._stop()
            if was_leading:
                await self._release()

    async def _look(self) -> None:
        """Take the lease, or renew it, if that may be."""
        begun = _now()
        try:
            is_mine = await self._claimed(begun)
        except api_server.ApiError as fault:
            self._failed(fault)
            return
        self._recovered()
        if is_mine:
            self._leads_until(begun + self._terms.lead)

    async def _claimed(self, begun: float) -> bool:
        if self._seen is None or not self.is_leading:
            await self._read()
        if self._seen is None:
            return await self._written("POST", None)
        if not election.is_free(self._seen, self._place.identity, begun, self._terms):
            self._overtaken()
            return False
        return await self._written("PUT", self._seen)

    async def _read(self) -> None:
        try:
            lease = await self._asked("GET", self._path)
        except api_server.ApiError as fault:
            if not fault.is_absent:
                raise
            self._seen = None
        else:
            self._seen = election.seen(self._seen, lease, _now())

    async def _written(self, method: str, before: election.Seen | None) -> bool:
        """Return whether the lease is ours. Where somebody else has written or deleted it, it is read again."""
        record = election.claim(before, self._place.identity, datetime.datetime.now(datetime.UTC), self._terms)
        try:
            await self._put(method, record, before)
        except api_server.ApiError as fault:
            if fault.status != _CONFLICT and not (fault.is_absent and before is not None):
                raise
            await self._read()
            return False
        return True

    async def _put(self, method: str, record: election.Record, before: election.Seen | None) -> None:
        metadata = {"name": LEASE, "namespace": self._place.namespace, "labels": LABELS}
        version = {"resourceVersion": before.version} if before is not None else {}
        body = {"apiVersion": _API, "kind": "Lease", "metadata": {**metadata, **version}, "spec": record}
        path = self._path if method == "PUT" else self._path.rpartition("/")[0]
        self._seen = election.seen(self._seen, await self._asked(method, path, body), _now())

    async def _asked(self, method: str, path: str, body: Any = None) -> Any:
        within = max(1.0, self._terms.duration - self._terms.lead)
        return await self._api.request(method, path, body=body, within=within)

    async def _release(self) -> None:
        with contextlib.suppress(api_server.ApiError):
            if self._seen is not None and self._seen.holder == self._place.identity:
                await self._put("PUT", election.release(self._seen, datetime.datetime.now(datetime.UTC)), self._seen)
                _log.info("leads no more: the lease is released")

    # ------------------------------------------------------------------------ duties

    def _leads_until(self, until: float) -> None:
        was_leading, self._until = bool(self._tasks), until
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(until - _now(), self._lapsed)
        if not was_leading:
            _log.info(f"leads: holds the lease {self._place.namespace}/{LEASE} as {self._place.identity}")
            self._observer.leads(True)
            self._tasks = tuple(asyncio.create_task(_done(name, duty)) for name, duty in self._duties.items())

    def _lapsed(self) -> None:
        _log.warning(f"leads no more: the lease could not be renewed within {self._terms.lead:g} s")
        self._cancel()

    def _overtaken(self) -> None:
        """End where somebody else was written into the lease while it was ours."""
        if self._tasks:
            _log.warning(f"leads no more: the lease is held by {self.holder}")
            self._cancel()

    def _cancel(self) -> tuple[asyncio.Task[None], ...]:
        ended, self._tasks, self._until = self._tasks, (), 0.0
        for task in ended:
            task.cancel()
        if ended:
            self._observer.leads(False)
        return ended

    async def _stop(self) -> None:
        if self._end is not None:
            self._end.cancel()
        await asyncio.gather(*self._cancel(), return_exceptions=True)

    def _failed(self, fault: api_server.ApiError) -> None:
        if fault.message != self._fault:
            self._fault = fault.message
            _log.warning(f"the lease {self._place.namespace}/{LEASE} cannot be read or written: {fault.message}")

    def _recovered(self) -> None:
        if self._fault:
            self._fault = ""
            _log.info(f"the lease {self._place.namespace}/{LEASE} can be read and written again")


LABELS: Final = {"app.kubernetes.io/name": "meshloom"}
_CONFLICT: Final = 409


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _done(name: str, duty: Duty) -> None:
    """Do a duty without end; one that fails by a fault of ours is taken up again."""
    while True:
        try:
            await duty()
        except Exception as error:  # whatever it is, the other duties go on
            _log.error(f"{name} failed. This is a fault of meshloom, please report it", exc_info=error)
        await asyncio.sleep(_AGAIN)
