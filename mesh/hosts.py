"""Host names as the resources write them: exact, with a wildcard as first label, or an address; perhaps with a port.

Law: a host is read once, here, and compared in one form: lower case, no trailing dot, addresses in their short form.
"""

import ipaddress
import re
from dataclasses import dataclass

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

ANY = "*"
"""The name of the wildcard that covers every host."""

_LABEL = re.compile(r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?")
_PORT = re.compile(r"[0-9]{1,5}")
_NAME_LENGTH = 253
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Host:
    """`name` is `shop.example.com`, `*.example.com`, `*`, `10.0.0.1` or `::1`; no port means every port."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether the first label is `*`, which stands for one label or more."""
        return self.name.startswith(ANY)

    @property
    def is_address(self) -> bool:
        """Whether the name is an IPv4 or IPv6 address."""
        return _address(self.name) is not None

    @property
    def precedence(self) -> tuple[bool, int, bool, str, int]:
        """Sort key: exact before wildcard, longer wildcards first, a port before none, then by name."""
        length = len(self.name) if self.is_wildcard else 0
        return self.is_wildcard, -length, self.port is None, self.name, self.port or 0


def parsed_host(text: str) -> Host | None:
    """Return the host that a text such as `Shop.example.com.:8080`, `*.example.com` or `[::1]:80` means, or None."""
    whole = _address(text)
    if whole is not None:
        return Host(whole)
    name, port = _name_and_port(text)
    if port is not None and not is_port(port):
        return None
    canonical = _canonical_name(name)
    return None if canonical is None else Host(canonical, None if port is None else int(port))


def _name_and_port(text: str) -> tuple[str, str | None]:
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text, None
    return name, port


def is_port(text: str) -> bool:
    """Return whether the digits of a text are a port from 1 to 65535."""
    return _PORT.fullmatch(text) is not None and 1 <= int(text) <= _HIGHEST_PORT


def _canonical_name(text: str) -> str | None:
    if text.startswith("["):
        address = _address(text[1:-1]) if text.endswith("]") else None
        return address if address is not None and ":" in address else None
    name = text.lower().removesuffix(".") if text.isascii() else ""
    if text == ANY or _is_name(name.removeprefix("*.")):
        return name
    return None if ":" in name else _address(name)


def _is_name(name: str) -> bool:
    labels = name.split(".")
    return len(name) <= _NAME_LENGTH and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _address(text: str) -> str | None:
    """Return an address in its short form; zones (`fe80::1%eth0`) mean nothing outside of one machine."""
    if "%" in text or not (":" in text or text[-1:].isdigit()):
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def covers(wide: Host, narrow: Host) -> bool:
    """Return whether every host and port that `narrow` names is also named by `wide`."""
    return wide.port in (None, narrow.port) and _name_covers(wide.name, narrow.name)


def overlaps(one: Host, other: Host) -> bool:
    """Return whether some host and port is named by both."""
    share_a_port = one.port is None or other.port is None or one.port == other.port
    return share_a_port and (_name_covers(one.name, other.name) or _name_covers(other.name, one.name))


def _name_covers(wide: str, narrow: str) -> bool:
    return wide == narrow or (wide.startswith(ANY) and narrow.endswith(wide.removeprefix(ANY)))


def parsed_network(text: str) -> IPNetwork | None:
    """Return the addresses that `10.0.0.0/8`, `10.0.0.7` or `fd00::/8` means, host bits cleared, or None."""
    address, slash, length = text.partition("/")
    if _address(address) is None or (slash and not (length.isascii() and length.isdigit())):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def has_host_bits(text: str) -> bool:
    """Return whether a network such as `10.0.0.7/8` has bits behind its prefix, which mean nothing."""
    network = parsed_network(text)
    return network is not None and str(network.network_address) != _address(text.partition("/")[0])
