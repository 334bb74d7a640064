"""What who makes a bootstrap tells who starts Envoy: a file, for the one ends before the other begins.

Law: nothing but the standard library is needed to read it, for that is done by a process that stays.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshloom.injector import targets

FILE = "orders.json"
SOCKET = "probes.sock"
"""Beside it: where probes of the application are answered."""


@dataclass(frozen=True, slots=True)
class Orders:
    """`argv` starts Envoy. `admin` is the port of its admin interface, on loopback. It drains for `drain_seconds` at
    most; `are_strangers` says that those who call are no proxies, and that it waits for their connections, too.
    `addresses` are those of the pod, `probes` what may be asked of it, answered at `socket`.
    """

    argv: tuple[str, ...]
    admin: tuple[str, int]
    drain_seconds: float
    addresses: tuple[str, ...]
    probes: targets.Targets
    socket: str
    are_strangers: bool = False


def written(orders: Orders) -> str:
    """Return orders as text."""
    return json.dumps(
        {
            "argv": orders.argv,
            "admin": orders.admin,
            "drain_seconds": orders.drain_seconds,
            "addresses": orders.addresses,
            "probes": targets.written(orders.probes.items()),
            "socket": orders.socket,
            "are_strangers": orders.are_strangers,
        }
    )


def read(text: str) -> Orders:
    """Return what `written` wrote."""
    told: Mapping[str, Any] = json.loads(text)
    host, port = told["admin"]
    return Orders(
        tuple(told["argv"]),
        (host, port),
        told["drain_seconds"],
        tuple(told["addresses"]),
        targets.read(told["probes"]),
        told["socket"],
        told["are_strangers"],
    )
