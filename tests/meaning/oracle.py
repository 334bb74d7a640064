"""What is expected of requests and connections inside a mesh, straight from what is written.

Law: each function is a sentence of `docs/decisions`; an answer is a place with a chance, a status, or nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tests.meaning import written_mesh as meshes
from tests.meaning.written_mesh import Key, Short, Written

TCP, TLS = ("TCP",), ("TLS_PASSTHROUGH",)
FAMILIES = {"HTTP": meshes.HTTP_FAMILY, "TCP": TCP, "TLS": TLS}
EVERY_FAMILY = (*meshes.HTTP_FAMILY, *TCP, *TLS)
"""The protocols of a family; where a port is of several, the first counts."""


class To(NamedTuple):
    """A request or a connection arrives at this port of a deployment's application."""

    deployment: Key
    port: int
    path: str = ""
    host: str = ""


class Status(NamedTuple):
    """A proxy answers with this status."""

    code: int


class Ended(NamedTuple):
    """The connection is closed."""


Expected = Mapping[To | Status | Ended, Fraction]


def only(one: To | Status | Ended) -> Expected:
    """Return what is sure."""
    return {one: Fraction(1)}


def places(expected: Expected) -> Expected:
    """Return what is expected without the form in which requests arrive."""
    found: dict[To | Status | Ended, Fraction] = {}
    for one, chance in expected.items():
        bare = To(one.deployment, one.port) if isinstance(one, To) else one
        found[bare] = found.get(bare, Fraction(0)) + chance
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: by which host and port (None: none is named), for which path, of gRPC or not."""

    host: str
    port: int | None
    path: str
    is_grpc: bool = False

    @property
    def authority(self) -> str:
        """Return the authority that a client writes."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


# ---------------------------------------------------------------------------- requests of applications


def requested(written: Written, caller: Key, asked: Asked) -> Expected:
    """Return what becomes of a request that an application of a service sends to its sidecar."""
    service = _reached(written, caller, asked)
    if service is None:
        return only(Status(403))
    port = asked.port or default_port(written, service)
    if port not in ports(written, service, meshes.HTTP_FAMILY):
        return only(Status(404))
    return routed(written, service, port, asked.path, asked.is_grpc, asked.authority)


def tunnelled(written: Written, caller: Key, to: Asked, inside: Asked | None) -> Expected:
    """Return what becomes of a tunnel to a host and port: of requests inside of it for HTTP, else of the tunnel."""
    service = _reached(written, caller, to)
    if service is None:
        return only(Status(403))
    family = next((each for each in FAMILIES.values() if to.port in ports(written, service, each)), None)
    if family is None:
        return only(Status(404))
    if family is meshes.HTTP_FAMILY:
        return requested(written, caller, inside) if inside else only(Ended())
    return _opened(written, service, to.port or 0, family)


def _reached(written: Written, caller: Key, asked: Asked) -> Key | None:
    """Return the service that a caller means among those that it may reach: exact names before wildcards, long wildcards
    before short ones; a label that a service of its own namespace has means that one, at whatever port.

    Of services out of reach a caller knows nothing, so that a wildcard in reach answers for their hosts too (decision 8).
    """
    mesh, space = meshes.mesh_of(written, meshes.SERVICE, caller), caller[0]
    assert mesh is not None
    found = [one for one in meshes.claims(written, mesh) if one.space in (None, space) and _covers(one, asked.host)]
    own = {one.service for one in found if one.space and one.name == asked.host}
    hidden = [one for one in found if own and one.name == asked.host and one.service not in own]
    meant = [
        one
        for one in found
        if one not in hidden
        and _is_at(written, one, asked.port)
        and meshes.may_reach(written, meshes.SERVICE, caller, one.service)
    ]
    ranked = sorted(meant, key=lambda one: (one.name.startswith("*"), -len(one.name)))
    return ranked[0].service if ranked else None


def _covers(claim: meshes.Claim, host: str) -> bool:
    return claim.name == host or (claim.name.startswith("*") and host.endswith(claim.name[1:]))


def _is_at(written: Written, claim: meshes.Claim, port: int | None) -> bool:
    """Return whether a host is meant at a port: one without a port at each, one with a port there, if it is served."""
    if claim.port is None:
        return True
    wanted = default_port(written, claim.service) if port is None else port
    return claim.port == wanted and wanted in ports(written, claim.service, EVERY_FAMILY)


def ports(written: Written, service: Key, family: tuple[str, ...]) -> list[int]:
    """Return the ports of a service for protocols of one family."""
    listening = meshes.deployments(written, service).values()
    return sorted({port for each in listening for port, protocol in each.items() if protocol in family})


def default_port(written: Written, service: Key) -> int:
    """Return the port that is meant where none is named: 80, or the only one, or none."""
    found = ports(written, service, meshes.HTTP_FAMILY)
    return 80 if 80 in found else found[0] if len(found) == 1 else 0


# ---------------------------------------------------------------------------- routes


def routed(
    written: Written, service: Key, port: int, path: str, is_grpc: bool, host: str, rewrites_host: bool = False
) -> Expected:
    """Return where the tables of a service send a request to one of its ports, or else its policy."""
    for route in _rules(written, service, "httpRoute"):
        usable = _usable(written, service, port, route, meshes.HTTP_FAMILY)
        if usable and begins(path, route.get("path", "/")) and (is_grpc or not route.get("isGrpc")):
            return _shared(written, usable, path, host, rewrites_host) or only(Status(503))
    uniform = _uniform(written, service, port, meshes.HTTP_FAMILY)
    return _shared(written, uniform, path, host, rewrites_host) or only(Status(404))


def begins(path: str, prefix: str) -> bool:
    """Return whether a path begins with the segments of another one."""
    rooted = f"/{prefix.strip('/')}".rstrip("/")
    return f"{path.partition('?')[0]}/".startswith(f"{rooted}/")


def _rules(written: Written, service: Key, kind: str) -> Iterator[Short]:
    """Yield the rules of a kind of a service's tables: lower priorities first, then older tables."""
    tables = written.of("VirtualServiceRouteTable")
    own = [key for key, table in tables.items() if meshes.target(table["virtualService"], key) == service]
    for key in sorted(own, key=lambda key: (tables[key].get("priority", 500), tables[key].get("created", ""), key)):
        for rule in tables[key]["routeRules"]:
            yield from ({**route, "owner": key} for name, route in rule.items() if name == kind)


Weighted = list[tuple[Key, int, int]]
"""Deployment, port, weight."""


def _usable(written: Written, service: Key, port: int, route: Short, family: tuple[str, ...]) -> Weighted:
    """Return the destinations of a rule that are the service's and listen for its protocols."""
    listening = meshes.deployments(written, service)
    found = [
        (meshes.target(one["virtualDeployment"], route["owner"]), one.get("port", port), one["weight"])
        for one in route["destinations"]
    ]
    return [one for one in found if listening.get(one[0], {}).get(one[1]) in family]


def _uniform(written: Written, service: Key, port: int, family: tuple[str, ...]) -> Weighted:
    if written.of(meshes.SERVICE)[service].get("defaultRoutingPolicy", {}).get("type") != "UNIFORM":
        return []
    listening = meshes.deployments(written, service).items()
    return [(key, port, 1) for key, each in listening if each.get(port) in family]


def _shared(written: Written, shares: Weighted, path: str, host: str, rewrites_host: bool) -> Expected:
    """Return the chances of shares; a deployment that is not discovered answers 503; nothing of no shares."""
    whole, found = sum(weight for *_, weight in shares), {}
    for key, port, weight in shares:
        hostname = hostname_of(written, key)
        named = hostname if rewrites_host and hostname else host
        one = To(key, port, path, named) if hostname else Status(503)
        if weight:
            found[one] = found.get(one, Fraction(0)) + Fraction(weight, whole)
    return found


def hostname_of(written: Written, deployment: Key) -> str:
    """Return the name by which a deployment is found, empty where it is not to be."""
    return str(written.of(meshes.DEPLOYMENT)[deployment].get("serviceDiscovery", {}).get("hostname", ""))


# ---------------------------------------------------------------------------- connections of applications


def connected(written: Written, caller: Key, service: Key, port: int) -> Expected:
    """Return what becomes of a connection that an application opens to a port of a service, of TCP or of TLS; a port of
    both is nobody's.
    """
    found = [each for each in (TCP, TLS) if port in ports(written, service, each)]
    if len(found) != 1 or not meshes.may_reach(written, meshes.SERVICE, caller, service):
        return only(Ended())
    return _ends(_opened(written, service, port, found[0]))


def _opened(written: Written, service: Key, port: int, family: tuple[str, ...]) -> Expected:
    """Return where the first rule for a port with a listener sends connections, or else the policy: 404 for nowhere."""
    for route in _rules(written, service, {TCP: "tcpRoute", TLS: "tlsPassthroughRoute"}[family]):
        usable = _usable(written, service, port, route, family)
        if usable:
            return _shared(written, usable, "", "", False) or only(Status(404))
    return _shared(written, _uniform(written, service, port, family), "", "", False) or only(Status(404))


def _ends(expected: Expected) -> Expected:
    """Return what is expected where an answer with a status is a closed connection."""
    found: dict[To | Status | Ended, Fraction] = {}
    for one, chance in expected.items():
        ended = Ended() if isinstance(one, Status) else one
        found[ended] = found.get(ended, Fraction(0)) + chance
    return found or only(Ended())
