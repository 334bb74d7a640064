"""Where applications dial services by TCP, and what becomes of it."""

import dataclasses

import pytest

from mesh import graph, mtls
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import compile as compiler
from translator import proxies

DB = graphs.vs("shop/db")
WAY = proxies.TcpWay("127.0.1.1", 6000, DB)


def shares(**weights: int) -> tuple[graph.Share, ...]:
    return tuple(graphs.share(f"shop/{name}:5432={weight}") for name, weight in weights.items())


def web(*ways: proxies.TcpWay) -> proxies.Sidecar:
    return proxies.Sidecar(graphs.vd("shop/web"), proxies.Explicit("127.0.1.1", "127.0.2.1", (), ways))


def mesh(*ports: graph.TcpPort, scope: tuple[str, ...] = ("shop/db",), mode: mtls.Mode = mtls.Mode.STRICT):
    listeners = [graphs.listener(port, Protocol.TCP) for port in (5432, 5433)]
    return graphs.mesh_graph(
        [
            graphs.service("shop/db", {}, deployments=["shop/a", "shop/b"], mode=mode, tcp=ports),
            graphs.service("shop/web", {}),
        ],
        [
            *(graphs.deployment(f"shop/{name}", "shop/db", *listeners, hostname=f"{name}.shop") for name in "ab"),
            graphs.deployment("shop/web", "shop/web", graphs.listener(80)),
        ],
        scopes={"shop/web": graph.Scope(tuple(map(graphs.vs, scope)))},
    )


def found(of: graph.Graph, *ways: proxies.TcpWay):
    """Return the TCP proxy of the first way."""
    parts = compiler.compiled(of, [web(*ways)]).bundles[web(*ways)]
    assert decoded.dangling(parts) == set()
    return decoded.tcp_proxy(parts, decoded.named(parts, "listeners", f"outbound/tcp/127.0.1.1:{ways[0].port}"))


SPLIT = graph.TcpPort(5432, shares(a=9, b=1), 60_000)


def test_a_way_leads_to_the_shares_of_a_service_by_their_weights():
    proxy = found(mesh(SPLIT), WAY)
    assert proxy["weighted_clusters"]["clusters"] == [
        {"name": "outbound/shop/a/5432", "weight": 9},
        {"name": "outbound/shop/b/5432", "weight": 1},
    ]
    assert (proxy["idle_timeout"], proxy["stat_prefix"]) == ("60s", "outbound/shop/db/5432")


@pytest.mark.parametrize(
    ("ports", "scope", "port", "name"),
    [
        ((SPLIT,), (), 0, "outbound/shop/db/tcp/no-access-policy"),
        ((SPLIT,), ("shop/db",), 5433, "outbound/shop/db/5433/no-such-port"),
        ((), ("shop/db",), 0, "outbound/shop/db/tcp/no-such-port"),
        ((SPLIT, graph.TcpPort(5433, shares(a=1), 0)), ("shop/db",), 0, "outbound/shop/db/tcp/no-such-port"),
        ((graph.TcpPort(5432, (), 0),), ("shop/db",), 5432, "outbound/shop/db/5432/no-route"),
    ],
)
def test_a_way_that_leads_nowhere_stays_and_says_why(ports, scope, port, name):
    proxy = found(mesh(*ports, scope=scope), WAY._replace(service_port=port))
    assert (proxy["cluster"], proxy["stat_prefix"]) == ("nobody", name)
    assert "weighted_clusters" not in proxy


def test_a_service_that_is_not_there_is_not_reached():
    proxy = found(mesh(SPLIT), WAY._replace(service=graphs.vs("zoo/db")))
    assert proxy["stat_prefix"] == "outbound/zoo/db/tcp/no-access-policy"


def test_one_of_several_ports_is_reached_by_its_number():
    ports = (SPLIT, graph.TcpPort(5433, shares(a=1), 0))
    assert found(mesh(*ports), WAY._replace(service_port=5432))["stat_prefix"] == "outbound/shop/db/5432"


def test_a_service_of_tls_that_is_passed_through_is_reached_the_same_way():
    of = mesh(SPLIT)
    db = of.services[DB]
    passed = dataclasses.replace(of, services={**of.services, DB: dataclasses.replace(db, tcp=(), tls=db.tcp)})
    assert found(passed, WAY) == found(of, WAY)


def test_a_way_is_not_bound_where_callers_come_in():
    of, proxy = mesh(SPLIT), web(WAY._replace(port=80), WAY)
    listeners = decoded.bundle(compiler.compiled(of, [proxy]).bundles[proxy])["listeners"]
    assert [item["name"] for item in listeners] == [
        "inbound/80",
        "outbound",
        "outbound/connect",
        "outbound/tcp/127.0.1.1:6000",
    ]


def test_a_change_of_weights_leaves_all_else_the_same_objects():
    one, other = web(WAY), proxies.Sidecar(graphs.vd("shop/web"), proxies.Explicit("127.0.1.9", "127.0.2.9"))
    before = compiler.compiled(mesh(SPLIT), [one, other])
    after = compiler.compiled(mesh(graph.TcpPort(5432, shares(a=1, b=9), 60_000)), [one, other], before)
    assert after.bundles[other] is before.bundles[other]
    kept = {(item.type_url, item.name): item for part in before.bundles[one] for item in part}
    changed = [item for part in after.bundles[one] for item in part if item != kept[item.type_url, item.name]]
    assert len(changed) == 1


def test_a_mode_changes_how_a_service_is_called_and_nothing_else():
    proxy = web(WAY)
    before = compiler.compiled(mesh(SPLIT), [proxy])
    after = compiler.compiled(mesh(SPLIT, mode=mtls.Mode.DISABLED), [proxy], before)
    kept = {(item.type_url, item.name): item for part in before.bundles[proxy] for item in part}
    changed = {item.name for part in after.bundles[proxy] for item in part if item != kept[item.type_url, item.name]}
    assert changed == {f"outbound/shop/{name}/{port}" for name in "ab" for port in (5432, 5433)}
    again = compiler.compiled(mesh(SPLIT, mode=mtls.Mode.PERMISSIVE), [proxy], before)
    assert again.bundles[proxy] is before.bundles[proxy]
