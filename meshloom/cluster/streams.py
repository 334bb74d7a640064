"""How far the proxies of this replica are with what was published.

Law: on the event loop. A look costs what was said since the last one; who has accepted everything and was given nothing
else is not looked at, whatever was published to others.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from mesh.problems import Ref
from meshloom import short_names
from meshloom.identity import claim
from meshloom.operator import api, view
from meshloom.status import progress
from meshloom.status.progress import Proxies
from translator import proxies
from xds import peers

AT_ONCE: Final = 16
"""So many streams are looked at before the other tasks of the loop get their turn."""


class Peers(api.Peers, Protocol):
    """Who is connected (`xds.peers.Peers`)."""

    def stirred(self) -> frozenset[int]:
        """Return the streams of which something is new since this was asked last."""

    def view(self, stream: int) -> peers.PeerView | None:
        """Return one stream, None if it is gone."""

    def is_current(self, stream: int) -> bool:
        """Return whether a stream has been given the newest snapshot."""


class Streams:
    """Who has accepted all up to the newest pass, and who has yet to."""

    def __init__(self, connected: Peers, snapshots: api.Snapshots) -> None:
        self._peers, self._snapshots = connected, snapshots
        self._accepted: dict[int, Ref] = {}
        self._behind: dict[int, tuple[Ref, Proxies]] = {}
        self._number = self._last = 0

    async def look(self, number: int) -> None:
        """Take in how far the streams are; all snapshots of the pass of this number have been published."""
        self._last = self._number
        if number != self._number:
            self._passed()
            self._number = number
        for count, stream in enumerate(self._peers.stirred() | self._behind.keys(), 1):
            self._note(stream)
            if not count % AT_ONCE:
                await asyncio.sleep(0)

    def seen(self) -> tuple[tuple[Ref, Proxies], ...]:
        """Return each proxy with what its configuration is given by: a VirtualDeployment, an IngressGateway, or an
        IngressGatewayDeployment.
        """
        done = progress.proxy(self._number)
        return (*((owner, done) for owner in self._accepted.values()), *self._behind.values())

    def _passed(self) -> None:
        """Have those looked at who were given something new by a pass."""
        for stream in [one for one in self._accepted if not self._peers.is_current(one)]:
            self._behind[stream] = (self._accepted.pop(stream), progress.proxy(self._number))

    def _note(self, stream: int) -> None:
        owner, last = self._behind.pop(stream, (None, progress.proxy(progress.NEVER)))
        was_accepted = self._accepted.pop(stream, None) is not None
        through = self._last if was_accepted else next(iter(last.through))
        told = self._peers.view(stream)
        if told is None or not isinstance(told.peer.key, proxies.Proxy):
            return
        owner = owner or claim.given_by(told.peer.key)
        rejected = next((nack for type_of in told.types.values() for nack in type_of.nacks), None)
        if rejected is not None:
            words = progress.rejection(told.peer.node_id, rejected.message)
            self._behind[stream] = (owner, progress.proxy(through, words))
        elif self._has_all(stream, told.peer.key, told):
            self._accepted[stream] = owner
        else:
            self._behind[stream] = (owner, progress.proxy(through))

    def _has_all(self, stream: int, proxy: proxies.Proxy, told: peers.PeerView) -> bool:
        snapshot = self._snapshots.get(proxy)
        if snapshot is None or not self._peers.is_current(stream):
            return False
        standings = {type_url: self._peers.standing(stream, type_url) for type_url in short_names.OF}
        connected = view.Connected(proxy, told, standings, snapshot)
        return all(state in ("synced", "unused") for state in _states(connected, told.types))


def _states(connected: view.Connected, types: Mapping[str, peers.TypeView]) -> Iterator[str]:
    return (view.state(connected, type_url, types.get(type_url, peers.TypeView())) for type_url in short_names.OF)
