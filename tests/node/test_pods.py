"""Pods that are given their proxies, and gateways that are made, as kubelet runs them."""

import json
from typing import Any

import pytest

from tests.node import workloads, world

pytestmark = [pytest.mark.slow, pytest.mark.envoy, pytest.mark.timeout(600), pytest.mark.usefixtures("shop")]

CATALOGUE = "http://catalogue:9080/"
DOOR = "http://door-service.shop/"
V1, PROXY = "catalogue-v1", "oci-sm-proxy"

_PROBED = """
import http.server, pathlib, socketserver, sys, threading
import grpc
FAILS = pathlib.Path("/tmp/fails")
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_well = self.headers.get("x-probe") == "kept" and not FAILS.exists()
        self.send_response(200 if is_well else 500)
        self.end_headers()
class Health(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"\\x08\\x02" if FAILS.exists() else b"\\x08\\x01")
server = grpc.server(__import__("concurrent.futures").futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((Health(),))
server.add_insecure_port("0.0.0.0:9082")
server.start()
tcp = socketserver.TCPServer(("0.0.0.0", 9081), socketserver.BaseRequestHandler)
threading.Thread(target=tcp.serve_forever, daemon=True).start()
def watch():
    while not FAILS.exists():
        threading.Event().wait(0.1)
    tcp.shutdown()
    tcp.server_close()
threading.Thread(target=watch, daemon=True).start()
http.server.HTTPServer(("0.0.0.0", 9080), Web).serve_forever()
"""
"""Answers HTTP, TCP and gRPC until the file /tmp/fails is there."""

_HANDLERS: dict[str, dict[str, Any]] = {
    "http": {"httpGet": {"path": "/", "port": "web", "httpHeaders": [{"name": "x-probe", "value": "kept"}]}},
    "tcp": {"tcpSocket": {"port": 9081}},
    "grpc": {"grpc": {"port": 9082}},
}

_FROM_START_TO_END = """
import signal, sys, threading, urllib.request
def said(when):
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=10) as reply:
            print(when, reply.status, flush=True)
    except Exception as fault:
        print(when, repr(fault), flush=True)
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
said("first")
if len(sys.argv) < 3:
    ended.wait()
    said("last")
"""
"""Calls a URL as the first thing it does, and unless told otherwise, as the last thing before it ends."""


def pod(name: str, space: str = workloads.SPACE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.kubectl("-n", space, "get", "pod", name, "-o", "json"))
    return found


def made(application: str) -> dict[str, Any]:
    """Return the first pod of an application."""
    return pod(world.pods(application)[0])


def test_pods_of_a_labelled_namespace_have_a_native_proxy() -> None:
    [captures, proxy] = made("front-v1")["spec"]["initContainers"]
    assert (captures["name"], proxy["name"], proxy["restartPolicy"]) == ("init", PROXY, "Always")
    assert made("front-v1")["metadata"]["annotations"][f"{workloads.GROUP}/virtual-deployment-binding-ref"] == (
        "shop/front-v1"
    )
    containers = pod(world.pods("visitor", workloads.OUTSIDE)[0], workloads.OUTSIDE)["spec"]["containers"]
    assert [one["name"] for one in containers] == ["application"]


def test_who_has_no_certificate_of_the_mesh_is_refused() -> None:
    address = made(V1)["status"]["podIP"]
    told = world.called(f"http://{address}:9080/", 3, "visitor", space=workloads.OUTSIDE)
    assert sum(told.values()) == 3
    assert not any(V1 in words for words in told), told


def test_probes_of_every_kind_answer_and_fail_with_the_application() -> None:
    """Three Deployments of the same application, each with another probe."""
    for kind, handler in _HANDLERS.items():
        name = f"probed-{kind}"
        probed = {
            **workloads.container(world.IMAGE, "python", "-c", _PROBED),
            "ports": [{"name": "web", "containerPort": 9080}],
            "readinessProbe": {**handler, "periodSeconds": 1, "failureThreshold": 2},
        }
        world.applied([workloads.deployment(name, probed, labels={"app": "front-v1"})])
    names = [f"probed-{kind}" for kind in _HANDLERS]
    world.rolled_out(*names)
    for name in names:
        [one] = world.pods(name)
        probe = pod(one)["spec"]["containers"][0]["readinessProbe"]["httpGet"]
        assert (probe["port"], probe["path"]) == (15010, "/healthproxy")
        world.kubectl("-n", "shop", "exec", one, "-c", "application", "--", "touch", "/tmp/fails")
        world.until(f"{name} is not ready", lambda name=name: not is_ready(made(name)))
    world.kubectl("-n", "shop", "delete", "deployment", *names, "--wait=true")


def is_ready(one: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in one["status"]["conditions"])


def test_a_job_calls_the_mesh_from_its_first_moment_and_ends() -> None:
    caller = workloads.container(world.IMAGE, "python", "-c", _FROM_START_TO_END, CATALOGUE, "once")
    del caller["lifecycle"]
    world.applied([workloads.job("once", caller, {"app": "front-v1", "once": "yes"})])
    world.kubectl("-n", "shop", "wait", "--for=condition=Complete", "job/once", "--timeout=60s")
    assert world.kubectl("-n", "shop", "logs", "job/once", "-c", "application") == "first 200\n"
    world.kubectl("-n", "shop", "delete", "job", "once", "--wait=true")


def test_a_proxy_is_there_before_the_application_and_after_it() -> None:
    caller = workloads.container(world.IMAGE, "python", "-c", _FROM_START_TO_END, CATALOGUE)
    del caller["lifecycle"]
    world.applied([workloads.deployment("early-and-late", caller, labels={"app": "front-v1"})])
    world.rolled_out("early-and-late")
    [one] = world.pods("early-and-late")
    following = world.followed(one)
    world.kubectl("-n", "shop", "delete", "deployment", "early-and-late", "--wait=true")
    assert following.ended() == "first 200\nlast 200\n"


def test_a_gateway_that_is_asked_for_answers_on_its_service() -> None:
    world.kubectl("apply", "-f", str(world.GATEWAY))
    world.rolled_out("door-deployment")
    world.until_called(DOOR, {V1}, "visitor", workloads.OUTSIDE)
    world.until("the gateway Active", lambda: set(world.actives("ingressgatewaydeployments").values()) == {"True"})


def test_a_gateway_that_shrinks_loses_no_request() -> None:
    world.kubectl("apply", "-f", str(world.GATEWAY))
    world.kubectl("-n", "shop", "scale", "deployment", "door-deployment", "--replicas=3")
    world.rolled_out("door-deployment")
    going = world.calls(DOOR, 20, "visitor", space=workloads.OUTSIDE)
    world.kubectl("-n", "shop", "scale", "deployment", "door-deployment", "--replicas=2")
    world.until("two pods of the gateway", lambda: len(world.pods("door", label=workloads.GATEWAY_LABEL)) == 2)
    told = going.ended()
    assert set(told) == {V1}, told


def test_a_classic_proxy_where_that_is_chosen() -> None:
    world.install(sidecars="classic")
    world.kubectl("-n", "shop", "rollout", "restart", "deployment/front-v1")
    world.rolled_out("front-v1")
    spec = made("front-v1")["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["init"]
    assert [one["name"] for one in spec["containers"]] == [PROXY, "application"]
    world.until_called(CATALOGUE, {V1})
    world.install()
    world.kubectl("-n", "shop", "rollout", "restart", "deployment/front-v1")
    world.rolled_out("front-v1")


def test_another_image_of_proxies_rolls_every_pod_and_loses_no_request() -> None:
    world.kubectl("apply", "-f", str(world.GATEWAY))
    world.rolled_out("door-deployment")
    world.until_called(DOOR, {V1}, "visitor", workloads.OUTSIDE)
    world.tag(world.PROXY, world.NEXT_PROXY)
    world.kubectl("-n", "shop", "scale", "deployment", *world.VERSIONS, "--replicas=2")
    world.rolled_out(*world.VERSIONS)
    world.applied([workloads.disruption(name) for name in world.VERSIONS])
    going = world.calls(DOOR, 60, "visitor", space=workloads.OUTSIDE)
    world.install(image=world.IMAGE, proxy=world.NEXT_PROXY)

    def have_rolled() -> bool:
        return all(images(name) == {world.NEXT_PROXY} for name in world.VERSIONS)

    world.until("every pod has the new image", have_rolled)
    world.rolled_out("door-deployment", *world.VERSIONS)
    told = going.ended()
    assert set(told) == {V1}, told


def images(application: str) -> set[str]:
    """Return the images of the proxies of an application's pods."""
    found = (made["spec"] for made in map(pod, world.pods(application)))
    return {
        one["image"]
        for spec in found
        for one in (*spec.get("initContainers", ()), *spec["containers"])
        if one["name"] == PROXY
    }
