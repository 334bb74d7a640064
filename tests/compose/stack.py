"""The compose project of this repository, run under a name, a port and a mesh folder of its own."""

import contextlib
import json
import os
import pathlib
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshloom.demo import edits, split, traffic
from meshloom.demo.waiting import wait_until

ROOT = pathlib.Path(__file__).parents[2]
MESH = ROOT / "demo" / "compose"
COMPOSE = "MESHLOOM_COMPOSE"
"""This variable of the environment holds the command by which compose is called, as `docker compose`."""

TABLE = "catalogue"
PROFILE = ("--profile", "transparent")
WRITTEN, TURNED = {"catalogue-v1": 90, "catalogue-v2": 10}, {"catalogue-v1": 10, "catalogue-v2": 90}
"""What the sample says, and the opposite: no hundred requests can pass for both."""

PATIENCE = 30.0
_UP = 300
_ASK = "from meshloom.demo import application; import json; print(json.dumps(application.called_answer({url!r}, {{}})))"


@dataclass
class Stack:
    """A project that is up: where its gateway answers, and the file of its mesh."""

    command: tuple[str, ...]
    project: str
    environment: Mapping[str, str]
    mesh: pathlib.Path
    port: int = 0
    seconds: float = 0.0
    """How long `up --wait` took, its image already built."""
    first: traffic.Reply | None = None
    """What the first visitor was answered, right after that."""

    def run(self, *arguments: str, within: float = 100) -> subprocess.CompletedProcess[str]:
        """Run a command of compose, whatever comes of it."""
        command = (*self.command, *arguments)
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within,
            stdin=subprocess.DEVNULL,
        )

    def told(self, *arguments: str, within: float = 100) -> str:
        """Run a command of compose that has to succeed; return what it printed."""
        run = self.run(*arguments, within=within)
        assert run.returncode == 0, f"{shlex.join(arguments)}\n{run.stdout[-3000:]}\n{run.stderr[-6000:]}"
        return run.stdout

    def python(self, service: str, code: str) -> str:
        """Run Python in the container of an application; return what it printed."""
        return self.told("exec", "-T", service, "python", "-c", code).strip()

    def asked(self, service: str, url: str) -> dict[str, Any]:
        """Return what the application of a service is answered at a URL that it calls as any program would."""
        return json.loads(self.python(service, _ASK.format(url=url)))

    def up(self) -> subprocess.CompletedProcess[str]:
        """Start what is not up yet, and wait until all of it is."""
        return self.run("up", "--wait", within=_UP)

    def services(self) -> tuple[str, ...]:
        return tuple(sorted(self.told("config", "--services").split()))

    def inspected(self, service: str) -> dict[str, Any]:
        """Return what the engine says of the container of a service."""
        return inspected(self.told("ps", "--all", "--quiet", service).strip())

    def address(self, service: str) -> str:
        """Return the address that a service has in the network of the project."""
        (network,) = self.inspected(service)["NetworkSettings"]["Networks"].values()
        return network["IPAddress"]

    def volumes(self, service: str) -> dict[str, str]:
        """Return the volumes of a service, by the names that the file gives them, and where it has them."""
        mounts = (mount for mount in self.inspected(service)["Mounts"] if mount["Type"] == "volume")
        return {mount["Name"].removeprefix(f"{self.project}_"): mount["Destination"] for mount in mounts}

    def proxies(self) -> dict[str, str]:
        """Return the states of the proxies that are connected, by name."""
        run = self.run("exec", "-T", "control-plane", "meshloom", "proxies", "-o", "json")
        found = json.loads(run.stdout)["proxies"]
        return {proxy["name"]: proxy["state"] for proxy in found if proxy["namespace"] == "compose"}

    def weigh(self, weights: Mapping[str, int]) -> None:
        """Save these weights of the catalogue's deployments."""
        edits.replace_file(self.mesh, edits.with_weights(self.mesh.read_text(), TABLE, weights))

    def get(self, target: str = "/api/catalogue/") -> traffic.Reply:
        return traffic.reply("127.0.0.1", self.port, target)

    def versions(self, count: int) -> list[str]:
        """Send so many requests through the gateway, all of which succeed; return who answered each."""
        replies = traffic.replies("127.0.0.1", self.port, "/api/catalogue/", count)
        faulty = [reply for reply in replies if reply.status != 200]
        assert not faulty, f"{len(faulty)} of {count} failed, as {faulty[0]}"
        return [version for reply in replies for version in traffic.versions(reply.json(), "catalogue")]

    def is_split(self, weights: Mapping[str, int], count: int = 100) -> bool:
        """Whether so many requests through the gateway are split as these weights ask."""
        return all(line.holds for line in split.lines(split.shares(weights), self.versions(count)))

    def until_split(self, weights: Mapping[str, int]) -> None:
        wait_until(lambda: self.is_split(weights), f"the split {weights}", PATIENCE)

    def logs(self) -> str:
        return self.run("logs", "--no-color", "--tail", "30").stdout


def inspected(name: str) -> dict[str, Any]:
    """Return what the engine says of a container or an image."""
    return json.loads(subprocess.run(["docker", "inspect", name], check=True, capture_output=True, text=True).stdout)[0]


@contextlib.contextmanager
def running(compose: str, folder: pathlib.Path) -> Iterator[Stack]:
    """Bring the project up on a copy of its mesh in a folder; take it down at the end, whatever has happened."""
    folder.chmod(0o755)  # in its container the control plane is another user
    project = f"meshloom-test-{secrets.token_hex(4)}"
    stack = Stack(
        (*shlex.split(compose), "--project-name", project),
        project,
        _environment(folder),
        folder / "mesh.yaml",
    )
    for file in MESH.glob("*.yaml"):
        edits.replace_file(folder / file.name, file.read_text())
    try:
        stack.told("build", within=_UP)
        start = time.monotonic()
        up = stack.up()
        stack.seconds = time.monotonic() - start
        assert up.returncode == 0, f"{up.stderr[-4000:]}\n--- logs\n{stack.logs()}"
        stack.port = int(stack.told("port", "gateway", "8880").rpartition(":")[2])
        stack.first = stack.get("/")
        yield stack
    finally:
        stack.told("down", "--volumes", "--remove-orphans", "--timeout", "2")


def _environment(folder: pathlib.Path) -> dict[str, str]:
    """Return an environment in which the project uses this folder and any free port."""
    return {**os.environ, "MESHLOOM_DEMO_MESH": str(folder), "MESHLOOM_DEMO_PORT": "0"}


def removed(container: str) -> None:
    """Remove a container that was started beside the project."""
    subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)
