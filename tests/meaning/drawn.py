"""Meshes and requests, drawn by hypothesis: few names, so that they meet; nearly all of what may be written."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

Short = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

SPACES, NAMES = ("shop", "zoo"), ("a", "b", "c")
HOSTS = ("a", "b", "a:80", "b:9080", "a.shop", "b.a.shop", "*.shop", "*.a.shop", "a.shop:80", "*.shop:9080")
ASKED_HOSTS = ("a", "b", "a.shop", "b.a.shop", "c.shop", "z.a.shop", "nobody")
ASKED_PORTS = (None, 80, 9080, 8081)
PATHS = ("/", "/a", "/a/b", "/ab", "/a/b/c?x=/b")
PORTS = (80, 9080)
PROTOCOLS = ("HTTP", "HTTP", "HTTP", "HTTP2", "GRPC", "TCP", "TCP", "TLS_PASSTHROUGH")
MODES = ("DISABLED", "PERMISSIVE", "STRICT")

keys = st.tuples(st.sampled_from(SPACES), st.sampled_from(NAMES))


def _ref(key: tuple[str, str]) -> Short:
    return {"ref": {"namespace": key[0], "name": key[1]}}


def _some(name: str, strategy: st.SearchStrategy[Any], often: int = 1) -> st.SearchStrategy[Short]:
    """Return a field that is there, or is not: as many times of each `often + 1`."""
    return st.one_of(st.just({}), *[strategy.map(lambda value: {name: value})] * often)


def meshes() -> st.SearchStrategy[list[Short]]:
    """Return meshes; what refers to each other mostly finds each other."""
    return _mesh()


@st.composite
def _mesh(draw: Draw) -> list[Short]:
    services = draw(st.lists(keys, min_size=1, max_size=4, unique=True))
    homes = {service: draw(st.sampled_from([("shop", "main")] * 4 + [("zoo", "other")])) for service in services}
    return [
        *(draw(_mesh_of(key)) for key in (("shop", "main"), ("zoo", "other"))),
        *itertools.chain.from_iterable(_service(draw, key, home) for key, home in homes.items()),
        *_policies(draw, services),
        *(_gateway(draw, services) if draw(st.booleans()) else ()),
    ]


GATES = ("x.example.com", "*.example.com")
GATE_HOSTS = ("x.example.com", "y.example.com", "X.example.com:8080", "example.com")
GATE_PORTS = (8080, 8081)
GATE_PATHS = ("/", "/a", "/a/b", "/ab", "/a/a/b?x=/b", "/b/a")


def _gateway(draw: Draw, services: list[tuple[str, str]]) -> Iterator[Short]:
    """Yield a gateway of two hosts, its tables, and perhaps a policy for it."""
    main = _ref(("shop", "main"))
    ports = st.lists(st.sampled_from(GATE_PORTS), min_size=1, max_size=2, unique=True)
    hosts = [
        {
            "name": f"h{number}",
            "hostnames": [name],
            "listeners": [{"protocol": "HTTP", "port": port} for port in draw(ports)],
        }
        for number, name in enumerate(GATES)
    ]
    yield {"IngressGateway": "shop/gate", "mesh": main, "hosts": hosts}
    for number in range(draw(st.integers(1, 2))):
        rules = draw(st.lists(_gateway_rule(services), min_size=1, max_size=3))
        priority = draw(_some("priority", st.sampled_from([1, 600])))
        yield {
            "IngressGatewayRouteTable": f"shop/gate-{number}",
            "ingressGateway": _ref(("shop", "gate")),
            "routeRules": rules,
            **priority,
        }
    one = st.sampled_from(services).map(lambda key: {"virtualService": _ref(key)})
    for to in draw(st.lists(st.one_of(one, one, st.just({"allVirtualServices": {}})), max_size=2)):
        source = {"ingressGateway": _ref(("shop", "gate"))}
        rule = {"action": "ALLOW", "source": source, "destination": to}
        yield {"AccessPolicy": f"shop/gate-{len(str(to))}", "mesh": main, "rules": [rule]}


def _gateway_rule(services: list[tuple[str, str]]) -> st.SearchStrategy[Short]:
    place = st.sampled_from([{"name": "h0"}, {"name": "h1"}, {"name": "h1", "port": 8081}])
    return st.builds(
        lambda to, port, path, host, grpc, rewrite_path, rewrite_host: {
            "httpRoute": {"destinations": [{"virtualService": _ref(to), **port}], **path, **host, **grpc}
            | {"isPathRewriteEnabled": rewrite_path, "isHostRewriteEnabled": rewrite_host}
        },
        st.sampled_from(services),
        st.sampled_from([{}, {"port": 80}, {"port": 9080}]),
        _some("path", st.sampled_from(["/", "/a", "/a/b"]), 3),
        _some("ingressGatewayHost", place),
        st.sampled_from([{}, {}, {"isGrpc": True}]),
        st.booleans(),
        st.booleans(),
    )


def _mesh_of(key: tuple[str, str]) -> st.SearchStrategy[Short]:
    audit = st.just({"meshloom.dev/access-policies": "audit"})
    return st.builds(
        lambda minimum, annotations: {"Mesh": "/".join(key), **minimum, **annotations},
        _some("mtls", st.sampled_from(MODES).map(lambda mode: {"minimum": mode}), 3),
        st.one_of(*[st.just({})] * 4, audit.map(lambda value: {"annotations": value})),
    )


def _service(draw: Draw, key: tuple[str, str], home: tuple[str, str]) -> Iterator[Short]:
    """Yield a service, its deployments and its tables."""
    yield {
        "VirtualService": "/".join(key),
        "mesh": _ref(home),
        "hosts": draw(st.lists(st.sampled_from(HOSTS), max_size=3)),
        **draw(_some("mtls", st.sampled_from(MODES).map(lambda mode: {"mode": mode}))),
        **draw(_some("defaultRoutingPolicy", st.just({"type": "UNIFORM"}), 2)),
        **draw(_some("created", st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]))),
    }
    names = [(key[0], f"{key[1]}-v{number}") for number in range(1, draw(st.integers(1, 3)))]
    yield from (draw(_deployment(name, key)) for name in names)
    for number in range(draw(st.integers(0, 2)) if names else 0):
        yield draw(_table((key[0], f"{key[1]}-{number}"), key, names))


def _deployment(key: tuple[str, str], service: tuple[str, str]) -> st.SearchStrategy[Short]:
    listener = st.fixed_dictionaries({"protocol": st.sampled_from(PROTOCOLS), "port": st.sampled_from(PORTS)})
    hostname = f"{key[1]}.{key[0]}"
    return st.builds(
        lambda listeners, discovery: {
            "VirtualDeployment": "/".join(key),
            "virtualService": _ref(service),
            "listener": listeners,
            **discovery,
        },
        st.lists(listener, max_size=2, unique_by=lambda one: one["port"]),
        _some("serviceDiscovery", st.just({"type": "DNS", "hostname": hostname}), 5),
    )


def _table(key: tuple[str, str], service: tuple[str, str], names: list[tuple[str, str]]) -> st.SearchStrategy[Short]:
    destination = st.builds(
        lambda to, weight, port: {"virtualDeployment": _ref(to), "weight": weight, **port},
        st.sampled_from([*names, *names, (key[0], "elsewhere-v1")]),
        st.sampled_from([0, 1, 30, 70]),
        st.sampled_from([{}, {}, {"port": 80}, {"port": 9080}]),
    )
    to = st.lists(destination, min_size=1, max_size=3)
    http = st.builds(
        lambda to, path, grpc: {"httpRoute": {"destinations": to, **path, **grpc}},
        to,
        _some("path", st.sampled_from(["/", "/a", "/a/b", "a/"]), 3),
        st.sampled_from([{}, {}, {"isGrpc": True}]),
    )
    tcp, tls = (
        to.map(lambda to, kind=kind: {kind: {"destinations": to}}) for kind in ("tcpRoute", "tlsPassthroughRoute")
    )
    rules = st.lists(st.one_of(http, http, tcp, tls), min_size=1, max_size=3)
    return st.builds(
        lambda rules, priority: {
            "VirtualServiceRouteTable": "/".join(key),
            "virtualService": _ref(service),
            "routeRules": rules,
            **priority,
        },
        rules,
        _some("priority", st.sampled_from([1, 500, 600])),
    )


def _policies(draw: Draw, services: list[tuple[str, str]]) -> Iterator[Short]:
    one = st.sampled_from(services).map(lambda key: {"virtualService": _ref(key)})
    side = st.one_of(one, one, one, st.just({"allVirtualServices": {}}))
    rule = st.builds(lambda source, to: {"action": "ALLOW", "source": source, "destination": to}, side, side)
    for number in range(draw(st.integers(0, 2))):
        rules = draw(st.lists(rule, min_size=1, max_size=4))
        yield {"AccessPolicy": f"shop/p{number}", "mesh": _ref(("shop", "main")), "rules": rules}
