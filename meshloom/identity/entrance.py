"""The way in to ADS as one piece: who is let in, what TLS shows and asks for, and who has to leave when that changes.

Law: owned by the event loop; what gRPC's threads read is one immutable value, replaced as a whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mesh import graph as graphs
from mesh.problems import Ref
from meshloom.identity import proofs, register
from xds import ports


@dataclass(frozen=True, slots=True)
class Material:
    """What TLS needs: the certificate of the control plane's server with those that lead to its root, its key, its root,
    and the roots of each mesh by trust domain; all in PEM.
    """

    chain: bytes
    key: bytes = field(repr=False)
    root: bytes
    roots: Mapping[str, bytes] = field(default_factory=dict)


def identities(graph: graphs.Graph) -> Mapping[Ref, str]:
    """Return the SPIFFE URIs of the proxies of all VirtualDeployments and IngressGateways."""
    services = {deployment.ref: graph.services[deployment.service] for deployment in graph.deployments.values()}
    owners = (*services.items(), *graph.gateways.items())
    return {ref: owner.identity.uri for ref, owner in owners}


class Entrance:
    """`gatekeeper` is for the ADS server; `by_token` and `by_certificate` are its TLS (`xds.doors.Listen`).

    Call `load` before the server starts, `follow` beside it, and `admit` for each change of the mesh or of certificates.
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
        self._material: Material | None = None
        self._identities: Mapping[Ref, str] = {}
        self._review: Callable[[], None] = _nothing
        self.gatekeeper = proofs.Gatekeeper(self._register, self, now, in_clear=in_clear, kubernetes=kubernetes)

    async def load(self) -> None:
        """Read tokens' keys and revocations. Raises errors.UserError."""
        await self._register.load()

    async def follow(self, review: Callable[[], None]) -> None:
        """Keep to what is revoked until cancelled; `review` (`xds.server.Server.review`) is called for each change."""
        self._review = review
        try:
            await self._register.follow(review)
        finally:
            self._review = _nothing

    def admit(self, *, material: Material | None = None, identities: Mapping[Ref, str] | None = None) -> None:
        """Take what is new, and end the streams that have no right to go on."""
        if material is not None:
            self._material = material
        if identities is not None:
            self._identities = identities
        self._review()

    def by_token(self) -> ports.Tls:
        """Return the TLS of clients that show a token."""
        material = self._served()
        return ports.Tls(material.chain, material.key)

    def by_certificate(self) -> ports.Tls:
        """Return the TLS of clients that show a certificate by any mesh; where there is none, nobody can have one."""
        material = self._served()
        clients = b"".join(roots for _, roots in sorted(material.roots.items()))
        return ports.Tls(material.chain, material.key, clients or material.root)

    def identity(self, owner: Ref) -> str | None:
        """Return the SPIFFE URI of a proxy (`proofs.Directory`)."""
        return self._identities.get(owner)

    def roots(self, trust_domain: str) -> bytes:
        """Return the roots of a mesh (`proofs.Directory`)."""
        return self._material.roots.get(trust_domain, b"") if self._material else b""

    def _served(self) -> Material:
        if self._material is None:
            raise RuntimeError("there is no certificate to serve with; admit one before the server starts")
        return self._material


def _nothing() -> None:
    pass
