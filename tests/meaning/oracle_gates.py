"""What is expected of requests from outside, at a gateway that speaks HTTP in clear.

Law: the gateway's first rule for the host, port and path decides; inside it the tables of the service it leads to, on
the path as the gateway leaves it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.meaning import oracle
from tests.meaning import written_mesh as meshes
from tests.meaning.oracle import Expected, Status, only
from tests.meaning.written_mesh import Key, Short, Written


@dataclass(frozen=True, slots=True)
class Visit:
    """A request at a port of a gateway; the host may name a port, which does not count."""

    port: int
    host: str
    path: str
    is_grpc: bool = False


def visited(written: Written, gateway: Key, visit: Visit) -> Expected:
    """Return what becomes of a request from outside."""
    name = visit.host.partition(":")[0].lower()
    host = _host(written.of(meshes.GATEWAY)[gateway], name, visit.port)
    for rule in _rules(written, gateway) if host else ():
        if _is_meant(rule, str(host), visit):
            expected = _inside(written, gateway, rule, visit)
            if expected is not None:
                return expected
    return only(Status(404))


def _host(gateway: Short, name: str, port: int) -> str | None:
    """Return the gateway's host of a name at a port: an exact name before a wildcard, the longest first."""
    names = [
        (hostname, host["name"])
        for host in gateway["hosts"]
        for hostname in host["hostnames"]
        if any(listener["port"] == port for listener in host["listeners"])
    ]
    covering = [pair for pair in names if pair[0] == name or (pair[0][0] == "*" and name.endswith(pair[0][1:]))]
    ranked = sorted(covering, key=lambda pair: (pair[0][0] == "*", -len(pair[0])))
    return ranked[0][1] if ranked else None


def _rules(written: Written, gateway: Key) -> Iterator[Short]:
    """Yield the HTTP rules of a gateway's tables: lower priorities first, then by name."""
    tables = written.of("IngressGatewayRouteTable")
    own = [key for key, table in tables.items() if meshes.target(table["ingressGateway"], key) == gateway]
    for key in sorted(own, key=lambda key: (tables[key].get("priority", 500), key)):
        yield from (rule["httpRoute"] for rule in tables[key]["routeRules"])


def _is_meant(rule: Short, host: str, visit: Visit) -> bool:
    place = rule.get("ingressGatewayHost", {})
    return (
        place.get("name", host) == host
        and place.get("port", visit.port) == visit.port
        and oracle.begins(visit.path, rule.get("path", "/"))
        and (visit.is_grpc or not rule.get("isGrpc"))
    )


def _inside(written: Written, gateway: Key, rule: Short, visit: Visit) -> Expected | None:
    """Return what a rule makes of a request; None where it leads to no port, so that it does not count."""
    (to,) = rule["destinations"]
    service = meshes.target(to["virtualService"], gateway)
    if service not in written.of(meshes.SERVICE) or meshes.mesh_of(written, meshes.SERVICE, service) is None:
        return None
    if not meshes.may_reach(written, meshes.GATEWAY, gateway, service):
        return only(Status(403))
    port = to.get("port", oracle.default_port(written, service))
    if port not in oracle.ports(written, service, meshes.HTTP_FAMILY):
        return None
    path = _rewritten(visit.path, rule.get("path", "/")) if rule.get("isPathRewriteEnabled") else visit.path
    host = visit.host.partition(":")[0]
    return oracle.routed(written, service, port, path, visit.is_grpc, host, bool(rule.get("isHostRewriteEnabled")))


def _rewritten(path: str, prefix: str) -> str:
    """Return a path without the prefix that a gateway takes off, always with a single slash in front."""
    return "/" + path[len(prefix.rstrip("/")) :].lstrip("/")
