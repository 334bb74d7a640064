"""What there is of gateways in the cluster, one kind at a time: listed, then watched, for ever.

Law: nothing is decided here; a fault is waited out and never raised, and what was seen last stands meanwhile.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from mesh.problems import Ref
from meshloom.gateways import labels, plan
from watchers import api_server, following, reflector

_CHANCE = random.SystemRandom()
"""So that not all come at once."""

_PACE: Final = following.Pace()

_log = structlog.get_logger()

Seen = Callable[[Ref, Mapping[str, Any] | None], None]
"""Is told of an object how it is, None when it is gone."""


class Sight:
    """The objects of one kind that carry the label of a gateway."""

    def __init__(self, kind: str, namespace: str, api: api_server.ApiServer, seen: Seen) -> None:
        """Of a namespace, or of all where it is empty."""
        self.complete = asyncio.Event()
        """Set once all that there is has been told."""
        self.refusal = ""
        """Why we may not look, empty where we may."""
        self._kind, self._api, self._seen = kind, api, seen
        self._path = api_server.path(*plan.KINDS[kind], namespace)
        self._reflector = reflector.Reflector()
        self._fault = ""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._reflector.pause(_CHANCE.random()))
            match self._reflector.request:
                case reflector.Page() as page:
                    await self._list(page)
                case reflector.Watch() as watch:
                    await self._watch(watch)

    async def _list(self, page: reflector.Page) -> None:
        query = {"labelSelector": labels.WATCHED, **page.query}
        try:
            self._take(self._reflector.listed(await self._api.request("GET", self._path, query)))
        except api_server.ApiError as error:
            self._failed(following.fault_of(error))

    async def _watch(self, watch: reflector.Watch) -> None:
        began, heard = time.monotonic(), 0
        seconds = _CHANCE.uniform(*_PACE.watch)
        query = {"labelSelector": labels.WATCHED, **watch.query(seconds)}
        try:
            async with contextlib.aclosing(self._api.lines(self._path, query, _PACE.silence)) as lines:
                async for line in lines:
                    heard += bool(line)
                    if line and not self._take(self._reflector.told(reflector.decoded(line))):
                        return
        except api_server.ApiError as error:
            self._failed(following.fault_of(error), time.monotonic() - began, heard)
        else:
            self._reflector.closed(time.monotonic() - began, heard)

    def _take(self, told: tuple[reflector.Told, ...]) -> bool:
        """Tell what was heard; return whether to go on listening."""
        for one in told:
            match one:
                case reflector.Here((namespace, name), document):
                    self._seen(Ref(self._kind, namespace, name), {**document, "kind": self._kind})
                case reflector.Gone((namespace, name)):
                    self._seen(Ref(self._kind, namespace, name), None)
                case reflector.Complete():
                    self.complete.set()
                    self._fault = self.refusal = ""
                case reflector.Fault():
                    self._failed(one, 0.0, 1)
                    return False
        return True

    def _failed(self, fault: reflector.Fault, lasted: float = 0.0, heard: int = 0) -> None:
        self._reflector.failed(fault, lasted, heard)
        self.refusal = fault.message if fault.status in _MAY_NOT else ""
        if fault.status != _EXPIRED and fault.message != self._fault:
            self._fault = fault.message
            _log.warning(f"the {plan.KINDS[self._kind].plural} of gateways cannot be watched: {fault.message}")


_EXPIRED: Final = 410
_MAY_NOT: Final = (401, 403)
