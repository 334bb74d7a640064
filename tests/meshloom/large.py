"""A mesh of many services: each has two versions and calls ten others."""

from collections.abc import Iterator
from typing import Any

from mesh import inventory
from meshloom.identity import claim
from tests import written
from translator import proxies

CALLS = 10


def mesh(services: int, weight: int) -> inventory.Inventory:
    """Return the inventory; the first service sends `weight` per cent to its first version."""
    return inventory.inventory_of(written.resource(short) for short in _documents(services, weight))


def sidecars(services: int) -> frozenset[proxies.Proxy]:
    """Return a sidecar of each version of each service."""
    return frozenset(_sidecar(number, version) for number in range(services) for version in (1, 2))


def _sidecar(number: int, version: int) -> proxies.Sidecar:
    workload = f"127.{version}.{number // 250}.{number % 250 + 1}"
    return claim.sidecar(f"shop/s{number}-v{version}", workload, "127.0.0.1", {})


def _documents(services: int, weight: int) -> Iterator[dict[str, Any]]:
    yield {"Mesh": "shop/main", "mtls": {"minimum": "DISABLED"}}
    for number in range(services):
        yield from _service(f"s{number}", weight if number == 0 else 90)
        called = [f"s{(number * 7 + step + 1) % services}" for step in range(CALLS)]
        rules = [{"action": "ALLOW", "source": _one(f"s{number}"), "destination": _one(other)} for other in called]
        yield {"AccessPolicy": f"shop/p{number}", "mesh": _ref("main"), "rules": rules}


def _service(name: str, weight: int) -> Iterator[dict[str, Any]]:
    yield {"VirtualService": f"shop/{name}", "mesh": _ref("main"), "hosts": [name], "mtls": {"mode": "DISABLED"}}
    for version in (1, 2):
        yield {
            "VirtualDeployment": f"shop/{name}-v{version}",
            "virtualService": _ref(name),
            "listener": [{"protocol": "HTTP", "port": 9080}],
            "serviceDiscovery": {"type": "DNS", "hostname": f"{name}-v{version}.shop"},
        }
    shares = [(1, weight), (2, 100 - weight)]
    destinations = [{"virtualDeployment": _ref(f"{name}-v{version}"), "weight": share} for version, share in shares]
    yield {
        "VirtualServiceRouteTable": f"shop/{name}",
        "virtualService": _ref(name),
        "routeRules": [{"httpRoute": {"destinations": destinations}}],
    }


def _one(service: str) -> dict[str, Any]:
    return {"virtualService": _ref(service)}


def _ref(name: str) -> dict[str, Any]:
    return {"ref": {"name": name}}
