"""Endpoints that come and go under traffic, and deployments that are bound and set free: no request is lost."""

import pathlib

import pytest
import yaml

from meshloom.demo import traffic
from meshloom.demo.waiting import wait_until
from tests.envoy import worlds

LIVE = pathlib.Path(__file__).parent / "live"
PROXIES = (worlds.GATEWAY, worlds.CALLER)
PATIENCE_S = 30
UPDATES = {
    "clusters": "cluster_manager.cds.update_success",
    "listeners": "listener_manager.lds.update_success",
    "routes": "http.*.rds.*update_success",
}
NAME = "outbound/t/shop-v1/9080"
V1, V2 = 11, 12
"""The last numbers of the addresses where both versions of the shop receive; both prove to be the same service."""

BINDING = {
    "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
    "kind": "VirtualDeploymentBinding",
    "metadata": {"name": "shop-v1", "namespace": "t"},
    "spec": {"virtualDeployment": {"ref": {"name": "shop-v1"}}, "target": {"service": {"ref": {"name": "shop"}}}},
}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", "namespace": "t"}}
GOING = {"ready": False, "serving": True, "terminating": True}


def endpoint(last, **conditions):
    return {"addresses": [f"127.77.0.{last}"], "conditions": conditions, "zone": f"zone-{last}"}


def listing(*endpoints):
    labels = {"kubernetes.io/service-name": "shop"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "shop-1", "namespace": "t", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [*endpoints],
    }


class World(worlds.World):
    """The mesh of `live/`, whose shop may be bound."""

    def bind(self, *endpoints, to=BINDING):
        """Write binding, Service and the endpoints that are listed."""
        self.write("endpoints.yaml", yaml.safe_dump_all([one for one in (to, SERVICE, listing(*endpoints)) if one]))

    def versions(self, count=12):
        """Return who answers, through the sidecar and through the gateway."""
        asked = [self.call("http://shop/") for _ in range(count)]
        visited = [self.visit("/", "shop.example.com") for _ in range(count)]
        return {worlds.served_by(one) for one in asked}, {worlds.served_by(one) for one in visited}

    def wait_for(self, *versions):
        expected = ({*versions}, {*versions})
        wait_until(lambda: self.versions() == expected, f"both proxies to reach {versions}", PATIENCE_S)

    def updates(self):
        return {(proxy, kind): self.stats(pattern, proxy) for proxy in PROXIES for kind, pattern in UPDATES.items()}


@pytest.fixture(scope="module")
def running(tmp_path_factory, envoy, variant):
    files = worlds.written(LIVE, leaving_out=("newcomer.yaml",))
    with worlds.running(tmp_path_factory.mktemp("endpoints"), envoy, variant, files) as world:
        yield World(world.site, world.block, world.processes)


@pytest.fixture
def bound(running):
    """Return the mesh with its shop bound to one endpoint, and set it free afterwards."""
    running.bind(endpoint(V1))
    wait_until(lambda: running.stats(f"cluster.{NAME}.update_success"), "the endpoints to come", PATIENCE_S)
    running.wait_for("shop-v1")
    yield running
    running.remove("endpoints.yaml")


@pytest.fixture
def traffic_flows(running):
    """Send requests through the caller's sidecar and the gateway during the test; none may fail."""
    by_caller = traffic.Stream(running.block.address(worlds.CALLER), 15000, "http://shop/", pause=0.002)
    at_gateway = running.block.address(worlds.GATEWAY)
    by_gateway = traffic.Stream(at_gateway, 8880, "/", {"host": "shop.example.com"}, pause=0.002)
    with by_caller, by_gateway:
        yield by_caller
    failed = [reply for reply in (*by_caller.seen, *by_gateway.seen) if reply.status != 200]
    assert not failed
    assert len(by_caller.seen) > 20
    assert len(by_gateway.seen) > 20


def test_endpoints_that_come_and_go_lose_no_request(bound, traffic_flows):
    bound.bind(endpoint(V1), endpoint(V2))
    bound.wait_for("shop-v1", "shop-v2")
    bound.bind(endpoint(V2))
    bound.wait_for("shop-v2")
    bound.bind(endpoint(V1, ready=True), endpoint(V2, **GOING))
    bound.wait_for("shop-v1")
    bound.bind(endpoint(V1, ready=False, serving=False), endpoint(V2, **GOING))
    bound.wait_for("shop-v2")


def test_an_endpoint_that_comes_is_sent_alone(bound):
    before = bound.updates()
    of_endpoints = {proxy: bound.stats(f"cluster.{NAME}.update_success", proxy) for proxy in PROXIES}
    bound.bind(endpoint(V1), endpoint(V2))
    bound.wait_for("shop-v1", "shop-v2")
    assert bound.updates() == before
    assert [bound.stats(f"cluster.{NAME}.update_success", one) - of_endpoints[one] for one in PROXIES] == [1, 1]


def test_all_endpoints_are_used_alike_wherever_they_are(bound):
    bound.bind(endpoint(V1), endpoint(V2))
    bound.wait_for("shop-v1", "shop-v2")
    answers = [worlds.served_by(reply) for reply in bound.calls("http://shop/", 200)]
    assert 60 < answers.count("shop-v1") < 140


def test_without_endpoints_callers_are_told_at_once_and_dns_is_not_asked(bound):
    bound.bind()
    wait_until(lambda: bound.call("http://shop/").status == 503, "the endpoints to be gone", PATIENCE_S)
    wait_until(lambda: bound.visit("/", "shop.example.com").status == 503, "the gateway to know", PATIENCE_S)
    bound.bind(endpoint(V2))
    bound.wait_for("shop-v2")


def test_a_deployment_that_is_bound_and_set_free_loses_no_request(running, traffic_flows):
    running.wait_for("shop-v1")
    running.bind(endpoint(V2))
    running.wait_for("shop-v2")
    running.bind(endpoint(V2), to=None)
    running.wait_for("shop-v1")
    running.remove("endpoints.yaml")
