"""Which authorities (`pets`, `pets:9080`, `*.shop:80`) lead to which port of a service.

Law: a request's port is the one in its authority, else 80, else the only one there is; a service is never called on a
port that it does not have, and who tries is told which ports there are.
"""

from collections.abc import Iterable, Iterator, Mapping

from mesh import graph, hosts
from mesh.hosts import Host

Domains = tuple[str, ...]
"""Envoy's patterns for authorities: exact, `*` and a suffix, a prefix and `*`, or `*`."""


def leading_to_ports(service: graph.Service, called_by: Iterable[Host]) -> Mapping[int, Domains]:
    """Return the domains of each port of the HTTP family by which callers reach it through these hosts."""
    ports = _ports_by_name(service, called_by)
    default = service.default_http_port()
    return {port.port: tuple(_domains(port.port, ports, default)) for port in service.http}


def _domains(port: int, ports: Mapping[str, Domains | tuple[int, ...]], default: int) -> Iterator[str]:
    for name, served in ports.items():
        if port in served:
            yield str(Host(name, port))
            if port == default:
                yield str(Host(name))


def leading_nowhere(service: graph.Service, called_by: Iterable[Host]) -> Mapping[tuple[int, ...], Domains]:
    """Return the domains of known hosts with a port that they do not serve, by the ports that they do serve.

    Wildcards with an unknown port are not among them: Envoy has no pattern for that.
    """
    ports = _ports_by_name(service, called_by)
    default = service.default_http_port()
    groups = dict.fromkeys(ports.values())
    return {
        group: tuple(
            domain for name, served in ports.items() if served == group for domain in _others(name, served, default)
        )
        for group in groups
    }


def _others(name: str, served: tuple[int, ...], default: int) -> Iterator[str]:
    host = Host(name)
    if default not in served:
        yield str(host)
    if not host.is_wildcard:
        yield f"{host}:{hosts.ANY}"


def _ports_by_name(service: graph.Service, called_by: Iterable[Host]) -> Mapping[str, tuple[int, ...]]:
    """Return which of its ports a service is reached on by each of these names: all, or those that hosts name."""
    served = tuple(port.port for port in service.http)
    wanted: dict[str, set[int | None]] = {}
    for host in called_by:
        wanted.setdefault(host.name, set()).add(host.port)
    return {
        name: served if None in ports else tuple(port for port in served if port in ports)
        for name, ports in wanted.items()
    }
