"""What a pod is told that it asks beside the mesh: the Kubernetes API, and resolvers of names.

Law: pure; what is no address is left out, for only addresses can be told apart by the kernel.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

from meshloom import addresses

DNS: Final = 53
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


def api(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return where the Kubernetes API is, as `10.96.0.1:443`, by the variables that every container has."""
    host, port = env.get(_HOST, ""), env.get(_PORT, "")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    return _sockets(host, int(port)) if is_port else ()


def resolvers(text: str) -> tuple[str, ...]:
    """Return the resolvers of a resolv.conf, as `10.96.0.10:53`."""
    lines = (line.split() for line in text.splitlines())
    hosts = dict.fromkeys(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")
    return tuple(one for host in hosts for one in _sockets(host, DNS))


def _sockets(host: str, port: int) -> tuple[str, ...]:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ()
    return () if address.is_loopback else (str(addresses.Socket(str(address), port)),)
