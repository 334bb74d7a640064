"""Calls out of the mesh, as the routes of callers lead them: which authorities lead to which exit.

Law: what a caller may not reach has no route. The hosts of the mesh are never outside: names are virtual hosts of their
own, and wildcards are routes behind all of them, where nothing of the mesh is left. Callers of equal scopes share all.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mesh import hosts, layers
from mesh.external import External
from mesh.hosts import Host
from mesh.layers import NEVER, Stage, same
from translator import bundles, exits, names, resources, routes, virtual_hosts, wire
from translator.bundles import Part
from translator.exits import Exit
from translator.resources import ResourceName
from translator.virtual_hosts import VirtualHost

_NAME = "[-a-z0-9_.]+"
_ADDRESS = r"([0-9.]+|\[[0-9a-f:.]+\])"
_ANY_PORT = ":[0-9]+"
_DEFAULT = 80
"""The port of a request whose authority names none."""


class Fronts(NamedTuple):
    """What leads outside: virtual hosts, and routes for all other hosts; `references` are what these lead to."""

    hosts: tuple[VirtualHost, ...] = ()
    routes: tuple[bytes, ...] = ()
    references: frozenset[ResourceName] = frozenset()


NOWHERE = Fronts()
"""What leads nowhere outside."""


@dataclass(frozen=True, slots=True)
class Egress:
    """All exits; for each distinct scope what leads to its own, and these."""

    exits: Stage[Exit, Part]
    fronts: Stage[str, Fronts]
    parts: Stage[str, Part]


NOBODY = Egress(NEVER, NEVER, NEVER)
"""What there is before anybody calls anything outside."""


def egress(outside: Mapping[str, External], previous: Egress) -> Egress:
    """Return how calls leave the mesh; `outside` says by the digest of a scope what there is to call."""
    every = layers.staged(previous.exits, (outside,), _exit_inputs, exits.of)
    fronts = layers.staged(previous.fronts, (outside,), layers.alone, front, (same,))
    parts = layers.staged(previous.parts, (outside, every.values), _part_inputs, bundles.merged)
    return Egress(every, fronts, parts)


def _exit_inputs(outside: Mapping[str, External]) -> dict[Exit, tuple[Exit]]:
    return {way: (way,) for external in outside.values() for way in ways(external)}


def _part_inputs(outside: Mapping[str, External], every: Mapping[Exit, Part]) -> dict[str, tuple[Part, ...]]:
    return {digest: tuple(every[way] for way in ways(external)) for digest, external in outside.items()}


# ---------------------------------------------------------------------------- exits


def ways(of: External) -> tuple[Exit, ...]:
    """Return the exits to what is outside for a caller."""
    named = ((kind, one) for kind, several in ((exits.HTTP, of.http), (exits.TLS, of.https)) for one in several)
    by_name = (Exit(kind, (one.name,), port, of.refused) for kind, one in named for port in _each(one.ports))
    by_address = (Exit(exits.TCP, one.networks, port, of.refused) for one in of.tcp for port in _each(one.ports))
    return (*by_name, *by_address)


def _each(ports: tuple[int, ...]) -> tuple[int, ...]:
    """Return the ports that have an exit each, so that one that goes ends nothing of the others; 0 is all."""
    return ports or (exits.EVERY_PORT,)


# ---------------------------------------------------------------------------- what leads there


def front(of: External) -> Fronts:
    """Return what leads a caller to what is outside for it."""
    every = ways(of)
    if not every:
        return NOWHERE
    exact = dict.fromkeys(one.name for one in (*of.http, *of.https) if not one.name.startswith(hosts.ANY))
    wide = [way for way in every if way.kind == exits.TCP or way.what[0].startswith(hosts.ANY)]
    own = (_of_name(name, [way for way in every if _is_open(way, name)]) for name in exact)
    kept = (_authority(host.name, exits.EVERY_PORT) for host in of.taken if host.is_wildcard)
    refusing = [wire.encode(routes.by_authority(each, refusal)) for each in kept for refusal in routes.refusals()]
    return Fronts((*own, *_inside(of.taken)), (*refusing, *_leading(wide)), frozenset(_references(every)))


def _is_open(way: Exit, name: str) -> bool:
    """Return whether an exit may be open to an exact name: by that name, by a wildcard, or as an address."""
    host = Host(name)
    return host.is_address if way.kind == exits.TCP else hosts.covers(Host(way.what[0]), host)


def _references(every: tuple[Exit, ...]) -> Iterator[ResourceName]:
    if any(way.kind == exits.HTTP for way in every):
        yield resources.CLUSTER, names.CONNECT
    for way in every:
        yield resources.CLUSTER, way.name
        yield resources.LISTENER, way.name


def _of_name(name: str, open_to_it: Iterable[Exit]) -> VirtualHost:
    """Return the virtual host of a name; what wildcards and networks open is open for it, too."""
    host = str(Host(name))
    refusing = map(wire.encode, routes.refusals())
    return virtual_hosts.joined(names.outside(name), (host, f"{host}:{hosts.ANY}"), [*_leading(open_to_it), *refusing])


def _inside(taken: Iterable[Host]) -> Iterator[VirtualHost]:
    """Yield the virtual host of the hosts of the mesh that would be taken for others outside."""
    domains = [domain for host in taken if not host.is_wildcard for domain in _domains(host)]
    if domains:
        refusing = [wire.encode(route) for route in routes.refusals()]
        yield virtual_hosts.joined(names.INSIDE, tuple(dict.fromkeys(domains)), refusing)


def _domains(host: Host) -> Iterator[str]:
    name = str(Host(host.name))
    if host.port in (None, _DEFAULT):
        yield name
    yield f"{name}:{hosts.ANY}" if host.port is None else str(host)


# ---------------------------------------------------------------------------- single routes


def _leading(to: Iterable[Exit]) -> tuple[bytes, ...]:
    """Return the encoded routes to these exits, which come with the nearest first of each kind.

    A CONNECT is handed on as it is where that is open; otherwise requests may come through it, and are looked at one by
    one. Networks come after names, which know better.
    """
    given = [*to]
    of_kind = {kind: [way for way in given if way.kind == kind] for kind in (exits.HTTP, exits.TLS, exits.TCP)}
    found = (
        *((way, True, routes.connects_by(way.name)) for way in (*of_kind[exits.TLS], *of_kind[exits.TCP])),
        *((way, True, routes.into_requests()) for way in of_kind[exits.HTTP]),
        *((way, False, routes.requests_to(way.name)) for way in (*of_kind[exits.HTTP], *of_kind[exits.TCP])),
    )
    return tuple(
        wire.encode(routes.by_authority(_authority(_name(way), way.port, is_connect), route))
        for way, is_connect, route in found
    )


def _name(way: Exit) -> str | None:
    return None if way.kind == exits.TCP else way.what[0]


def _authority(name: str | None, port: int, is_connect: bool = False) -> str:
    """Return the RE2 pattern of the authorities that a name has on a port; without a name those of addresses."""
    if name is None:
        host = _ADDRESS
    elif name == hosts.ANY:
        host = f"({_NAME}|{_ADDRESS})"
    elif name.startswith(hosts.ANY):
        host = f"{_NAME}{re.escape(name.removeprefix(hosts.ANY))}"
    else:
        host = re.escape(str(Host(name)))
    return f"(?i){host}{_port(port, is_connect)}"


def _port(port: int, is_connect: bool) -> str:
    named = _ANY_PORT if port == exits.EVERY_PORT else f":{port}"
    is_optional = not is_connect and port in (exits.EVERY_PORT, _DEFAULT)
    return f"({named})?" if is_optional else named
