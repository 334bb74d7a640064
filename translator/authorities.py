"""Which authorities (`pets`, `pets:9080`, `*.shop:80`) lead to which port of a service.

Law: a request's port is the one in its authority, else 80, else the only one there is; a service is never called on a
port that it does not have. A host with a port stands for itself alone; one without stands for every port, and who asks
for one that is not served is told which are.
"""

import re
from collections.abc import Iterable, Iterator

from mesh import graph, hosts
from mesh.hosts import Host

Domains = tuple[str, ...]
"""Envoy's patterns for authorities: exact, `*` and a suffix, a prefix and `*`, or `*`."""


def leading_to(service: graph.Service, port: int, called_by: Iterable[Host]) -> Domains:
    """Return the domains by which callers that use these hosts reach a port."""
    is_default = service.default_http_port() == port
    names = (host.name for host in called_by if host.port in (None, port))
    return tuple(dict.fromkeys(domain for name in names for domain in _domains(name, port, is_default)))


def _domains(name: str, port: int, is_default: bool) -> Iterator[str]:
    yield str(Host(name, port))
    if is_default:
        yield str(Host(name))


def leading_nowhere(service: graph.Service, called_by: Iterable[Host]) -> Domains:
    """Return the domains of hosts that stand for every port, asked for one that the service does not have.

    Wildcards with such a port are missing: Envoy has no domain for them; see `pattern_of_other_ports`.
    """
    is_ambiguous = service.default_http_port() == 0
    names = open_hosts(called_by)
    bare = (str(host) for host in names if is_ambiguous)
    ported = (f"{host}:{hosts.ANY}" for host in names if not host.is_wildcard)
    return tuple(dict.fromkeys((*bare, *ported)))


def open_hosts(called_by: Iterable[Host]) -> tuple[Host, ...]:
    """Return those of these hosts that stand for every port."""
    return tuple(host for host in called_by if host.port is None)


def wild(service: graph.Service, called_by: Iterable[Host]) -> tuple[Host, ...]:
    """Return the wildcards among these hosts with each port by which they reach the service."""
    wildcards = [host for host in called_by if host.is_wildcard]
    ports = service.ports()
    return tuple(Host(host.name, port) for host in wildcards for port in ports if host.port in (None, port))


def taken_by(wildcards: Iterable[Host], given: Iterable[Host]) -> Domains:
    """Return the domains of hosts for every port on those ports on which a wildcard covers them, each once."""
    known = [*given]
    found = (
        str(Host(host.name, wildcard.port))
        for wildcard in wildcards
        for host in known
        if host.name != wildcard.name and hosts.covers(Host(wildcard.name), host)
    )
    return tuple(dict.fromkeys(found))


def has_pattern(host: Host) -> bool:
    """Return whether a host is a wildcard for something; `*` is for everything, nothing is left of it to refuse."""
    return host.is_wildcard and host.name != hosts.ANY


def pattern_of_other_ports(wildcard: Host) -> str:
    """Return the RE2 pattern of the authorities that a wildcard covers and that name a port."""
    return f"(?i).+{re.escape(wildcard.name.removeprefix(hosts.ANY))}:[0-9]+"
