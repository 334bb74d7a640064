"""What callers share whose connections are captured by the kernel: routes by port, listeners by port and by address.

Law: as `translator.outbound`: what of a service callers have in common is built once for each service, what a caller
gets once for each distinct scope; each port and each address by itself, so that a change to one is no change to others.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mesh import graph, layers
from mesh.external import External
from mesh.layers import NEVER, Stage, same
from mesh.problems import Ref
from translator import (
    captured_doors,
    captured_egress,
    captured_listeners,
    captured_sites,
    filter_chains,
    names,
    outbound,
    route_configurations,
    virtual_hosts,
)
from translator.access_log import Owner
from translator.bundles import Part
from translator.captured_egress import Leaving
from translator.captured_sites import Bytes, HttpPort, Shape
from translator.doors import Door
from translator.egress import Fronts
from translator.outbound import Reach, SiteKey
from translator.proxies import Sidecar, Transparent
from translator.resources import EncodedResource
from translator.traffic import Traffic

Inputs = dict[Any, tuple[Any, ...]]


class Calling(NamedTuple):
    """A service whose applications call others, and whether the proxy has no IPv6."""

    caller: Ref
    is_ipv4_only: bool


class Sharing(NamedTuple):
    """A scope by its digest, for proxies with or without IPv6."""

    digest: str
    is_ipv4_only: bool


class Place(NamedTuple):
    """A scope by its digest, and a port that it has."""

    digest: str
    port: int


@dataclass(frozen=True, slots=True)
class Captured:
    """Who calls, by the digest of its scope; sites; places with their sites; then what there is for each."""

    calling: Stage[Calling, str]
    keys: Stage[SiteKey, None]
    shapes: Stage[SiteKey, Shape]
    http: Stage[SiteKey, tuple[HttpPort, ...]]
    bytes: Stage[SiteKey, Bytes]
    leaving: Stage[str, Leaving]
    places: Stage[Place, tuple[SiteKey, ...]]
    of_digest: Stage[str, tuple[Place, ...]]
    at_places: Stage[SiteKey, tuple[Place, ...]]
    configurations: Stage[Place, EncodedResource]
    routes: Stage[str, Part]
    """By the digest of a scope."""
    catching: Stage[Calling, EncodedResource]
    by_port: Stage[tuple[Calling, int], EncodedResource]
    listeners: Stage[Calling, Part]
    sharing: Stage[Sharing, None]
    by_address: Stage[Sharing, Part]


NOBODY = Captured(*[NEVER] * 16)
"""What there is where nobody's connections are captured."""


def captured(
    of: graph.Graph,
    proxies: Mapping[Sidecar, None],
    reach: Reach,
    owners: Mapping[Ref, Owner],
    outside: Mapping[str, External],
    kept: Traffic,
    previous: Captured,
) -> Captured:
    """Return what callers among these sidecars share; `owners` are their services, `outside` is what is not of the mesh
    by the digest of a scope.
    """
    calling = layers.grouped(previous.calling, (proxies, of.deployments, reach.scopes.values), _calling)
    keys = layers.grouped(previous.keys, (calling.values, reach.distinct.values), _keys)
    services, reads = reach.services.values, (same, same)
    shapes = layers.staged(previous.shapes, (keys.values, services), outbound.called_each, captured_sites.shape, reads)
    by_service = (same, layers.among(reach.of_service.values))
    given = (keys.values, of.services)
    http = layers.staged(
        previous.http, given, outbound.called, functools.partial(captured_sites.http, kept=kept), by_service
    )
    raw = layers.staged(
        previous.bytes, given, outbound.called, functools.partial(captured_sites.bytes_of, kept=kept), by_service
    )
    leaving = layers.staged(previous.leaving, (calling.values, outside), _leaving_inputs, captured_egress.leaving)
    placed = (calling.values, reach.distinct.values, shapes.values, leaving.values)
    places = layers.grouped(previous.places, placed, _places)
    of_digest = layers.grouped(previous.of_digest, (places.values,), _of_digest)
    at_places = layers.grouped(previous.at_places, (places.values,), _at_places)
    joining = (same, layers.among(at_places.values), layers.among(of_digest.values))
    told = (places.values, http.values, leaving.values)
    configurations = layers.staged(previous.configurations, told, _configuration_inputs, _configuration, joining)
    routes = layers.staged(previous.routes, (configurations.values,), _by_digest, _joined)
    catching = layers.staged(previous.catching, (calling.values, leaving.values), _catching_inputs, _catching)
    dialled = (calling.values, owners, places.values, shapes.values, leaving.values)
    by_port = layers.staged(previous.by_port, dialled, _listener_inputs, _listener)
    heard = (calling.values, catching.values, by_port.values)
    listeners = layers.staged(previous.listeners, heard, _by_calling, _joined)
    sharing = layers.grouped(previous.sharing, (calling.values,), _sharing)
    holders = reach.holders.values
    by_address = layers.staged(
        previous.by_address,
        (sharing.values, reach.distinct.values, raw.values),
        _address_inputs,
        _by_address,
        (same, _both, lambda key: [one for digest in holders.get(key, ()) for one in _both(digest)]),
    )
    sites = (calling, keys, shapes, http, raw, leaving, places, of_digest, at_places)
    return Captured(*sites, configurations, routes, catching, by_port, listeners, sharing, by_address)


def calling(proxy: Sidecar, deployments: Mapping[Ref, graph.Deployment]) -> Calling:
    """Return who calls by a proxy in transparent capture."""
    return Calling(
        deployments[proxy.deployment].service,
        isinstance(proxy.capture, Transparent) and proxy.capture.is_ipv4_only,
    )


def _calling(
    proxies: Mapping[Sidecar, None],
    deployments: Mapping[Ref, graph.Deployment],
    scopes: Mapping[Ref, outbound.Scoped],
) -> dict[Calling, str]:
    found = (calling(proxy, deployments) for proxy in proxies if isinstance(proxy.capture, Transparent))
    return {one: scopes[one.caller].digest for one in dict.fromkeys(found)}


def _keys(calling: Mapping[Calling, str], distinct: Mapping[str, tuple[SiteKey, ...]]) -> dict[SiteKey, None]:
    return {key: None for digest in dict.fromkeys(calling.values()) for key in distinct[digest]}


def _leaving_inputs(calling: Mapping[Calling, str], outside: Mapping[str, External]) -> dict[str, tuple[External]]:
    return {digest: (outside[digest],) for digest in dict.fromkeys(calling.values())}


def _places(
    calling: Mapping[Calling, str],
    distinct: Mapping[str, tuple[SiteKey, ...]],
    shapes: Mapping[SiteKey, Shape],
    leaving: Mapping[str, Leaving],
) -> dict[Place, tuple[SiteKey, ...]]:
    inside = layers.readers(
        (key, (Place(digest, port) for port in shapes[key].ports))
        for digest in dict.fromkeys(calling.values())
        for key in distinct[digest]
    )
    outside = (Place(digest, port) for digest, one in leaving.items() for port in one.ports)
    return {**dict.fromkeys(outside, ()), **inside}


def _of_digest(places: Mapping[Place, tuple[SiteKey, ...]]) -> dict[str, tuple[Place, ...]]:
    return layers.readers((place, (place.digest,)) for place in places)


def _at_places(places: Mapping[Place, tuple[SiteKey, ...]]) -> dict[SiteKey, tuple[Place, ...]]:
    return layers.readers(places.items())


# ---------------------------------------------------------------------------- requests


def _configuration_inputs(
    places: Mapping[Place, tuple[SiteKey, ...]],
    http: Mapping[SiteKey, tuple[HttpPort, ...]],
    leaving: Mapping[str, Leaving],
) -> Inputs:
    return {
        place: (
            place.port,
            leaving[place.digest].fronts,
            *(one for key in keys for one in http[key] if one.port == place.port),
        )
        for place, keys in places.items()
    }


def _configuration(port: int, outside: Fronts, *ports: HttpPort) -> EncodedResource:
    """Return the routes of a port: whatever no host is for, and is not outside, the caller may not reach."""
    nobody = virtual_hosts.of_nobody((), outside.routes)
    hosts = virtual_hosts.first_come((*captured_sites.side_by_side(ports), *outside.hosts, nobody))
    needed = (name for one in ports for name in one.references)
    return route_configurations.captured(port, hosts, (*needed, *outside.references))


def _by_digest(configurations: Mapping[Place, EncodedResource]) -> Inputs:
    return layers.readers((item, (place.digest,)) for place, item in configurations.items())


def _joined(*items: EncodedResource) -> Part:
    return items


# ---------------------------------------------------------------------------- listeners


def _catching_inputs(calling: Mapping[Calling, str], leaving: Mapping[str, Leaving]) -> Inputs:
    return {one: (one.is_ipv4_only, leaving[digest].of) for one, digest in calling.items()}


def _catching(is_ipv4_only: bool, outside: External) -> EncodedResource:
    found = tuple(captured_egress.by_address(outside, None, 4 if is_ipv4_only else None))
    needed = captured_egress.references(way for _, way in found)
    return captured_listeners.outbound(Door(tuple(chain for chain, _ in found), references=needed), is_ipv4_only)


def _listener_inputs(
    calling: Mapping[Calling, str],
    owners: Mapping[Ref, Owner],
    places: Mapping[Place, tuple[SiteKey, ...]],
    shapes: Mapping[SiteKey, Shape],
    leaving: Mapping[str, Leaving],
) -> Inputs:
    by_digest = _of_digest(places)
    return {
        (one, place.port): (
            owners[one.caller],
            one.is_ipv4_only,
            place.port,
            leaving[digest].of,
            *(shapes[key].at(place.port) for key in places[place]),
        )
        for one, digest in calling.items()
        for place in by_digest.get(digest, ())
    }


def _listener(caller: Owner, is_ipv4_only: bool, port: int, outside: External, *shapes: Shape) -> EncodedResource:
    requests = filter_chains.captured(caller, names.outbound_at(port))
    made = captured_doors.door(requests, port, shapes, outside, 4 if is_ipv4_only else None)
    return captured_listeners.outbound_at(port, made, is_ipv4_only)


def _by_calling(
    calling: Mapping[Calling, str],
    catching: Mapping[Calling, EncodedResource],
    by_port: Mapping[tuple[Calling, int], EncodedResource],
) -> Inputs:
    found = layers.readers((item, (one,)) for (one, _), item in by_port.items())
    return {one: (catching[one], *found.get(one, ())) for one in calling}


# ---------------------------------------------------------------------------- what is told by address


def _sharing(calling: Mapping[Calling, str]) -> dict[Sharing, None]:
    return dict.fromkeys(Sharing(digest, one.is_ipv4_only) for one, digest in calling.items())


def _both(digest: str) -> tuple[Sharing, Sharing]:
    return Sharing(digest, False), Sharing(digest, True)


def _address_inputs(
    sharing: Mapping[Sharing, None], distinct: Mapping[str, tuple[SiteKey, ...]], raw: Mapping[SiteKey, Bytes]
) -> Inputs:
    return {one: (one.is_ipv4_only, *(raw[key] for key in distinct[one.digest])) for one in sharing}


def _by_address(is_ipv4_only: bool, *several: Bytes) -> Part:
    """Return the listeners by address; of two services at one address the first has it."""
    items = [item for one in reversed(several) for item in reversed(one.part(is_ipv4_only))]
    return tuple(reversed({(item.type_url, item.name): item for item in items}.values()))
