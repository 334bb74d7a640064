"""The demo mesh as a value, with services that may join it: what it is in YAML, and who answers which request.

`State.versions` says what a request may be answered by. It is written from what the resources mean to people, and uses
nothing of the code under test.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

NAMESPACE, GATEWAY = "shop", "door"
PORT, GATEWAY_PORT = 9080, 8880

CALLERS: Mapping[str, int] = {GATEWAY: 1, "storefront": 10, "catalogue": 21, "prices": 30, "stock": 40}
"""Who sends requests, and the last number of the address of its proxy."""

WITH_SIDECAR: Mapping[str, int] = {
    "storefront-v1": 10, "catalogue-v1": 21, "catalogue-v2": 22, "prices-v1": 30, "stock-v1": 40,
}  # fmt: skip
"""The deployments of the demo: with proxies, which serve on while their deployment is not in the mesh."""

JOINING = ("reviews", "ratings", "search", "basket")
VERSIONS: Mapping[str, tuple[str, ...]] = {
    "storefront": ("storefront-v1", "storefront-v2"),
    "catalogue": ("catalogue-v1", "catalogue-v2", "catalogue-v3"),
    "prices": ("prices-v1", "prices-v2"),
    "stock": ("stock-v1", "stock-v2"),
    **{name: (f"{name}-v1", f"{name}-v2", f"{name}-v3") for name in JOINING},
}
"""Every deployment that a service may have; the first of each service of the demo never leaves."""

CLOCK = "clock"
"""A service whose one route names the number of the state, so that a proxy can be asked which state it has."""

_WITHOUT_SIDECAR = [one for several in VERSIONS.values() for one in several if one not in WITH_SIDECAR]
LASTS: Mapping[str, int] = {
    **WITH_SIDECAR,
    **{name: 50 + place for place, name in enumerate((CLOCK, *_WITHOUT_SIDECAR))},
}
"""Deployment -> the last number of its address."""

HOSTNAMES = ("shop.example.com", "shop2.example.com", "shop3.example.com")
PATHS = ("/", "/part")


def hosts(service: str) -> tuple[str, ...]:
    """Return every host that a service may have."""
    return service, f"{service}.shop.example", f"my-{service}"


class Ask(NamedTuple):
    """A request: by whose proxy, with which authority, for which path."""

    caller: str
    host: str
    path: str


class Rule(NamedTuple):
    """A rule of a route table."""

    path: str
    weights: tuple[tuple[str, int], ...]


class Table(NamedTuple):
    """A route table; the lower priority is tried first."""

    name: str
    priority: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A VirtualService with its deployments and tables; `is_uniform` is its default routing policy."""

    hosts: tuple[str, ...]
    deployments: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    is_uniform: bool = True

    def versions(self, path: str) -> frozenset[str]:
        """Return the deployments that may answer a request for this path."""
        for table in sorted(self.tables, key=lambda table: (table.priority, table.name)):
            for rule in table.rules:
                if _begins(path, rule.path):
                    return frozenset(name for name, weight in rule.weights if weight)
        return frozenset(self.deployments if self.is_uniform else ())


@dataclass(frozen=True, slots=True)
class State:
    """The mesh at one moment. `access` holds pairs of caller and service; `doors` services with a gateway's path."""

    services: Mapping[str, Service]
    access: frozenset[tuple[str, str]]
    doors: frozenset[str] = frozenset()
    hostnames: tuple[str, ...] = HOSTNAMES[:1]
    tick: int = 0

    def versions(self, ask: Ask) -> frozenset[str]:
        """Return the deployments that may answer a request; none if it must not be served."""
        service, path = self._behind_door(ask) if ask.caller == GATEWAY else (self._named(ask.host), ask.path)
        if service not in self.services or (ask.caller, service) not in self.access:
            return frozenset()
        return self.services[service].versions(path)

    def _named(self, host: str) -> str:
        return next((name for name, service in self.services.items() if host in service.hosts), "")

    def _behind_door(self, ask: Ask) -> tuple[str, str]:
        if ask.host not in self.hostnames:
            return "", ""
        for service in sorted(self.doors):
            if _begins(ask.path, f"/{service}"):
                return service, ask.path.removeprefix(f"/{service}") or "/"
        if _begins(ask.path, "/api/catalogue"):
            return "catalogue", ask.path.removeprefix("/api/catalogue") or "/"
        return "storefront", ask.path


def _begins(path: str, prefix: str) -> bool:
    return prefix == "/" or path == prefix or path.startswith(f"{prefix}/")


START = State(
    services={
        "storefront": Service(("storefront",), ("storefront-v1",)),
        "catalogue": Service(
            ("catalogue",),
            ("catalogue-v1", "catalogue-v2"),
            (Table("catalogue", 500, (Rule("/", (("catalogue-v1", 90), ("catalogue-v2", 10))),)),),
            is_uniform=False,
        ),
        "prices": Service(("prices",), ("prices-v1",)),
        "stock": Service(("stock",), ("stock-v1",)),
    },
    access=frozenset(
        {
            (GATEWAY, "storefront"),
            (GATEWAY, "catalogue"),
            ("storefront", "catalogue"),
            ("storefront", "prices"),
            ("catalogue", "stock"),
        }
    ),
)
"""The demo as it is shipped."""


def asks(caller: str) -> tuple[Ask, ...]:
    """Return every request of a caller that some state may answer."""
    if caller == GATEWAY:
        prefixes = ("", "/api/catalogue", *(f"/{name}" for name in JOINING))
        paths = tuple((prefix + path).rstrip("/") or "/" for prefix in prefixes for path in PATHS)
        return tuple(Ask(caller, host, path) for host in HOSTNAMES for path in paths)
    return tuple(Ask(caller, host, path) for name in VERSIONS for host in hosts(name) for path in PATHS)


# ---------------------------------------------------------------------------- in YAML

Document = dict[str, Any]


def text(state: State) -> str:
    """Return the resources of a state as YAML, one document a line, at the addresses of the sample."""
    return "---\n" + "\n---\n".join(json.dumps(document) for document in _documents(state)) + "\n"


def _documents(state: State) -> Iterator[Document]:
    yield _document("Mesh", "main", certificateAuthorities=[{"id": "demo"}], mtls={"minimum": "DISABLED"})
    yield from _gateway(state)
    for name, service in state.services.items():
        yield from _service(name, service)
    ticking = Table(CLOCK, 500, (Rule(f"/{state.tick}", ((CLOCK, 1),)),))
    yield from _service(CLOCK, Service((CLOCK,), (CLOCK,), (ticking,), is_uniform=False))
    yield from (_policy(caller, service) for caller, service in sorted(state.access))
    yield from (_policy(caller, CLOCK) for caller in CALLERS)


def _gateway(state: State) -> Iterator[Document]:
    served = {"name": "shop", "hostnames": list(state.hostnames), "listeners": [_http(GATEWAY_PORT)]}
    door = _document("IngressGateway", GATEWAY, mesh=_ref("main"), hosts=[served])
    door["metadata"]["annotations"] = {"demo.meshloom.dev/address": f"127.77.0.{CALLERS[GATEWAY]}"}
    yield door
    for place, name in enumerate((*sorted(state.doors), CLOCK)):
        yield _gateway_table(name, place, _gateway_rule(f"/{name}", name, is_rewritten=True))
    shipped = (_gateway_rule("/api/catalogue", "catalogue", is_rewritten=True), _gateway_rule("/", "storefront"))
    yield _gateway_table(GATEWAY, 500, *shipped)


def _gateway_table(name: str, priority: int, *rules: Document) -> Document:
    spec = {"ingressGateway": _ref(GATEWAY), "priority": priority, "routeRules": list(rules)}
    return _document("IngressGatewayRouteTable", name, **spec)


def _gateway_rule(path: str, service: str, is_rewritten: bool = False) -> Document:
    destinations = [{"virtualService": _ref(service)}]
    return {"httpRoute": {"path": path, "isPathRewriteEnabled": is_rewritten, "destinations": destinations}}


def _service(name: str, service: Service) -> Iterator[Document]:
    default = {"defaultRoutingPolicy": {"type": "UNIFORM"}} if service.is_uniform else {}
    yield _document("VirtualService", name, mesh=_ref("main"), hosts=list(service.hosts), **default)
    yield from (_deployment(deployment, name) for deployment in service.deployments)
    yield from (_table(table, name) for table in service.tables)


def _deployment(name: str, service: str) -> Document:
    discovery = {"type": "DNS", "hostname": f"127.77.0.{LASTS[name]}"}
    spec = {"virtualService": _ref(service), "serviceDiscovery": discovery, "listener": [_http(PORT)]}
    return _document("VirtualDeployment", name, **spec)


def _table(table: Table, service: str) -> Document:
    rules = [{"httpRoute": {"path": rule.path, "destinations": _destinations(rule)}} for rule in table.rules]
    spec = {"virtualService": _ref(service), "priority": table.priority, "routeRules": rules}
    return _document("VirtualServiceRouteTable", table.name, **spec)


def _destinations(rule: Rule) -> list[Document]:
    return [{"virtualDeployment": _ref(name), "weight": weight} for name, weight in rule.weights]


def _policy(caller: str, service: str) -> Document:
    source = {"ingressGateway": _ref(caller)} if caller == GATEWAY else {"virtualService": _ref(caller)}
    rule = {"action": "ALLOW", "source": source, "destination": {"virtualService": _ref(service)}}
    return _document("AccessPolicy", f"{caller}-{service}", mesh=_ref("main"), rules=[rule])


def _ref(name: str) -> Document:
    return {"ref": {"name": name}}


def _http(port: int) -> Document:
    return {"protocol": "HTTP", "port": port}


def _document(kind: str, name: str, **spec: Any) -> Document:
    return {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"compartmentId": "demo", **spec},
    }
