"""The gateways of a cluster: what is wanted of each is known after every pass, and brought about by whoever leads.

Law: what is wanted is worked out in the worker thread, from immutable values; nothing that goes wrong keeps
configuration from proxies.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

import structlog

from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from meshloom.gateways import operator, states, wanted
from meshloom.injector.terms import Terms
from watchers.api_server import ApiServer

_log = structlog.get_logger()

_READ: Final = ("IngressGatewayDeployment", "IngressGateway")


class Gateways:
    """Looks at passes (`worker.Onlooker`), and has the leader's duty `run`. Belongs to the event loop."""

    def __init__(self, api: ApiServer, terms: Terms, namespaces: tuple[str, ...]) -> None:
        """No namespaces: all of them."""
        self._api, self._terms, self._namespaces = api, terms, namespaces
        self._loop = asyncio.get_running_loop()
        self._wishes: wanted.Wishes = {}
        self._read: tuple[object, ...] = ()
        self._operator: operator.Operator | None = None

    @property
    def states(self) -> Mapping[Ref, states.State]:
        """How gateways are, by IngressGatewayDeployment; nothing is known of them where another leads."""
        return self._operator.states if self._operator is not None else {}

    def counted(self, observer: operator.Observer) -> None:
        """Count what is done from now on."""
        self._operator = operator.Operator(self._api, observer, self._namespaces)

    def passed(self, resolution: Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Take in what a pass found; called in the worker thread."""
        read = tuple(resolution.inventory.kinds.get(kind) for kind in _READ)
        if len(self._read) == len(read) and all(one is other for one, other in zip(read, self._read, strict=True)):
            return
        try:
            self._wishes = wanted.wishes(resolution, self._terms, self._wishes)
        except Exception as error:  # whatever it is, proxies are served
            _log.error("gateways cannot be worked out. This is a fault of meshloom, please report it", exc_info=error)
            return
        self._read = read
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wish, self._wishes)

    def _wish(self, wishes: wanted.Wishes) -> None:
        if self._operator is not None:
            self._operator.wish(wishes)

    async def run(self) -> None:
        """See to all gateways until cancelled."""
        if self._operator is None:
            raise RuntimeError("say first who counts")
        await self._operator.run()
