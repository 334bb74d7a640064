"""Endpoints as resources of their own: one that changes is one resource for each listener, and nothing else."""

import dataclasses

import pytest

from mesh import graph, mtls
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import compile as compiler
from translator import endpoints, proxies, resources

SERVICES = ("shop/a", "shop/b", "shop/c")
FIRST, SECOND = (graph.Endpoint("", f"10.0.0.{last}") for last in (1, 2))


def of(*found: graph.Endpoint, mode: mtls.Mode = mtls.Mode.PERMISSIVE) -> graph.Graph:
    """Return a mesh in which everybody may call everybody; `found` are the endpoints of `shop/b-v1`."""
    listeners = graphs.listener(80), graphs.listener(81, Protocol.GRPC), graphs.listener(82, Protocol.TCP)
    route = graphs.route(graphs.forward("shop/b-v1:80"))
    services = [
        graphs.service(key, {80: [route]} if key == "shop/b" else {}, [key[5:]], [f"{key}-v1"], mode)
        for key in SERVICES
    ]
    deployments = [graphs.deployment(f"{key}-v1", key, *listeners, is_bound=True) for key in SERVICES]
    scopes = {key: graph.Scope(tuple(map(graphs.vs, SERVICES))) for key in (*SERVICES, "shop/edge")}
    door = graphs.gateway("shop/edge", {8080: [graph.GatewayHost("site", ("*",), (route,))]})
    made = graphs.mesh_graph(services, deployments, [door], scopes)
    others = {item.ref: (FIRST,) for item in deployments}
    return dataclasses.replace(made, endpoints={**others, graphs.vd("shop/b-v1"): found})


PROXIES = (
    graphs.sidecar("shop/a-v1"),
    proxies.Sidecar(graphs.vd("shop/a-v1"), proxies.Transparent()),
    proxies.Gateway(graphs.ig("shop/edge")),
    proxies.Proxyless(graphs.vd("shop/a-v1")),
)


def parts(compilation: compiler.Compilation, proxy: proxies.Proxy) -> dict[tuple[str, str], resources.EncodedResource]:
    return {(item.type_url, item.name): item for part in compilation.bundles[proxy] for item in part}


@pytest.mark.parametrize("proxy", PROXIES, ids=lambda proxy: type(proxy).__name__)
def test_an_endpoint_that_comes_changes_the_endpoints_of_its_listeners_and_nothing_else(proxy):
    before = compiler.compiled(of(FIRST), [proxy])
    after = compiler.compiled(of(FIRST, SECOND), [proxy], before)
    old, new = parts(before, proxy), parts(after, proxy)
    assert [*old] == [*new]
    assert {key for key in new if new[key] is not old[key]} == {
        (resources.ENDPOINTS, f"outbound/shop/b-v1/{port}") for port in (80, 81, 82)
    }
    assert len({*before.bundles[proxy]} & {*after.bundles[proxy]}) == len(after.bundles[proxy]) - 1


def test_an_endpoint_that_comes_is_made_once_for_all_proxies(monkeypatch):
    was = of(FIRST)
    before = compiler.compiled(was, PROXIES[:3])
    now = dataclasses.replace(was, endpoints={**was.endpoints, graphs.vd("shop/b-v1"): (FIRST, SECOND)})
    made = []
    real = endpoints.assignments
    monkeypatch.setattr(endpoints, "assignments", lambda ref, *given: made.append(ref) or real(ref, *given))
    compiler.compiled(now, PROXIES[:3], before)
    assert made == [graphs.vd("shop/b-v1")]


def test_clusters_of_what_is_bound_name_the_endpoints_that_they_need():
    found = parts(compiler.compiled(of(), PROXIES[:1]), PROXIES[0])
    clusters = [item for (url, name), item in found.items() if url == resources.CLUSTER and "-v1/" in name]
    assert len(clusters) == 9
    assert all((resources.ENDPOINTS, item.name) in item.references for item in clusters)
    assert all((resources.ENDPOINTS, item.name) in found for item in clusters)


def test_endpoints_stand_by_zone_each_with_the_weight_of_its_endpoints():
    given = (FIRST, SECOND, graph.Endpoint("north", "fd00::1"))
    (item,) = endpoints.assignments(graphs.vd("shop/a"), (80,), given)
    message = decoded.resource(item.body)
    assert message["cluster_name"] == item.name == "outbound/shop/a/80"
    found = [
        (group["locality"].get("zone", ""), group["load_balancing_weight"], len(group["lb_endpoints"]))
        for group in message["endpoints"]
    ]
    assert found == [("", 2, 2), ("north", 1, 1)]


def test_a_program_without_a_certificate_is_given_no_address_of_what_asks_for_one():
    names = {
        mode: {
            name
            for url, name in parts(compiler.compiled(of(FIRST, mode=mode), PROXIES[3:]), PROXIES[3])
            if url == resources.ENDPOINTS
        }
        for mode in (mtls.Mode.STRICT, mtls.Mode.DISABLED)
    }
    assert "outbound/shop/b-v1/80" in names[mtls.Mode.DISABLED]
    assert not names[mtls.Mode.STRICT] & names[mtls.Mode.DISABLED]
