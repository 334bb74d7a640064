"""What stands where a sidecar would: an application that ends mutual TLS itself, with a certificate of its service.

The certificate is issued by the authority of the running control plane, so callers verify it as that of any sidecar.
"""

import socket
import ssl
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mesh import identity, inventory, mtls, resolve, resources
from mesh.problems import Ref
from meshloom.demo import application
from meshloom.identity import authorities
from meshloom.identity.authority import issue, keys, mesh_authority, rotation, succession

HOUR = 3600.0
Contexts = Mapping[Ref, ssl.SSLContext]
"""How the services that receive mutual TLS end it; the others are called in clear."""


class Server(application.Server):
    """An application behind TLS."""

    def __init__(self, listen: tuple[str, int], role: application.Role, context: ssl.SSLContext) -> None:
        super().__init__(listen, role)
        self.context = context

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        """Answer on one connection, in its own thread; a handshake that fails ends it."""
        try:
            request.settimeout(10)
            with self.context.wrap_socket(request, server_side=True) as tls:
                tls.settimeout(None)
                super().finish_request(tls, client_address)
        except OSError:
            return


def contexts(state: Path, written: Iterable[resources.Resource]) -> Contexts:
    """Return the TLS of each service of these resources; the control plane has made their authorities before."""
    graph = resolve.resolve(inventory.inventory_of(written)).graph
    found = (service for service in graph.services.values() if service.mode is not mtls.Mode.DISABLED)
    return {service.ref: context(state, service.mesh, service.identity) for service in found}


def context(state: Path, mesh: Ref, of: identity.Identity) -> ssl.SSLContext:
    """Return the server's side of TLS for an identity."""
    issuer, now = issuer_of(state, mesh, of.trust_domain), time.time()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(made, issue.leaf(issuer, keys.generated(), of, HOUR, now))
    made.load_verify_locations(cadata=issue.pem(issuer.certificate).decode())
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def issuer_of(state: Path, mesh: Ref, domain: str) -> issue.Issuer:
    """Return what the authority of a mesh signs with."""
    ground = succession.Ground(authorities.store(state), rotation.Policy())
    found = succession.Succession(mesh_authority.store_name(mesh, domain), domain, ground).recalled(time.time())
    assert found is not None, f"{mesh} has no authority in {state}"
    assert found.signer.issuer is not None
    return found.signer.issuer


def _load(into: ssl.SSLContext, leaf: issue.Leaf) -> None:
    """Load a certificate and its key, which Python reads from files alone."""
    with tempfile.NamedTemporaryFile() as chain, tempfile.NamedTemporaryFile() as key:
        for file, pem in ((chain, leaf.chain), (key, leaf.key.pem)):
            file.write(pem)
            file.flush()
        into.load_cert_chain(chain.name, key.name)


def server(listen: tuple[str, int], role: application.Role, tls: ssl.SSLContext | None) -> application.Server:
    """Return an application, behind TLS where there is a context for it."""
    return Server(listen, role, tls) if tls is not None else application.Server(listen, role)
