"""The way in to ADS as one piece: who is let in, what TLS shows and asks for, and who has to leave when that changes.

Law: what other threads read or bring are immutable values, each replaced as a whole; streams are the event loop's.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mesh import graph as graphs
from mesh import layers
from mesh.layers import Stage, same
from mesh.problems import Ref
from meshloom.identity import proofs, register
from xds import ports

Identities = Mapping[Ref, str]
"""The SPIFFE URIs of the proxies of VirtualDeployments and IngressGateways."""


@dataclass(frozen=True, slots=True)
class Own:
    """What the control plane's server shows: its certificate with those that lead to its root, its key, and the roots
    it is known by; all in PEM.
    """

    chain: bytes
    key: bytes = field(repr=False)
    root: bytes


@dataclass(frozen=True, slots=True)
class Places:
    """The URIs of services, gateways, and of the proxies of both; a change of routes costs a few looks."""

    services: Stage[Ref, str] = layers.NEVER
    gateways: Stage[Ref, str] = layers.NEVER
    proxies: Stage[Ref, str] = layers.NEVER


def places(of: graphs.Graph, previous: Places) -> Places:
    """Return the URIs of all proxies of a graph."""
    services = layers.staged(previous.services, (of.services,), layers.alone, _uri, (same,))
    gateways = layers.staged(previous.gateways, (of.gateways,), layers.alone, _uri, (same,))
    found = layers.grouped(previous.proxies, (of.deployments, services.values, gateways.values), _placed)
    return Places(services, gateways, found)


def _uri(owner: graphs.Service | graphs.Gateway) -> str:
    return owner.identity.uri


def _placed(deployments: Mapping[Ref, graphs.Deployment], services: Identities, gateways: Identities) -> Identities:
    return {**{ref: services[deployment.service] for ref, deployment in deployments.items()}, **gateways}


class Entrance:
    """`gatekeeper` is for the ADS server; `by_token` and `by_certificate` are its TLS (`xds.doors.Listen`).

    Call `load` and `serve` before the server starts, `follow` beside it; `serve` for each certificate of the server's
    own, `expect` for each change of the meshes.
    """

    def __init__(
        self,
        store: register.Store,
        now: Callable[[], float],
        *,
        in_clear: bool = False,
        kubernetes: proofs.Kubernetes | None = None,
    ) -> None:
        self._register = register.Register(store)
        self._own: Own | None = None
        self._identities: Identities = {}
        self._roots: Mapping[str, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._review: Callable[[], None] = _nothing
        self.gatekeeper = proofs.Gatekeeper(self._register, self, now, in_clear=in_clear, kubernetes=kubernetes)

    async def load(self) -> None:
        """Read tokens' keys and revocations. Raises errors.UserError."""
        await self._register.load()

    async def follow(self, review: Callable[[], None]) -> None:
        """Keep to what is revoked until cancelled; `review` (`xds.server.Server.review`) is called for each change."""
        self._review, self._loop = review, asyncio.get_running_loop()
        try:
            await self._register.follow(review)
        finally:
            self._review, self._loop = _nothing, None

    def serve(self, own: Own) -> None:
        """Show another certificate from now on."""
        self._own = own

    def expect(self, identities: Identities, roots: Mapping[str, bytes]) -> None:
        """Take which proxies there are and by which roots their meshes know them, from any thread; streams that have no
        right to go on are ended.
        """
        self._identities, self._roots = identities, roots
        if (loop := self._loop) is not None:
            loop.call_soon_threadsafe(self._reviewed)

    def by_token(self) -> ports.Tls:
        """Return the TLS of clients that show a token."""
        own = self._served()
        return ports.Tls(own.chain, own.key)

    def by_certificate(self) -> ports.Tls:
        """Return the TLS of clients that show a certificate of any mesh; where there is none, nobody can have one."""
        own = self._served()
        clients = b"".join(roots for _, roots in sorted(self._roots.items()))
        return ports.Tls(own.chain, own.key, clients or own.root)

    def identity(self, owner: Ref) -> str | None:
        """Return the SPIFFE URI of a proxy (`proofs.Directory`)."""
        return self._identities.get(owner)

    def roots(self, trust_domain: str) -> bytes:
        """Return the roots of a mesh (`proofs.Directory`)."""
        return self._roots.get(trust_domain, b"")

    def _reviewed(self) -> None:
        self._review()

    def _served(self) -> Own:
        if self._own is None:
            raise RuntimeError("there is no certificate to serve with; give one before the server starts")
        return self._own


def _nothing() -> None:
    pass
