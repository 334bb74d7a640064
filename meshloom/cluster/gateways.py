"""The gateways of a cluster: what is wanted of each is known after every pass, and brought about by whoever leads.

Law: what is wanted is worked out in the worker thread, from immutable values; nothing that goes wrong keeps
configuration from proxies.
"""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import structlog

from mesh.problems import Problem, Ref
from mesh.resolve import Resolution
from mesh.resources import Resource
from meshloom.gateways import operator, states, wanted
from meshloom.injector.terms import Terms
from watchers.api_server import ApiServer

_log = structlog.get_logger()

_READ: Final = ("IngressGatewayDeployment", "IngressGateway", "Mesh")

_Read = tuple[Mapping[Ref, Resource] | None, ...]


class Gateways:
    """Looks at passes (`worker.Onlooker`), and has the leader's duty `run`. Belongs to the event loop.

    Nothing is wanted before the terms are agreed upon: pods on others would be replaced twice at every start.
    """

    def __init__(self, api: ApiServer, namespaces: tuple[str, ...]) -> None:
        """No namespaces: all of them."""
        self._api, self._namespaces = api, namespaces
        self._loop = asyncio.get_running_loop()
        self._working = threading.Lock()
        self._last: Resolution | None = None
        self._wishes = _NO_WISHES
        self._terms: Terms | None = None
        self._made_of: tuple[Terms | None, _Read] = (None, ())
        self._operator: operator.Operator | None = None

    @property
    def states(self) -> Mapping[Ref, states.State]:
        """How gateways are, by IngressGatewayDeployment; nothing is known of them where another leads."""
        return self._operator.states if self._operator is not None else {}

    def counted(self, observer: operator.Observer) -> None:
        """Count what is done from now on."""
        self._operator = operator.Operator(self._api, observer, self._namespaces)

    async def agree(self, terms: Terms) -> None:
        """Have proxies run on these terms from now on."""
        self._terms = terms
        await asyncio.to_thread(self._work_out, None)

    def passed(self, resolution: Resolution, _problems: tuple[Problem, ...], /) -> None:
        """Take in what a pass found; called in the worker thread."""
        self._work_out(resolution)

    def _work_out(self, newest: Resolution | None) -> None:
        """Work out what is wanted after a pass, or on other terms after the last one."""
        with self._working:
            resolution, terms = newest or self._last, self._terms
            self._last = resolution  # the newest, for an older one would keep all that it means from being freed
            if terms is None or resolution is None or (terms, _read(resolution)) == self._made_of:
                return
            try:
                made = wanted.wishes(resolution, terms, self._wishes if terms == self._made_of[0] else _NO_WISHES)
            except Exception as error:  # whatever it is, proxies are served
                _log.error(_FAULT, exc_info=error)
                return
            self._wishes, self._made_of = made, (terms, _read(resolution))
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wish, made)

    def _wish(self, wishes: wanted.Wishes) -> None:
        if self._operator is not None:
            self._operator.wish(wishes)

    async def run(self) -> None:
        """See to all gateways until cancelled."""
        if self._operator is None:
            raise RuntimeError("say first who counts")
        await self._operator.run()


_NO_WISHES: Final[wanted.Wishes] = MappingProxyType({})
_FAULT: Final = "gateways cannot be worked out. This is a fault of meshloom, please report it"


def _read(resolution: Resolution) -> _Read:
    """Return what is read; kinds in which nothing has changed are the same objects."""
    return tuple(resolution.inventory.kinds.get(kind) for kind in _READ)
