"""What is expected of those who dial the proxy of a deployment themselves, with whatever they have.

Law: STRICT takes proven callers that a policy names, PERMISSIVE also everybody in clear, DISABLED everybody in clear.
"""

from dataclasses import dataclass

from tests.meaning import oracle
from tests.meaning import written_mesh as meshes
from tests.meaning.oracle import Ended, Expected, Status, only
from tests.meaning.written_mesh import Key, Written


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection to a port of a deployment.

    `is_tls` says whether there is a handshake, `is_ours` whether it is the mesh's (it offers the mesh's protocol).
    `shown` is the member whose certificate is shown, `root` the mesh that has issued it.
    """

    deployment: Key
    port: int
    is_tls: bool = False
    is_ours: bool = True
    shown: meshes.Member | None = None
    root: Key | None = None


def let_in(written: Written, dialled: Dialled) -> Expected:
    """Return what becomes of such a connection, of HTTP or TCP, as the port has it."""
    service = meshes.service_of(written, dialled.deployment)
    assert service is not None
    is_http = meshes.deployments(written, service)[dialled.deployment][dialled.port] in meshes.HTTP_FAMILY
    arrived = only(oracle.To(dialled.deployment, dialled.port))
    mode = meshes.mode(written, service)
    if not dialled.is_tls:
        return only(Ended()) if mode == "STRICT" else arrived
    if mode == "DISABLED" or (mode == "PERMISSIVE" and not dialled.is_ours):
        return only(Ended()) if is_http else arrived  # what is in the handshake is the application's own
    if not _is_member(written, service, dialled):
        return only(Ended())
    assert dialled.shown is not None
    kind, *key = dialled.shown
    is_let_in = meshes.may_reach(written, kind, (key[0], key[1]), service)
    return arrived if is_let_in else only(Status(403) if is_http else Ended())


def _is_member(written: Written, service: Key, dialled: Dialled) -> bool:
    """Return whether a certificate is one of the service's mesh, by who has issued it and by whose it is."""
    mesh = meshes.mesh_of(written, meshes.SERVICE, service)
    if dialled.shown is None or dialled.root != mesh:
        return False
    kind, *key = dialled.shown
    return meshes.mesh_of(written, kind, (key[0], key[1])) == mesh
