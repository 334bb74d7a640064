"""Ways out for TCP in explicit capture: `shop/db:5432=127.0.0.1:5432` is a service and where it is dialled.

Law: what is written is read back; what cannot be bound is refused, with the remedy.
"""

from collections.abc import Iterable

from mesh.problems import Ref
from meshloom import addresses
from translator.proxies import TcpWay

_FORM = "write namespace/name=IP:PORT, or namespace/name:PORT=IP:PORT, as shop/db:5432=127.0.0.1:5432"


def parsed(text: str) -> TcpWay:
    """Return the way that an option describes. Raises ValueError with the reason and the remedy."""
    service, equals, at = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} does not say where a service is dialled; {_FORM}")
    return way(service, at)


def way(service: str, at: str) -> TcpWay:
    """Return the way to a service, as `shop/db` or `shop/db:5432`, dialled at an address. Raises ValueError."""
    name, colon, port = service.partition(":")
    namespace, slash, simple = name.partition("/")
    if not (namespace and slash and simple) or "/" in simple or (colon and not _is_port(port)):
        raise ValueError(f"{service!r} is not a service; {_FORM}")
    return bound(at, Ref("VirtualService", namespace, simple), int(port or 0))


def bound(at: str, service: Ref, port: int) -> TcpWay:
    """Return the way that is dialled at an address. Raises ValueError."""
    address = addresses.parsed(at)
    if not isinstance(address, addresses.Socket):
        raise ValueError(f"{at!r} is no address for TCP; {_FORM}")
    return TcpWay(address.host, address.port, service, port)


def dialled(one: TcpWay) -> str:
    """Return where a way is dialled, as `127.0.0.1:5432`."""
    return str(addresses.Socket(one.address, one.port))


def meant(one: TcpWay) -> str:
    """Return the service that a way leads to, as `shop/db` or `shop/db:5432`."""
    return f"{one.service.key}:{one.service_port}" if one.service_port else one.service.key


def clash(several: Iterable[TcpWay], workload: str, taken: Iterable[int]) -> str:
    """Return why these ways cannot all be bound beside what a sidecar binds at its workload address, or nothing."""
    seen: list[TcpWay] = []
    ports = {*taken}
    for one in several:
        if one.port in ports and addresses.clash(one.address, workload):
            return f"the sidecar itself listens on port {one.port} of {workload}; let {meant(one)} be dialled elsewhere"
        other = next(
            (each for each in seen if each.port == one.port and addresses.clash(each.address, one.address)), None
        )
        if other is not None:
            return f"{meant(other)} and {meant(one)} would be dialled at one place, {dialled(one)}; give each its own"
        seen.append(one)
    return ""


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536
