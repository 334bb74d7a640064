"""A mesh changes while it is used; its control plane is killed and comes back; its YAML is broken and mended."""

import json
import pathlib

import pytest

from meshloom.demo import cast, edits, traffic
from meshloom.demo.waiting import wait_until
from tests.envoy import worlds

LIVE = pathlib.Path(__file__).parent / "live"
PROXIES = (worlds.GATEWAY, worlds.CALLER)

UPDATES = {
    "clusters": "cluster_manager.cds.update_success",
    "listeners": "listener_manager.lds.update_success",
    "routes": "http.*.rds.*update_success",
}
PATIENCE_S = 30
"""When a wait has failed. Proxies look for a lost control plane after a random part of up to ten seconds."""

RECEIVED = "cluster.control-plane.upstream_cx_rx_bytes_total"
GREETING = 3200
"""Bytes by which TLS and HTTP/2 begin a connection and a stream, and of secrets: a certificate is a new one after each
start, and by state of the world the roots come beside it. The whole configuration is over 5,000.
"""

CONNECTED = "control_plane.connected_state"


FILES = ("mesh.yaml", "policy.yaml")


@pytest.fixture(scope="module")
def running(tmp_path_factory, envoy, variant):
    """Run a mesh of our own, because it is changed."""
    files = worlds.written(LIVE, leaving_out=("newcomer.yaml",))
    with worlds.running(tmp_path_factory.mktemp("live"), envoy, variant, files) as world:
        yield world


@pytest.fixture
def live(running):
    """Return the mesh as it is written; what a test changes is undone."""
    yield running
    for name in FILES:
        running.write(name, (LIVE / name).read_text())
    wait_for_version(running, "shop-v1")


@pytest.fixture
def traffic_flows(live):
    """Send requests through the caller's sidecar and the gateway during the test; none may fail."""
    by_caller = traffic.Stream(live.block.address(2), 15000, "http://shop/", pause=0.002)
    by_gateway = traffic.Stream(live.block.address(1), 8880, "/", {"host": "shop.example.com"}, pause=0.002)
    with by_caller, by_gateway:
        yield by_caller
    failed = [reply for reply in (*by_caller.seen, *by_gateway.seen) if reply.status != 200]
    assert not failed
    assert len(by_caller.seen) > 20
    assert len(by_gateway.seen) > 20


def weigh(live, v1, v2):
    """Edit the weights of the shop."""
    live.write("mesh.yaml", edits.with_weights(live.read("mesh.yaml"), "shop", {"shop-v1": v1, "shop-v2": v2}))


def wait_for_version(live, version):
    """Wait until both proxies send their requests there."""
    wait_until(
        lambda: live.call("http://shop/").json()["version"] == version, f"the caller to reach {version}", PATIENCE_S
    )
    wait_until(
        lambda: live.visit("/", "shop.example.com").json()["version"] == version,
        f"the gateway to reach {version}",
        PATIENCE_S,
    )


def updates(live):
    """Return how many updates each proxy has accepted, by kind."""
    return {(proxy, kind): live.stats(pattern, proxy) for proxy in PROXIES for kind, pattern in UPDATES.items()}


def sent_since(live, before):
    """Return how many updates of each kind the proxies have accepted since; every proxy the same number."""
    sent = {key: count - before[key] for key, count in updates(live).items()}
    assert all(sent[proxy, kind] == sent[PROXIES[0], kind] for proxy, kind in sent), sent
    return {kind: sent[PROXIES[0], kind] for kind in UPDATES}


def received_for(live, act, version):
    """Do something that leads both proxies to a version; return the bytes each received from the control plane."""
    before = {proxy: live.stats(RECEIVED, proxy) for proxy in PROXIES}
    act()
    wait_for_version(live, version)
    return {proxy: live.stats(RECEIVED, proxy) - before[proxy] for proxy in PROXIES}


def logged(live):
    """Return the access log of the gateway."""
    found = next(live.site.folder.glob("logs/gateway-*.log")).read_text().splitlines()
    return [json.loads(line) for line in found if line.startswith("{")]


def is_connected(live):
    return all(live.stats(CONNECTED, proxy) == 1 for proxy in PROXIES)


def test_an_edited_weight_is_followed_by_traffic(live, traffic_flows):
    weigh(live, 0, 100)
    wait_for_version(live, "shop-v2")
    weigh(live, 100, 0)
    wait_for_version(live, "shop-v1")
    assert {reply.json()["version"] for reply in traffic_flows.seen} == {"shop-v1", "shop-v2"}


def test_an_edited_weight_sends_routes_and_nothing_else(live):
    before = updates(live)
    weigh(live, 0, 100)
    wait_for_version(live, "shop-v2")
    assert sent_since(live, before) == {"clusters": 0, "listeners": 0, "routes": 1}


def test_a_gateway_whose_log_is_turned_on_serves_on_and_writes_from_then_on(live, traffic_flows):
    before, listeners = updates(live), live.stats("listener_manager.listener_modified", worlds.GATEWAY)
    assert logged(live) == []
    edge = "kind: IngressGateway\n"
    start, found, rest = live.read("mesh.yaml").partition(edge)
    assert found
    live.write("mesh.yaml", start + found + rest.replace("spec:\n", "spec:\n  accessLogging: {isEnabled: true}\n", 1))
    wait_until(lambda: logged(live), "the gateway to log", PATIENCE_S)
    entry = logged(live)[0]
    assert (entry["direction"], entry["mesh"], entry["gateway"]) == ("gateway", "t/mesh", "t/edge")
    assert (entry["status"], entry["authority"], entry["callee"]) == (
        200,
        "shop.example.com",
        "spiffe://mesh.t.mesh/ns/t/vs/shop",
    )
    assert updates(live) == before
    assert live.stats("listener_manager.listener_modified", worlds.GATEWAY) == listeners


def test_what_a_comment_changes_is_sent_to_nobody(live):
    before = updates(live)
    live.write("mesh.yaml", live.read("mesh.yaml") + "# a remark\n")
    weigh(live, 0, 100)  # what comes after it
    wait_for_version(live, "shop-v2")
    assert sent_since(live, before) == {"clusters": 0, "listeners": 0, "routes": 1}


def test_proxies_serve_while_the_control_plane_is_dead_and_are_sent_nothing_when_it_returns(live, traffic_flows):
    one_edit = received_for(live, lambda: weigh(live, 0, 100), "shop-v2")
    before, seen = updates(live), len(traffic_flows.seen)

    def die_return_and_edit():
        live.processes.kill(live.control_plane)
        wait_until(
            lambda: not any(live.stats(CONNECTED, proxy) for proxy in PROXIES), "the proxies to notice", PATIENCE_S
        )
        wait_until(lambda: len(traffic_flows.seen) > seen + 20, "traffic without a control plane", PATIENCE_S)
        live.serve()
        wait_until(lambda: is_connected(live), "the proxies to return", PATIENCE_S)
        weigh(live, 100, 0)  # comes after whatever the proxies asked for on their return

    all_of_it = received_for(live, die_return_and_edit, "shop-v1")
    assert sent_since(live, before) == {"clusters": 0, "listeners": 0, "routes": 1}
    assert all(all_of_it[proxy] < one_edit[proxy] + GREETING for proxy in PROXIES), (all_of_it, one_edit)


def test_what_changed_while_the_control_plane_was_dead_is_sent_when_it_returns(live, traffic_flows):
    live.processes.kill(live.control_plane)
    weigh(live, 0, 100)
    live.serve()
    wait_until(lambda: is_connected(live), "the proxies to return", PATIENCE_S)
    wait_for_version(live, "shop-v2")


def test_broken_yaml_breaks_no_request_and_is_told_with_file_and_line(live, traffic_flows):
    good, said = live.read("mesh.yaml"), len(live.log())
    live.write("mesh.yaml", good + "---\nkind: Mesh\n  metadata: {name: broken\n")
    line = good.count("\n") + 3
    wait_until(lambda: f"mesh.yaml:{line}" in live.log()[said:], "the fault in the log", PATIENCE_S)
    seen = len(traffic_flows.seen)
    wait_until(lambda: len(traffic_flows.seen) > seen + 20, "traffic beside broken YAML", PATIENCE_S)
    live.write("mesh.yaml", good)
    wait_until(lambda: "resolved" in live.log()[said:], "the fault to be resolved", PATIENCE_S)


def test_a_broken_object_leaves_the_others_alone(live, traffic_flows):
    good, said = live.read("mesh.yaml"), len(live.log())
    live.write("mesh.yaml", good + "---\napiVersion: servicemesh.oci.oracle.com/v1beta1\nkind: VirtualSevice\n"
               "metadata: {name: typo, namespace: t}\n")  # fmt: skip
    wait_until(lambda: "VirtualSevice" in live.log()[said:], "the fault in the log", PATIENCE_S)
    weigh(live, 0, 100)
    wait_for_version(live, "shop-v2")


def test_a_service_joins_and_leaves(live, traffic_flows):
    text = (LIVE / "newcomer.yaml").read_text()
    joining = cast.cast(cast.read_resources(live.block.moved(text))).pairs
    live.write("newcomer.yaml", text)
    with worlds.applications(joining, contexts=live.contexts()):
        wait_until(lambda: live.call("http://newcomer/").status == 200, "the newcomer", PATIENCE_S)
        live.remove("newcomer.yaml")
        wait_until(lambda: live.call("http://newcomer/").status == 403, "the newcomer to be gone", PATIENCE_S)


def test_access_that_is_taken_away_is_gone_on_open_connections_too(live):
    with traffic.Stream(live.block.address(2), 15000, "http://shop/") as calls:
        wait_until(lambda: calls.seen and calls.seen[-1].status == 200, "the first answer", PATIENCE_S)
        live.remove("policy.yaml")
        wait_until(lambda: calls.seen[-1].status == 403, "access to be gone", PATIENCE_S)
        live.write("policy.yaml", (LIVE / "policy.yaml").read_text())
        wait_until(lambda: calls.seen[-1].status == 200, "access to be back", PATIENCE_S)
    assert {reply.status for reply in calls.seen} == {200, 403}
