"""A mesh on a real node: the control plane as its own Deployment, applications with their Envoys as pods."""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from meshloom.demo.waiting import wait_until
from tests.node import workloads

ROOT = pathlib.Path(__file__).parents[2]
HERE = ROOT / "tests" / "node"
MESH, GATEWAY = HERE / "shop.yaml", HERE / "gateway.yaml"
SYSTEM = "meshloom-system"
KUBECONFIG, LOADER = "KUBECONFIG", "MESHLOOM_IMAGE_LOADER"
"""Variables of the environment: the cluster, and the command that brings images of the local engine to its node."""
IMAGE, PROXY = "meshloom:node-test", "meshloom-proxy:node-test"
NEXT, NEXT_PROXY = "meshloom:node-test-next", "meshloom-proxy:node-test-next"
"""Other builds of the same tree."""
VERSIONS = ("front-v1", "catalogue-v1", "catalogue-v2")
PATIENCE = 120.0

CALLS = """
import collections, functools, json, os, socket, sys, threading, time, urllib.error, urllib.request
told = threading.Event()
threading.Thread(target=lambda: (os.read(0, 1), told.set()), daemon=True).start()
socket.getaddrinfo = functools.cache(socket.getaddrinfo)
until, url, said = time.monotonic() + float(sys.argv[2]), sys.argv[1], collections.Counter()
most = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
while said.total() < most and (time.monotonic() < until or not told.is_set()):
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            said[json.load(reply)["version"]] += 1
    except urllib.error.HTTPError as refused:
        said[f"{refused.code} {refused.read().decode()[:200]}"] += 1
    except Exception as fault:
        said[repr(fault)] += 1
    if said.total() == 1:
        print("begun", flush=True)
    time.sleep(0.005)
print(json.dumps(said))
"""
"""Calls a URL for so many seconds, and until its input ends, perhaps at most so many times; says that it has begun, then
how often who answered.

A name is looked up once: a lookup that the cluster's DNS does not answer is no request that a proxy lost.
"""


def missing() -> str:
    """Return why there can be no such world, empty if there can."""
    absent = [name for name in (KUBECONFIG, LOADER) if not os.environ.get(name)]
    if absent:
        return (
            f"{' and '.join(absent)} not set: they name a cluster with a node, and the command that brings images to it"
        )
    tools = [tool for tool in ("docker", "kubectl") if shutil.which(tool) is None]
    return f"no {', '.join(tools)} here" if tools else ""


def kubectl(*arguments: str, text: str | None = None, within: float = 150) -> str:
    """Return what kubectl prints. Raises AssertionError with its words if it fails."""
    done = subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, timeout=within)
    assert done.returncode == 0, f"kubectl {shlex.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout


def meshloom(*arguments: str, within: float = 240, codes: Sequence[int] = (0,)) -> str:
    """Return what the command prints. Raises AssertionError with its words if it fails."""
    command = [sys.executable, "-m", "meshloom", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within)
    assert done.returncode in codes, f"meshloom {shlex.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout


def build(image: str, *options: str) -> None:
    """Build an image of this tree."""
    _run("docker", "build", "--quiet", "--tag", image, *options, str(ROOT))


def tag(image: str, name: str) -> None:
    """Give an image another name, on the node too."""
    _run("docker", "tag", image, name)
    load(name)


def load(*images: str) -> None:
    """Bring images of the engine to the node."""
    _run(*shlex.split(os.environ[LOADER]), *images)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr[-2000:]}"


def applied(objects: Sequence[dict[str, Any]]) -> None:
    """Apply these objects."""
    kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(objects))


def rolled_out(*deployments: str, space: str = workloads.SPACE) -> None:
    """Wait until these Deployments are there and their pods are ready, or say what keeps them."""
    for name in deployments:
        until(
            f"deployment {name}",
            lambda name=name: kubectl("-n", space, "get", f"deployment/{name}", "--ignore-not-found"),
        )
        try:
            kubectl("-n", space, "rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE:g}s")
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{_state(space)}") from None


def _state(space: str) -> str:
    pods = kubectl("-n", space, "get", "pods", "-o", "wide")
    events = kubectl("-n", space, "get", "events", "--sort-by=.lastTimestamp")
    logs = kubectl("-n", SYSTEM, "logs", "deployment/meshloom", "--tail=40", "--prefix")
    return f"{pods}\n{events[-3000:]}\n{logs}"


def pods(app: str, space: str = workloads.SPACE, label: str = "deployment") -> list[str]:
    """Return the names of the pods of a Deployment that are not ending."""
    told = json.loads(kubectl("-n", space, "get", "pods", "-l", f"{label}={app}", "-o", "json"))
    return [one["metadata"]["name"] for one in told["items"] if "deletionTimestamp" not in one["metadata"]]


@dataclass(slots=True)
class Calls:
    """Calls that go on."""

    process: "subprocess.Popen[str]"

    def ended(self) -> dict[str, int]:
        """Let them end, but no sooner than they were meant to, and return how often who answered."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        found: dict[str, int] = json.loads(_ended(self.process))
        return found


@dataclass(slots=True)
class Followed:
    """What an application prints, to its end."""

    process: "subprocess.Popen[str]"

    def ended(self) -> str:
        """Return all that it has printed."""
        return _ended(self.process)


def followed(pod: str) -> Followed:
    """Begin to follow what the application of a pod prints."""
    command = ["kubectl", "-n", workloads.SPACE, "logs", pod, "-c", "application", "--follow"]
    return Followed(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))


def calls(url: str, seconds: float, app: str = "front-v1", *more: str, space: str = workloads.SPACE) -> Calls:
    """Begin to call a URL from the application of a pod, for at least so many seconds; the first call is over when this
    returns.
    """
    command = ["kubectl", "-n", space, "exec", "-i", pods(app, space)[0], "-c", "application", "--"]
    command += ["python", "-c", CALLS, url, str(seconds), *more]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    begun = Calls(process)
    if process.stdout.readline() != "begun\n":
        begun.ended()
    return begun


def _ended(process: "subprocess.Popen[str]") -> str:
    """Return the rest of what a process has printed, at its end. Raises AssertionError with its words if it fails."""
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        out, err = process.stdout.read(), process.stderr.read()
        assert process.wait(PATIENCE) == 0, err
    return out


def called(url: str, times: int = 20, app: str = "front-v1", space: str = workloads.SPACE) -> dict[str, int]:
    """Call a URL so many times from the application of a pod."""
    return calls(url, 60, app, str(times), space=space).ended()


def stats(app: str) -> dict[str, int]:
    """Return counters and gauges of the Envoy of an application's first pod."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9901/stats?format=json').read().decode())"
    place = ("-n", workloads.SPACE, "exec", pods(app)[0], "-c", "application", "--")
    told = json.loads(kubectl(*place, "python", "-c", ask))["stats"]
    return {one["name"]: one["value"] for one in told if "value" in one}


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Have the control plane and the shop on the node, and nothing of them afterwards."""
    build(IMAGE)
    build(PROXY, "--target", "proxy")
    load(IMAGE, PROXY)
    try:
        install()
        open_shop()
        yield
    finally:
        for space in (workloads.SPACE, workloads.OUTSIDE):
            kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=false")
            kubectl("-n", space, "delete", "pods", "--all", "--force", "--grace-period=0")
        for space in (workloads.SPACE, workloads.OUTSIDE):
            kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=true")
        meshloom("uninstall", "--purge", "--yes")


def open_shop() -> None:
    """Label a namespace, apply the mesh, deploy the applications; and one that is no part of all that."""
    applied([workloads.namespace(workloads.SPACE, "enabled"), workloads.namespace(workloads.OUTSIDE, "disabled")])
    objects = [one for name in VERSIONS for one in workloads.version(name, IMAGE)]
    services = [one for one in objects if one["kind"] == "Service"]
    applied([*services, workloads.service("catalogue", {"service": "catalogue"})])
    kubectl("apply", "-f", str(MESH))
    until(
        "the bindings ready", lambda: all(active == "True" for active in actives("virtualdeploymentbindings").values())
    )
    idle = workloads.container(IMAGE, *workloads.IDLE)
    applied([*objects, workloads.deployment("visitor", idle, workloads.OUTSIDE)])
    rolled_out(*VERSIONS)
    rolled_out("visitor", space=workloads.OUTSIDE)


def install(image: str = IMAGE, proxy: str = PROXY, **injection: str) -> None:
    """Install the control plane, or another build or other settings of it, and wait until it serves."""
    chosen = {"image": proxy, "pull_policy": "IfNotPresent", **injection}
    settings = [f"settings.kubernetes.injection.{key}={value}" for key, value in chosen.items()]
    options = [word for one in settings for word in ("--set", one)]
    meshloom("install", "--image", image, *options, "--wait")
    rolled_out("meshloom", space=SYSTEM)


def actives(kinds: str) -> dict[str, str]:
    """Return the status of the condition Active of every object of these kinds in the shop."""
    told = json.loads(kubectl("-n", workloads.SPACE, "get", kinds, "-o", "json"))
    return {f"{one['kind']} {one['metadata']['name']}": _active(one) for one in told["items"]}


def _active(one: dict[str, Any]) -> str:
    conditions = one.get("status", {}).get("conditions", ())
    return next((each["status"] for each in conditions if each["type"] == "ServiceMeshActive"), "absent")


def until_called(url: str, wanted: set[str], app: str = "front-v1", space: str = workloads.SPACE) -> None:
    """Wait until all that answer a call are these."""

    def is_so() -> bool:
        return set(called(url, 5, app, space)) == wanted

    wait_until(is_so, f"{url} answered by {sorted(wanted)} alone", PATIENCE)


def until(what: str, holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    wait_until(holds, what, PATIENCE)


@contextlib.contextmanager
def forwarded(pod: str, port: int) -> Iterator[str]:
    """Yield where a port of the loopback address of a pod of the control plane is found here."""
    command = ["kubectl", "-n", SYSTEM, "port-forward", pod, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 15016
            assert said.startswith("Forwarding from 127.0.0.1:"), said
            yield said.split()[2]
        finally:
            process.terminate()


def log() -> str:
    """Return what the replicas of the control plane have said."""
    return kubectl("-n", SYSTEM, "logs", "-l", "app.kubernetes.io/name=meshloom", "--tail=-1")


def received(app: str) -> dict[str, int]:
    """Return how often an application's Envoy has been given each kind of configuration, keys aside."""
    told = stats(app)
    looked_up = ("sds.", "cluster.control-plane.", "cluster.admin.")  # those two are in the bootstrap, and found by DNS
    names = [name for name in told if name.endswith(".update_success") and not any(each in name for each in looked_up)]
    return {name: told[name] for name in names}


def endpoints(app: str, of: str) -> set[str]:
    """Return the addresses by which an application's Envoy knows the pods of a deployment."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9901/clusters?format=json').read().decode())"
    place = ("-n", workloads.SPACE, "exec", pods(app)[0], "-c", "application", "--")
    told = json.loads(kubectl(*place, "python", "-c", ask))["cluster_statuses"]
    sockets = [
        host["address"]["socket_address"]
        for cluster in told
        if of in cluster["name"]
        for host in cluster.get("host_statuses", ())
    ]
    return {f"{one['address']}:{one['port_value']}" for one in sockets}
