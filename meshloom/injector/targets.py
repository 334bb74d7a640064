"""What kubelet's probes ask of an application, told to the proxy, which asks in their place.

Law: only what was recorded at injection is ever asked, or the proxy would ask anything of anybody for whoever can reach
it. Nothing but the standard library is needed here: this runs in every pod.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

HTTP, HTTPS, TCP, GRPC = "http", "https", "tcp", "grpc"
SCHEMES: Final = (HTTP, HTTPS, TCP, GRPC)

LOCALHOST: Final = "localhost"
"""The host of probes that name none: the addresses of the pod."""
LOOPBACK: Final = ("127.0.0.1", "::1")

PATH: Final = "/healthproxy"
_PREFIX: Final = "Mesh-User-"
SCHEME, HOST, PORT, USER_PATH = (f"{_PREFIX}{part}" for part in ("Scheme", "Host", "Port", "Path"))
"""The headers by which a probe says what it is to ask."""


class Target(NamedTuple):
    """What a probe asks: a path of HTTP, a service of gRPC (perhaps none), or of TCP nothing."""

    scheme: str
    host: str
    port: int
    path: str = ""


Targets = Mapping[Target, float]
"""Each with the seconds that it may take."""


def headers(target: Target) -> tuple[tuple[str, str], ...]:
    """Return the headers of a probe of a target."""
    return (SCHEME, target.scheme), (HOST, target.host), (PORT, str(target.port)), (USER_PATH, target.path)


def asked(given: Mapping[str, str]) -> Target | None:
    """Return what the headers of a probe ask, None if they ask nothing that can be asked."""
    told = {name.lower(): value for name, value in given.items()}
    scheme, host, port, path = (told.get(name.lower(), "") for name in (SCHEME, HOST, PORT, USER_PATH))
    is_port = port.isascii() and port.isdigit() and len(port) < 6
    return Target(scheme, host, int(port), path) if scheme in SCHEMES and is_port else None


def is_of_proxy(name: str) -> bool:
    """Return whether a header is one of those by which probes speak to the proxy."""
    return name.lower().startswith(_PREFIX.lower())


def written(targets: Iterable[tuple[Target, float]]) -> str:
    """Return targets as a variable of the environment; of equal ones the one with more time counts."""
    most: dict[Target, float] = {}
    for target, seconds in targets:
        most[target] = max(seconds, most.get(target, 0))
    listed = [[*target, seconds] for target, seconds in sorted(most.items())]
    return json.dumps(listed, separators=(",", ":")) if listed else ""


def read(text: str) -> Targets:
    """Return what `written` wrote. Raises ValueError."""
    listed = json.loads(text) if text else []
    return {Target(*target): float(seconds) for *target, seconds in listed}
