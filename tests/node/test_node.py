"""The control plane as it runs in a cluster: installed by its own command, found by proxies, asked about real pods.

The tests go from what changes nothing to what does; each leaves the shop as it found it.
"""

import json
from collections.abc import Iterator

import pytest

from tests.node import world

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.timeout(600), pytest.mark.usefixtures("shop")]

CATALOGUE = "http://catalogue:9080/"
V1, V2 = "catalogue-v1", "catalogue-v2"

_ANOTHER = """
import pathlib, sys
import grpc
from meshloom.identity import claim
from xds.wire import discovery_pb2 as wire
held = pathlib.Path("/var/run/secrets/meshloom")
proxy = claim.captured(sys.argv[1], (), is_ipv4_only=True)
node = wire.Node(id=claim.node_id(proxy))
node.metadata.update(claim.metadata(proxy))
root = grpc.ssl_channel_credentials((held / "root.pem").read_bytes())
channel = grpc.secure_channel("meshloom.meshloom-system.svc:15012", root)
ask = channel.stream_stream(
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    wire.DeltaDiscoveryRequest.SerializeToString,
    wire.DeltaDiscoveryResponse.FromString,
)
request = wire.DeltaDiscoveryRequest(node=node, type_url="type.googleapis.com/envoy.config.cluster.v3.Cluster")
try:
    print(next(ask(iter([request]), metadata=[("authorization", f"Bearer {(held / 'token').read_text()}")], timeout=20)))
except grpc.RpcError as refused:
    print(refused.code().name, refused.details())
"""
"""Asks for the clusters of a VirtualDeployment with the token of the pod that it runs in."""


def weighted(first: int) -> None:
    """Send so many per cent to the first version, the rest to the second."""
    shares = [
        {"virtualDeployment": {"ref": {"name": name}}, "weight": weight}
        for name, weight in ((V1, first), (V2, 100 - first))
    ]
    patch = {"spec": {"routeRules": [{"httpRoute": {"destinations": shares}}]}}
    kind = "virtualserviceroutetables.servicemesh.oci.oracle.com"
    world.kubectl("-n", "shop", "patch", kind, "catalogue", "--type=merge", "-p", json.dumps(patch))


@pytest.fixture
def written() -> Iterator[None]:
    yield
    weighted(100)
    world.until_called(CATALOGUE, {V1})


def test_the_control_plane_is_ready_under_restricted_pod_security() -> None:
    labels = json.loads(world.kubectl("get", "namespace", world.SYSTEM, "-o", "json"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    told = json.loads(world.kubectl("-n", world.SYSTEM, "get", "deployment", "meshloom", "-o", "json"))
    assert told["status"]["readyReplicas"] == told["spec"]["replicas"] == 2


def test_a_call_goes_where_the_table_says_through_both_proxies() -> None:
    assert world.called(CATALOGUE) == {V1: 20}


def test_an_operator_sees_the_proxies_through_forwarded_ports_and_nobody_without_a_token(tmp_path) -> None:
    token, audience = tmp_path / "operator.token", ("--audience", "meshloom-operator")
    token.write_text(world.kubectl("-n", world.SYSTEM, "create", "token", "meshloom-operator", *audience))
    seen = set[str]()
    for pod in world.pods("meshloom", world.SYSTEM, "app.kubernetes.io/name"):
        with world.forwarded(pod, 15016) as at:
            asked = ("proxies", "-o", "json", "--operator-socket", at, "--operator-token")
            told = json.loads(world.meshloom(*asked, str(token), codes=(0, 3)))  # 3: something is on its way
            seen |= {one["name"] for one in told["proxies"]}
            (tmp_path / "other.token").write_text("nobody's")
            with pytest.raises(AssertionError, match="token"):
                world.meshloom(*asked, str(tmp_path / "other.token"))
    assert seen == {"front-v1", V1, "catalogue-v2"}


def test_one_command_shows_an_operator_the_proxies_of_all_replicas() -> None:
    told = json.loads(world.meshloom("proxies", "-o", "json", "--kubernetes", codes=(0, 3)))
    assert {one["name"] for one in told["proxies"]} == {"front-v1", V1, "catalogue-v2"}
    [config] = json.loads(world.meshloom("config", "shop/front-v1", "-o", "json", "--kubernetes", codes=(0, 3)))[
        "configs"
    ]
    assert config["proxy"]["name"] == "front-v1"


def test_what_no_policy_allows_is_refused_with_the_reason() -> None:
    """That is the name of a Service, but of none in the mesh."""
    told = world.called("http://catalogue-v2:9080/", 3)
    assert sum(told.values()) == 3
    assert all(words.startswith("403 no access policy lets") for words in told), told


def test_the_endpoints_are_the_pods_that_are_there() -> None:
    world.kubectl("-n", "shop", "scale", "deployment", V1, "--replicas=2")
    try:
        world.rolled_out(V1)
        addresses = set(
            world.kubectl(
                "-n", "shop", "get", "pods", "-l", f"deployment={V1}", "-o", "jsonpath={.items[*].status.podIP}"
            ).split()
        )
        assert len(addresses) == 2

        def is_known() -> bool:
            return {one.rpartition(":")[0] for one in world.endpoints("front-v1", V1)} == addresses

        world.until(f"endpoints {sorted(addresses)}", is_known)
    finally:
        world.kubectl("-n", "shop", "scale", "deployment", V1, "--replicas=1")
        world.rolled_out(V1)


def test_a_weight_moves_traffic_and_no_request_is_lost(written: None) -> None:
    going = world.calls(CATALOGUE, 8)
    weighted(0)
    world.until_called(CATALOGUE, {V2})
    told = going.ended()
    assert set(told) == {V1, V2}, told


def test_pods_that_are_replaced_lose_no_request() -> None:
    going = world.calls(CATALOGUE, 25)
    world.kubectl("-n", "shop", "rollout", "restart", f"deployment/{V1}")
    world.rolled_out(V1)
    told = going.ended()
    assert set(told) == {V1}, told


def test_every_object_says_that_it_is_active() -> None:
    kinds = (
        "meshes,virtualservices,virtualdeployments,virtualserviceroutetables,accesspolicies,virtualdeploymentbindings"
    )
    world.until("all objects Active", lambda: set(world.actives(kinds).values()) == {"True"})


def test_what_cannot_work_is_refused_by_the_webhook_in_words() -> None:
    low = {"spec": {"mtls": {"mode": "DISABLED"}}}
    with pytest.raises(AssertionError, match="DISABLED is below STRICT, the minimum of Mesh shop/main") as refused:
        world.kubectl("-n", "shop", "patch", "virtualservices", "catalogue", "--type=merge", "-p", json.dumps(low))
    assert "admission.meshloom.dev" in str(refused.value)


def test_a_pod_gets_nothing_of_a_deployment_that_it_is_not_bound_to() -> None:
    """The pod of one deployment, with its own token, asks for the configuration of another."""
    [pod] = world.pods("front-v1")
    written = ("python", "-c", _ANOTHER, f"shop/{V1}")
    told = world.kubectl("-n", "shop", "exec", pod, "-c", "oci-sm-proxy", "--", *written)
    assert "PERMISSION_DENIED" in told
    assert f"the node says that it is VirtualDeployment shop/{V1}, but the pod shop/{pod} is not bound to it" in told


def test_a_rolling_restart_sends_nothing_again_but_keys_and_loses_no_request() -> None:
    before = world.received("front-v1")
    going = world.calls(CATALOGUE, 25)
    world.kubectl("-n", world.SYSTEM, "rollout", "restart", "deployment/meshloom")
    world.rolled_out("meshloom", space=world.SYSTEM)
    world.until("the proxy connected", lambda: world.stats("front-v1").get("control_plane.connected_state") == 1)
    told = going.ended()
    assert world.received("front-v1") == before
    assert set(told) == {V1}, told


def test_another_build_takes_over_while_proxies_of_the_first_go_on(written: None) -> None:
    world.build(world.NEXT, "--build-arg", "VERSION=99.0.0")
    world.load(world.NEXT)
    before = world.pods("front-v1")
    going = world.calls(CATALOGUE, 25)
    world.install(world.NEXT)
    weighted(0)
    world.until_called(CATALOGUE, {V2})
    told = going.ended()
    assert set(told) == {V1, V2}, told
    assert world.pods("front-v1") == before
    world.install()


def test_after_uninstall_traffic_goes_on_and_nothing_holds_the_objects() -> None:
    going = world.calls(CATALOGUE, 15)
    world.meshloom("uninstall")
    assert set(going.ended()) == {V1}
    world.kubectl("-n", "shop", "delete", "accesspolicies", "front-calls-catalogue", "--timeout=30s")
    assert world.called(CATALOGUE) == {V1: 20}
    world.install()
    world.kubectl("apply", "-f", str(world.MESH))
    world.until_called(CATALOGUE, {V1})
