"""Where something listens: a unix socket or an IP address with a port.

Law: an address is parsed once, at the edge; everything behind it handles values.
"""

import ipaddress
import re
from dataclasses import dataclass

PATH_LIMIT = 107
"""What the kernel allows for the path of a unix socket, in bytes."""


@dataclass(frozen=True, slots=True)
class Pipe:
    """A unix socket; `path` is absolute."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class Socket:
    """An IP address in its shortest form, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Name:
    """A DNS name and a port, to be dialled and not to be bound."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Address = Pipe | Socket
Dialled = Address | Name

_NAME = re.compile(r"(?=.{1,253}:)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*\.?:[0-9]{1,5}")


def parsed(text: str) -> Address:
    """Return the address written as `unix:/run/meshloom.sock`, `127.0.0.1:18000` or `[::1]:18000`.

    Raises ValueError with the reason and the remedy.
    """
    if text.startswith("unix:"):
        return _pipe(text)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not an address; write unix:/path, or IP:PORT as 127.0.0.1:18000")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise ValueError(f"{host!r} is not an IP address; write an IPv6 address in brackets, as [::1]:18000")
    return Socket(ip(host[1:-1] if bracketed else host), int(port))


def dialled(text: str) -> Dialled:
    """Return an address as `parsed` does, or a DNS name with a port as `mesh.example.com:15012`. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not _NAME.fullmatch(text) or not 0 < int(port) < 65536 or host.rpartition(".")[2].isdigit():
        return parsed(text)
    return Name(host, int(port))


def ip(text: str) -> str:
    """Return an IP address in its shortest form. Raises ValueError for host names and everything else."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address; write it out, as 127.0.0.1") from None


def is_private(address: Address) -> bool:
    """Return whether only this machine can reach it: a unix socket or a loopback address."""
    match address:
        case Pipe():
            return True
        case Socket(host, _):
            return ipaddress.ip_address(host).is_loopback


def clash(one: str, other: str) -> bool:
    """Return whether two IP addresses cannot both be bound with the same port: equal, or one means every address."""
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return first == second or first.is_unspecified or second.is_unspecified


def _pipe(text: str) -> Pipe:
    path = text.removeprefix("unix:")
    if not path.startswith("/") or len(path.encode()) > PATH_LIMIT:
        raise ValueError(
            f"{text!r} is not a unix socket; write unix: and an absolute path of at most {PATH_LIMIT} bytes"
        )
    return Pipe(path)
