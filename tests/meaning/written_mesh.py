"""What people have written, read once more and by itself: who belongs where, who may call whom, whose is a host.

Law: straight from the YAML and from what the documents promise; nothing of the product is used here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str]
"""Namespace and name."""
Member = tuple[str, str, str]
"""A kind, a namespace and a name."""
Short = Mapping[str, Any]
"""An object as `tests.written` reads it: its kind with its address, its spec beside it."""

SERVICE, GATEWAY, DEPLOYMENT = "VirtualService", "IngressGateway", "VirtualDeployment"
HTTP_FAMILY = ("HTTP", "HTTP2", "GRPC")
LEVELS = ("DISABLED", "PERMISSIVE", "STRICT")


@dataclass(frozen=True, slots=True)
class Written:
    """The objects of a mesh, by kind and key."""

    objects: Mapping[str, Mapping[Key, Short]]

    def of(self, kind: str) -> Mapping[Key, Short]:
        """Return all objects of a kind."""
        return self.objects.get(kind, {})


def read(shorts: Iterable[Short]) -> Written:
    """Return what short documents say; of two at one address the later counts."""
    found: dict[str, dict[Key, Short]] = {}
    for short in shorts:
        kind = next(iter(short))
        namespace, _, name = short[kind].partition("/")
        found.setdefault(kind, {})[namespace, name] = short
    return Written(found)


def target(of: Short, owner: Key) -> Key:
    """Return what a reference means, whose namespace is that of its owner unless it names one."""
    return of["ref"].get("namespace", owner[0]), of["ref"]["name"]


def parent(written: Written, kind: str, key: Key, field: str, parent_kind: str) -> Key | None:
    """Return what an object belongs to, if that is there."""
    found = target(written.of(kind)[key][field], key)
    return found if found in written.of(parent_kind) else None


def mesh_of(written: Written, kind: str, key: Key) -> Key | None:
    """Return the mesh of a service or a gateway."""
    return parent(written, kind, key, "mesh", "Mesh")


def members(written: Written, kind: str, mesh: Key) -> list[Key]:
    """Return the services or the gateways of a mesh, older ones first."""
    found = [key for key in written.of(kind) if mesh_of(written, kind, key) == mesh]
    return sorted(found, key=lambda key: (written.of(kind)[key].get("created", ""), key))


def deployments(written: Written, service: Key) -> dict[Key, dict[int, str]]:
    """Return the deployments of a service, each with the protocols of its ports; of a port given twice the first."""
    found = [key for key in sorted(written.of(DEPLOYMENT)) if service_of(written, key) == service]
    return {key: _ports(written.of(DEPLOYMENT)[key]) for key in found}


def _ports(deployment: Short) -> dict[int, str]:
    return {one["port"]: one["protocol"] for one in reversed(deployment.get("listener", ()))}


def service_of(written: Written, deployment: Key) -> Key | None:
    """Return the service of a deployment, if that is in a mesh."""
    found = parent(written, DEPLOYMENT, deployment, "virtualService", SERVICE)
    return found if found and mesh_of(written, SERVICE, found) else None


def mode(written: Written, service: Key) -> str:
    """Return the mode of a service: its own, or that of its mesh where it has none or a lower one."""
    mesh = mesh_of(written, SERVICE, service)
    assert mesh is not None
    minimum = written.of("Mesh")[mesh].get("mtls", {}).get("minimum", "STRICT")
    own = written.of(SERVICE)[service].get("mtls", {}).get("mode", minimum)
    return max(own, minimum, key=LEVELS.index)


def identity(kind: str, key: Key, mesh: Key) -> str:
    """Return the URI in the certificate of a member."""
    segment = "vs" if kind == SERVICE else "ig"
    return f"spiffe://{mesh[1]}.{mesh[0]}.mesh/ns/{key[0]}/{segment}/{key[1]}"


# ---------------------------------------------------------------------------- access


def is_audit(written: Written, mesh: Key) -> bool:
    """Return whether a mesh lets everybody in and only counts."""
    return written.of("Mesh")[mesh].get("annotations", {}).get("meshloom.dev/access-policies") == "audit"


def allows(written: Written, kind: str, caller: Key, service: Key) -> bool:
    """Return whether some policy of the mesh of both lets a service or a gateway call a service."""
    mesh = mesh_of(written, kind, caller)
    return mesh == mesh_of(written, SERVICE, service) and any(
        _names(rule["source"], owner, kind, caller) and _names(rule["destination"], owner, SERVICE, service)
        for owner, rule in _rules(written, mesh)
    )


def _rules(written: Written, mesh: Key | None) -> Iterator[tuple[Key, Short]]:
    for key, policy in written.of("AccessPolicy").items():
        if target(policy["mesh"], key) == mesh:
            yield from ((key, rule) for rule in policy["rules"])


def _names(side: Short, owner: Key, kind: str, key: Key) -> bool:
    if "allVirtualServices" in side:
        return kind == SERVICE
    member = {"virtualService": SERVICE, "ingressGateway": GATEWAY}
    return any(member.get(name) == kind and target(of, owner) == key for name, of in side.items())


def may_reach(written: Written, kind: str, caller: Key, service: Key) -> bool:
    """Return whether a call of a member of the same mesh is let through, allowed or only counted."""
    mesh = mesh_of(written, kind, caller)
    is_watched = mesh == mesh_of(written, SERVICE, service) and mesh is not None and is_audit(written, mesh)
    return is_watched or allows(written, kind, caller, service)


# ---------------------------------------------------------------------------- hosts


@dataclass(frozen=True, slots=True)
class Claim:
    """A host that a service answers to; `space` is the only namespace whose callers mean this one by it."""

    name: str
    port: int | None
    service: Key
    space: str | None = None


def claims(written: Written, mesh: Key) -> list[Claim]:
    """Return whose the hosts of a mesh are: of the oldest that has them, single labels also of one of each namespace."""
    found: list[Claim] = []
    for service in members(written, SERVICE, mesh):
        for text in written.of(SERVICE)[service].get("hosts", ()):
            name, _, port = text.partition(":")
            claim = _claim(found, Claim(name, int(port) if port else None, service))
            found.extend([claim] if claim else [])
    return found


def _claim(earlier: list[Claim], wanted: Claim) -> Claim | None:
    rivals = [
        one
        for one in earlier
        if one.name == wanted.name
        and one.service != wanted.service
        and (one.port is None or wanted.port is None or one.port == wanted.port)
    ]
    if not rivals:
        return wanted
    is_label = "." not in wanted.name and "*" not in wanted.name
    is_first_here = all(one.service[0] != wanted.service[0] for one in rivals)
    return Claim(wanted.name, wanted.port, wanted.service, wanted.service[0]) if is_label and is_first_here else None
