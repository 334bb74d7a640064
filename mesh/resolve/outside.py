"""What policies open to services outside of the mesh: who may call what, in one table a mesh.

Law: what belongs to the mesh is not outside, whatever a policy calls it. A name that a service has is that service's;
what only a wildcard would take from the mesh is kept apart, and stays closed to whoever may not call the service.
"""

import dataclasses
import ipaddress
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from mesh import external, graph, hosts, problems, resources
from mesh.external import External, Networks, Outside
from mesh.hosts import ANY, Host
from mesh.problems import Problem, Ref
from mesh.resolve.claims import Claims
from mesh.resolve.references import Settled

EVERY = "*"
Side = Ref | str
"""A VirtualService or an IngressGateway by its address, or EVERY VirtualService of the mesh."""

HTTP, HTTPS, TCP = "httpExternalService", "httpsExternalService", "tcpExternalService"
"""The kinds of external services, as policies call them."""

Ports = tuple[int, ...]


class Way(NamedTuple):
    """A caller, a kind, a host name or network outside, and the ports that are open to the caller; none is all."""

    source: Side
    kind: str
    what: str
    ports: Ports


class Opening(NamedTuple):
    """An external destination as a policy's rule has it, and whom the rule is for."""

    field: str
    source: Side
    service: resources.ExternalService


class Members(NamedTuple):
    """Where the deployments of a mesh are found, and the ports of TCP that they have, each with its service."""

    places: tuple[tuple[Host, Ref], ...] = ()
    tcp: tuple[tuple[int, Ref], ...] = ()


def members(deployments: Iterable[graph.Deployment]) -> Members:
    """Return what of the deployments of a mesh could be taken for something outside, in order."""
    given = [*deployments]
    named = ((one, one.hostname) for one in given if one.hostname)
    places = ((host, one.service) for one, name in named if (host := hosts.parsed_host(name)))
    tcp = ((each.port, one.service) for one in given for each in one.listeners if each.family is graph.Family.TCP)
    return Members(tuple(sorted(set(places), key=_by_host)), tuple(sorted(set(tcp))))


def _by_host(place: tuple[Host, Ref]) -> tuple[object, Ref]:
    return place[0].precedence, place[1]


def ways(ref: Ref, claims: Claims, inside: Members, *openings: Opening) -> Settled[tuple[Way, ...]]:
    """Return the ways that a policy opens; what belongs to the mesh, by its claims or members, is not among them."""
    owners = _owners(claims, inside) if any(_named(one.service) for one in openings) else {}
    found = [(field, way, _owner(owners, way)) for one in openings for field, way in _each(one)]
    opened = tuple(way for _, way, owner in found if owner is None)
    wrong = (_inside(ref, field, way, owner) for field, way, owner in found if owner)
    odd = (problem for field, way, _ in found for problem in _shadowed(ref, field, way, inside))
    return Settled(opened, (*wrong, *odd))


def _named(service: resources.ExternalService) -> bool:
    return service.http_external_service is not None or service.https_external_service is not None


def _each(opening: Opening) -> Iterator[tuple[str, Way]]:
    """Yield what an opening names and how, with its field; what cannot be read is left out."""
    at, source, service = opening
    kinds = (service.http_external_service, service.https_external_service, service.tcp_external_service)
    if sum(kind is not None for kind in kinds) != 1:
        return
    for kind, by_name in ((HTTP, kinds[0]), (HTTPS, kinds[1])):
        for index, text in enumerate(by_name.hostnames if by_name else ()):
            host = hosts.parsed_host(text)
            if by_name and host and not (kind == HTTPS and host.is_address):
                yield f"{at}.{kind}.hostnames[{index}]", Way(source, kind, host.name, _in_order(by_name.ports))
    for index, text in enumerate(kinds[2].ip_addresses if kinds[2] else ()):
        network = hosts.parsed_network(text)
        if kinds[2] and network:
            yield f"{at}.{TCP}.ipAddresses[{index}]", Way(source, TCP, str(network), _in_order(kinds[2].ports))


def _in_order(ports: Iterable[int]) -> Ports:
    return tuple(sorted(set(ports)))


def _inside(ref: Ref, field: str, way: Way, owner: Ref) -> Problem:
    """Rule 2.13.39: what a service of the mesh is called by is not outside."""
    fault = f"{way.what} belongs to {owner} of this mesh and is not outside of it"
    return problems.error(ref, field, fault, f"let the rule's destination be virtualService {owner.name}")


def _shadowed(ref: Ref, field: str, way: Way, inside: Members) -> Iterator[Problem]:
    """Rule 2.13.41: a network of all addresses leaves the ports of TCP services to these."""
    if way.kind != TCP or not way.what.endswith("/0"):
        return
    taken = [(port, owner) for port, owner in inside.tcp if not way.ports or port in way.ports]
    for port, owner in taken[:1]:
        fault = f"{way.what} covers the addresses of {owner}, too, which is called on port {port} by TCP and keeps it"
        yield problems.warning(ref, field, fault, "write the networks that are outside, or other ports")


# ---------------------------------------------------------------------------- what belongs to the mesh


def _owners(claims: Claims, inside: Members) -> Mapping[str, Ref]:
    """Return by name whose the hosts are that stand for every port, and the places of deployments."""
    everywhere = ((host, ref) for ref, owned in claims.granted.items() for host in owned)
    local = (pair for owned in claims.local.values() for pair in owned)
    return {host.name: ref for host, ref in (*inside.places, *local, *everywhere) if host.port is None}


def _owner(owners: Mapping[str, Ref], way: Way) -> Ref | None:
    """Return the service that an exact name belongs to, by that name or by the nearest wildcard."""
    if way.kind == TCP:
        return None
    return next((owners[name] for name in _covering(way.what) if name in owners), None)


def _covering(name: str) -> Iterator[str]:
    """Yield a name and the wildcards that cover it, the nearest first."""
    labels = [] if Host(name).is_address else name.split(".")
    yield name
    yield from (".".join([ANY, *labels[index:]]) for index in range(1, len(labels)))
    yield ANY


def hosts_inside(claims: Claims, inside: Members) -> tuple[Host, ...]:
    """Return all hosts of the services of a mesh, and where their deployments are found, in order."""
    everywhere = (host for owned in claims.granted.values() for host in owned)
    local = (host for owned in claims.local.values() for host, _ in owned)
    places = (host for host, _ in inside.places)
    return tuple(sorted({*everywhere, *local, *places}, key=lambda host: host.precedence))


# ---------------------------------------------------------------------------- what one caller may reach


def reached(of: Iterable[Way], inside: tuple[Host, ...], refused: tuple[str, ...]) -> External:
    """Return what these ways lead to; `inside` are the hosts of the mesh, `refused` what is never outside."""
    by_kind: dict[str, list[Way]] = {HTTP: [], HTTPS: [], TCP: []}
    for way in of:
        by_kind[way.kind].append(way)
    http, https = _by_name(by_kind[HTTP]), _by_name(by_kind[HTTPS])
    wide = {Host(one.name) for one in (*http, *https) if one.name.startswith(ANY)}
    by_name = [host for host in inside if any(hosts.overlaps(one, host) for one in wide)] if wide else []
    networks = [network for way in by_kind[TCP] if (network := hosts.parsed_network(way.what))]
    by_address = [host for host in inside if host.is_address and _is_in(host, networks)] if networks else []
    return External(http, https, _by_ports(by_kind[TCP]), tuple(dict.fromkeys((*by_name, *by_address))), refused)


def _is_in(host: Host, networks: Iterable[hosts.IPNetwork]) -> bool:
    address = ipaddress.ip_address(host.name)
    return any(address in network for network in networks)


def without(leading: External, own: Collection[Host]) -> External:
    """Return it without those of the taken hosts by which the caller itself reaches a service."""
    return dataclasses.replace(leading, taken=tuple(host for host in leading.taken if host not in own))


def _by_name(of: Iterable[Way]) -> tuple[Outside, ...]:
    found: dict[str, list[Ports]] = {}
    for way in of:
        found.setdefault(way.what, []).append(way.ports)
    nearest_first = sorted(found, key=lambda name: Host(name).precedence)
    return tuple(Outside(name, _united(found[name])) for name in nearest_first)


def _united(several: Iterable[Ports]) -> Ports:
    given = [*several]
    return _in_order(itertools.chain.from_iterable(given)) if all(given) else ()


def _by_ports(of: Iterable[Way]) -> tuple[Networks, ...]:
    """Return which networks may be called on which ports, each port once; those for every port come last."""
    given = [*of]
    ports = _in_order(port for way in given for port in way.ports)
    on_others = _networks(way for way in given if not way.ports)
    on_port = {port: _networks(way for way in given if not way.ports or port in way.ports) for port in ports}
    alike: dict[tuple[str, ...], list[int]] = {}
    for port, networks in on_port.items():
        if networks != on_others:
            alike.setdefault(networks, []).append(port)
    some = (Networks(networks, tuple(on)) for networks, on in alike.items())
    return (*some, *([Networks(on_others)] if on_others else []))


def _networks(of: Iterable[Way]) -> tuple[str, ...]:
    parsed = (hosts.parsed_network(way.what) for way in of)
    return tuple(map(str, external.collapsed(network for network in parsed if network)))
