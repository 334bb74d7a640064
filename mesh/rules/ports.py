"""The ports that a proxy keeps for itself.

Law: they are listed once, here, and nobody else may listen on them.
"""

from collections.abc import Iterator, Mapping

from mesh import problems
from mesh.problems import Problem, Ref

ADMIN, STATISTICS, HEALTH = 9901, 15006, 15010

GATEWAY: Mapping[int, str] = {ADMIN: "administration", STATISTICS: "statistics", HEALTH: "health checks"}
"""What the proxy of a gateway keeps, and what for."""

SIDECAR: Mapping[int, str] = {**GATEWAY, 15000: "outgoing traffic", 15001: "incoming traffic"}
"""What the proxy beside an application keeps, and what for."""


def reserved_port_problems(subject: Ref, field: str, port: int, kept: Mapping[int, str]) -> Iterator[Problem]:
    """Rule 2.13.8: no listener stands on a port that the proxy keeps for itself."""
    if port in kept:
        yield problems.error(subject, field, f"the proxy keeps port {port} for {kept[port]}", "use another port")
