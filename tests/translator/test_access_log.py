"""What access logs say, and that whoever wants one switches a runtime and nothing else."""

import dataclasses

import pytest

from mesh import graph, mtls
from mesh.resources import Protocol
from tests.translator import decoded, graphs
from translator import compile as compiler
from translator import proxies, resources

WEB, PETS = graphs.sidecar("shop/web"), graphs.sidecar("shop/pets-v1", "127.0.1.2", "127.0.2.2")
EDGE = proxies.Gateway(graphs.ig("shop/edge"), "127.0.3.1")
REQUEST = {
    *("time", "log", "direction", "mesh", "service", "deployment", "identity"),
    *("method", "authority", "path", "protocol", "status", "details", "grpc_status", "reason", "denied_by", "policy"),
    *("audit", "request_id", "route", "attempts", "flags", "duration_ms", "bytes_received", "bytes_sent", "client"),
    *("listener", "handshake", "upstream_cluster", "upstream_host", "upstream_handshake"),
}
CONNECTION = {
    *("time", "log", "direction", "deployment", "identity", "server_name", "details", "audit", "flags", "duration_ms"),
    *("bytes_received", "bytes_sent", "client", "listener", "handshake", "upstream_cluster", "upstream_host"),
    "upstream_handshake",
}


def mesh(is_logged=False, mode=mtls.Mode.STRICT):
    """A caller and a service of HTTP and TCP, and a gateway that leads to it."""
    share = graphs.share("shop/pets-v1:5432")
    tcp = graph.TcpPort(5432, (share,), 60_000)
    pets = graphs.service(
        "shop/pets",
        {9080: [graphs.route(graphs.forward("shop/pets-v1:9080"))]},
        ["pets"],
        ["shop/pets-v1"],
        mode,
        tcp=[tcp],
    )
    web = graphs.service("shop/web", {}, (), ["shop/web"])
    ports = (graphs.listener(5432, Protocol.TCP), graphs.listener(9080))
    host = graph.GatewayHost("all", ("*",), (graphs.route(graphs.forward("shop/pets-v1:9080")),))
    edge = graphs.gateway("shop/edge", {8080: [host]})
    deployments = [
        graphs.deployment("shop/web", "shop/web"),
        graphs.deployment("shop/pets-v1", "shop/pets", *ports, hostname="127.0.1.2"),
    ]
    return graphs.mesh_graph(
        [pets, web],
        [dataclasses.replace(one, access_log=is_logged) for one in deployments],
        [dataclasses.replace(edge, access_log=is_logged)],
        {"shop/web": graph.Scope((graphs.vs("shop/pets"),))},
    )


def compiled(of, previous=None):
    way = proxies.TcpWay("127.0.1.1", 6000, graphs.vs("shop/pets"))
    web = WEB._replace(capture=WEB.capture._replace(outbound_tcp=(way,)))
    return compiler.compiled(of, [web, PETS, EDGE], previous)


def logs(of):
    """Return every access log in a plain value, in order."""
    if isinstance(of, list):
        return [log for item in of for log in logs(item)]
    if not isinstance(of, dict):
        return []
    return [
        *of.get("access_log", ()),
        *(log for key, value in of.items() if key != "access_log" for log in logs(value)),
    ]


def fields(log):
    return log["typed_config"]["log_format"]["json_format"]


def all_logs(mode=mtls.Mode.STRICT):
    found = {proxy: decoded.bundle(parts) for proxy, parts in compiled(mesh(mode=mode)).bundles.items()}
    return {proxy: logs(list(bundle.values())) for proxy, bundle in found.items()}


@pytest.mark.parametrize("mode", mtls.Mode)
def test_every_chain_of_every_listener_has_a_log(mode):
    for parts in compiled(mesh(mode=mode)).bundles.values():
        bundle = decoded.bundle(parts)
        chains = [chain for listener in bundle["listeners"] for chain in listener["filter_chains"]]
        last = [chain["filters"][-1] for chain in chains]
        ends = [each if "typed_config" in each else decoded.named(parts, "filters", each["name"]) for each in last]
        assert ends
        assert all(each["typed_config"]["access_log"] for each in ends)


def test_requests_say_all_that_is_asked_of_them():
    for proxy, found in all_logs().items():
        requests = [fields(log) for log in found if fields(log)["log"] == "request"]
        assert requests
        for each in requests:
            place = {"gateway"} if proxy is EDGE else {"service", "deployment"}
            ends = {"inbound": {"caller"}, "outbound": {"callee"}, "gateway": {"caller", "callee"}}[each["direction"]]
            assert set(each) == REQUEST - {"service", "deployment"} | place | ends


def test_connections_say_all_that_is_asked_of_them():
    found = [fields(log) for logs in all_logs().values() for log in logs if fields(log)["log"] == "connection"]
    more = {
        "inbound": {"mesh", "service", "caller", "claimed", "reason"},
        "outbound": {"callee", "route"},
    }
    assert {each["direction"] for each in found} == {"inbound", "outbound"}
    assert all(set(each) == CONNECTION | more[each["direction"]] for each in found)


def test_every_log_waits_for_the_runtime():
    for found in all_logs().values():
        for log in found:
            first = log["filter"].get("and_filter", {"filters": [log["filter"]]})["filters"][0]
            assert first == {"runtime_filter": {"runtime_key": "meshloom.access_log"}}


def test_no_log_writes_a_query_or_a_header_that_may_be_secret():
    for found in all_logs().values():
        for text in (text for log in found for text in fields(log).values()):
            assert "REQ(" not in text or text in ("%REQ(:METHOD)%", "%REQ(:AUTHORITY)%", "%REQ(X-REQUEST-ID)%")
            assert "PATH" not in text or text == "%PATH(NQ)%"


def test_a_log_that_is_switched_touches_the_runtime_and_nothing_else():
    before = compiled(mesh())
    after = compiled(mesh(is_logged=True), before)
    fresh = compiled(mesh(is_logged=True))
    for proxy, parts in after.bundles.items():
        assert decoded.bundle(parts)["runtimes"] == [{"name": "proxy", "layer": {"meshloom.access_log": 100.0}}]
        was = {(item.type_url, item.name): item for part in before.bundles[proxy] for item in part}
        now = {(item.type_url, item.name): item for part in parts for item in part}
        assert [key for key in now if now[key] is not was[key]] == [(resources.RUNTIME, "proxy")]
        assert decoded.bundle(parts) == decoded.bundle(fresh.bundles[proxy])
