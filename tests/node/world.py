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
MESH = ROOT / "tests" / "node" / "shop.yaml"
SYSTEM = "meshloom-system"
KUBECONFIG, LOADER, ENVOY = "KUBECONFIG", "MESHLOOM_IMAGE_LOADER", "MESHLOOM_ENVOY_IMAGE"
"""Variables of the environment: the cluster, the command that brings an image of the local engine to its node, and the
image of Envoy, which the engine has.
"""
IMAGES = {"meshloom": "meshloom:node-test", "envoy": os.environ.get(ENVOY, "envoyproxy/envoy:v1.36-latest")}
PATIENCE = 120.0

CALLS = """
import collections, json, sys, time, urllib.error, urllib.request
until, url, said = time.monotonic() + float(sys.argv[2]), sys.argv[1], collections.Counter()
while time.monotonic() < until and (len(sys.argv) < 4 or said.total() < int(sys.argv[3])):
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
"""Calls a URL for so many seconds, perhaps at most so many times; says that it has begun, then how often who answered."""


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


def meshloom(*arguments: str, within: float = 240) -> str:
    """Return what the command prints. Raises AssertionError with its words if it fails."""
    command = [sys.executable, "-m", "meshloom", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within)
    assert done.returncode == 0, f"meshloom {shlex.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout


def build(image: str, *options: str) -> None:
    """Build the image of this tree and bring it to the node."""
    _run("docker", "build", "--quiet", "--tag", image, *options, str(ROOT))
    load(image)


def load(image: str) -> None:
    """Bring an image of the engine to the node."""
    _run(*shlex.split(os.environ[LOADER]), image)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr[-2000:]}"


def applied(objects: Sequence[dict[str, Any]]) -> None:
    """Apply these objects."""
    kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(objects))


def rolled_out(*deployments: str, space: str = workloads.SPACE) -> None:
    """Wait until the pods of these Deployments are ready, or say what keeps them."""
    for name in deployments:
        try:
            kubectl("-n", space, "rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE:g}s")
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{_state(space)}") from None


def _state(space: str) -> str:
    pods = kubectl("-n", space, "get", "pods", "-o", "wide")
    events = kubectl("-n", space, "get", "events", "--sort-by=.lastTimestamp")
    logs = kubectl("-n", SYSTEM, "logs", "deployment/meshloom", "--tail=40", "--prefix")
    return f"{pods}\n{events[-3000:]}\n{logs}"


def pods(app: str, space: str = workloads.SPACE, label: str = "app") -> list[str]:
    """Return the names of the pods of an application that are not ending."""
    told = json.loads(kubectl("-n", space, "get", "pods", "-l", f"{label}={app}", "-o", "json"))
    return [one["metadata"]["name"] for one in told["items"] if "deletionTimestamp" not in one["metadata"]]


@dataclass(slots=True)
class Calls:
    """Calls that go on."""

    process: "subprocess.Popen[str]"

    def ended(self) -> dict[str, int]:
        """Return how often who answered."""
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, err
        found: dict[str, int] = json.loads(out)
        return found


def calls(url: str, seconds: float, app: str = "front-v1", *more: str) -> Calls:
    """Begin to call a URL from the application of a pod; the first call is over when this returns."""
    command = ["kubectl", "-n", workloads.SPACE, "exec", pods(app)[0], "-c", "application", "--"]
    command += ["python", "-c", CALLS, url, str(seconds), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n", process.communicate(timeout=PATIENCE)[1]
    return Calls(process)


def called(url: str, times: int = 20, app: str = "front-v1") -> dict[str, int]:
    """Call a URL so many times from the application of a pod."""
    return calls(url, 60, app, str(times)).ended()


def stats(app: str) -> dict[str, int]:
    """Return counters and gauges of the Envoy of an application's first pod."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9901/stats?format=json').read().decode())"
    place = ("-n", workloads.SPACE, "exec", pods(app)[0], "-c", "application", "--", "env", "-u", "http_proxy")
    told = json.loads(kubectl(*place, "python", "-c", ask))["stats"]
    return {one["name"]: one["value"] for one in told if "value" in one}


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Have the control plane and the shop on the node, and nothing of them afterwards."""
    build(IMAGES["meshloom"])
    load(IMAGES["envoy"])
    try:
        install(IMAGES["meshloom"])
        space = {"name": workloads.SPACE, "labels": {"servicemesh.oci.oracle.com/sidecar-injection": "enabled"}}
        applied([{"apiVersion": "v1", "kind": "Namespace", "metadata": space}])
        services = [
            one for name in ("front-v1", "catalogue-v1", "catalogue-v2") for one in workloads.objects(name, IMAGES)
        ]
        applied([one for one in services if one["kind"] == "Service"])  # a binding wants its Service to be there
        kubectl("apply", "-f", str(MESH))
        applied(services)
        rolled_out("front-v1", "catalogue-v1", "catalogue-v2")
        yield
    finally:
        for space in (workloads.SPACE,):
            kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=true")
        meshloom("uninstall", "--purge", "--yes")


def install(image: str) -> None:
    """Install the control plane, or another build of it, and wait until it serves."""
    meshloom("install", "--image", image, "--wait")


def until_called(url: str, wanted: set[str], app: str = "front-v1") -> None:
    """Wait until all that answer a call are these."""

    def is_so() -> bool:
        return set(called(url, 5, app)) == wanted

    wait_until(is_so, f"{url} answered by {sorted(wanted)} alone", PATIENCE)


def until(what: str, holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    wait_until(holds, what, PATIENCE)


NEXT = "meshloom:node-test-next"
"""Another build of the same tree."""


def log() -> str:
    """Return what the replicas of the control plane have said."""
    return kubectl("-n", SYSTEM, "logs", "-l", "app.kubernetes.io/name=meshloom", "--tail=-1")


def received(app: str) -> dict[str, int]:
    """Return how often an application's Envoy has been given each kind of configuration, keys aside."""
    told = stats(app)
    names = [name for name in told if name.endswith(".update_success") and "sds." not in name]
    return {name: told[name] for name in names}


def endpoints(app: str, of: str) -> set[str]:
    """Return the addresses by which an application's Envoy knows the pods of a deployment."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9901/clusters?format=json').read().decode())"
    place = ("-n", workloads.SPACE, "exec", pods(app)[0], "-c", "application", "--", "env", "-u", "http_proxy")
    told = json.loads(kubectl(*place, "python", "-c", ask))["cluster_statuses"]
    sockets = [
        host["address"]["socket_address"]
        for cluster in told
        if of in cluster["name"]
        for host in cluster.get("host_statuses", ())
    ]
    return {f"{one['address']}:{one['port_value']}" for one in sockets}
