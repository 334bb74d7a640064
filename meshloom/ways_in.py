"""The ways in to ADS: over TLS with a token, over TLS with a certificate, in clear on this machine; and who keeps them.

Law: what comes in over TLS proves who it is. The control plane's own certificate is renewed while it serves, and what
takes a proof away ends the streams that rest on it.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from mesh import graph, identity, inventory
from meshloom import addresses, errors, worker
from meshloom.identity import entrance, home, proofs, unproven
from meshloom.identity.authority import serving, succession
from meshloom.identity.authority.faults import AuthorityError
from xds import doors, ports, server

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ads:
    """Where ADS is served, and how proxies prove there who they are. `state` is where tokens and authorities are kept,
    `names` are names of the control plane beside its own, `kubernetes` is asked about tokens of ServiceAccounts.
    """

    state: home.Home
    in_clear: addresses.Address | None = None
    by_token: addresses.Socket | None = None
    by_certificate: addresses.Socket | None = None
    names: tuple[str, ...] = ()
    kubernetes: proofs.Kubernetes | None = None
    beside: tuple[Callable[[entrance.Own], None], ...] = ()
    """Who else takes the certificate of the server, whenever it is another."""

    def __str__(self) -> str:
        return ", ".join(str(each) for each in (self.by_token, self.by_certificate, self.in_clear) if each)


class WaysIn:
    """`gatekeeper` is for the ADS server. `now` is the clock, in seconds since the epoch."""

    def __init__(self, ads: Ads, now: Callable[[], float] = time.time) -> None:
        if ads.in_clear is not None and not addresses.is_private(ads.in_clear):
            raise errors.UserError(f"ADS in clear is for a unix socket or a loopback address, not for {ads.in_clear}")
        self._ads = ads
        self._entrance: entrance.Entrance | None = None
        self.gatekeeper: ports.Gatekeeper = unproven.Trusting()
        if ads.by_token or ads.by_certificate:
            ground = succession.Ground(ads.state.authorities, serving.POLICY)
            self._keeper = serving.ServerKeeper(ground, ads.state.published, now)
            self._entrance = entrance.Entrance(
                ads.state.tokens, now, in_clear=ads.in_clear is not None, kubernetes=ads.kubernetes
            )
            self.gatekeeper = self._entrance.gatekeeper

    def overheard(self, authority: worker.Authority) -> worker.Authority:
        """Return an authority that answers as this one, while what it says of the mesh is heard here."""
        return _Overheard(authority, self._entrance) if self._entrance else authority

    @contextlib.asynccontextmanager
    async def kept(self, ads: server.Server) -> AsyncIterator[None]:
        """Have certificate, tokens and revocations ready, and keep them current until the block ends.

        Raises errors.UserError.
        """
        if self._entrance is None:
            yield
            return
        async with self._ads.state.kept():
            first = await asyncio.to_thread(self._prepared)
            self._serve(self._entrance, first)
            await self._entrance.load()
            keeping = (
                asyncio.create_task(self._entrance.follow(ads.review)),
                asyncio.create_task(self._renewing(self._entrance, first.due)),
            )
            try:
                yield
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.gather(*keeping, return_exceptions=True)

    async def open(self, ads: server.Server) -> None:
        """Start the server. Raises errors.UserError where an address cannot be opened."""
        listens, options = [], {}
        for address, option, tls in self._wanted():
            if await _is_served(address):
                raise errors.UserError(f"{option}: something serves on {address} already; stop it, or choose another")
            listens.append(doors.Listen(str(address), tls))
            options[str(address)] = option
        try:
            with _for_this_user_alone():
                await ads.start(*listens)
        except doors.AddressError as fault:
            raise errors.UserError(
                f"{options[fault.address]}: {fault.address} cannot be opened; choose a free one where this user may "
                "create it"
            ) from None

    def _wanted(self) -> Iterator[tuple[addresses.Address, str, Callable[[], ports.Tls] | None]]:
        if self._entrance is not None and self._ads.by_token is not None:
            yield self._ads.by_token, "--ads", self._entrance.by_token
        if self._entrance is not None and self._ads.by_certificate is not None:
            yield self._ads.by_certificate, "--ads-mtls", self._entrance.by_certificate
        if self._ads.in_clear is not None:
            yield self._ads.in_clear, "--ads-plaintext", None

    def _prepared(self) -> serving.Serving:
        self._ads.state.tokens.signing()
        try:
            return self._keeper.credentials(self._ads.names)
        except AuthorityError as fault:
            raise errors.UserError(f"{self._ads.state.option}: {fault}") from None

    def _serve(self, into: entrance.Entrance, found: serving.Serving) -> None:
        own = _own(found)
        into.serve(own)
        for take in self._ads.beside:
            take(own)

    async def _renewing(self, into: entrance.Entrance, due: float) -> None:
        said = ""
        while True:
            await asyncio.sleep(max(_SOONEST, due))
            found = await asyncio.to_thread(self._keeper.credentials, self._ads.names)
            due = found.due
            self._serve(into, found)
            if found.fault and found.fault != said:
                _log.error(f"the control plane's own certificate cannot be kept: {found.fault}")
            said = found.fault
            for event in found.events:
                _log.info(f"{event.what.value}: {event.subject}")


_SOONEST = 0.1


def _own(found: serving.Serving) -> entrance.Own:
    return entrance.Own(found.leaf.chain, found.leaf.key.pem, found.roots.pem)


class _Overheard:
    """Tells the entrance whose proxies are whose, and what roots the meshes have (`meshloom.worker.Authority`)."""

    def __init__(self, authority: worker.Authority, told: entrance.Entrance) -> None:
        self._authority, self._told = authority, told
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = entrance.Places()
        self._roots: Mapping[str, bytes] = {}

    def credentials(
        self,
        of: graph.Graph,
        identities: frozenset[identity.Identity],
        seen: inventory.Inventory,
        held: worker.Held | None,
    ) -> worker.Issued:
        """Return the credentials of these identities now; called in the worker thread."""
        found = self._authority.credentials(of, identities, seen, held)
        before, self._places = self._places.proxies.values, entrance.places(of, self._places)
        known = self._places.proxies.values
        roots = {domain: bundle.pem for domain, bundle in found.roots.items()}
        if known is not before or roots != self._roots:
            self._told.expect(known, roots)
        self._roots = roots
        return found


@contextlib.contextmanager
def _for_this_user_alone() -> Iterator[None]:
    """Give mode 0600 to the socket that is made in the block, from the moment it exists."""
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


async def _is_served(address: addresses.Address) -> bool:
    """Return whether somebody answers there; the socket file that a killed program leaves does not count."""
    match address:
        case addresses.Pipe(path):
            connecting = asyncio.open_unix_connection(path)
        case addresses.Socket(host, port):
            connecting = asyncio.open_connection(host, port)
    try:
        _, writer = await connecting
    except OSError:
        return False
    writer.close()
    return True
