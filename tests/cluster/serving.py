"""`meshloom serve --kubernetes` as a process of its own."""

import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import aiohttp

from tests.cluster import servers

PATIENCE = 60.0


class Served:
    """A control plane that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: pathlib.Path) -> None:
        self.process, self.folder = process, folder

    @property
    def address(self) -> str:
        """Return where it serves ADS in clear."""
        return f"unix:{self.folder}/ads.sock"

    async def asked(self, path: str) -> tuple[int, str]:
        """Return what its health port answers."""
        way = aiohttp.UnixConnector(str(self.folder / "health.sock"))
        async with aiohttp.ClientSession(connector=way) as session, session.get(f"http://meshloom{path}") as answer:
            return answer.status, await answer.text()

    async def reasons(self) -> dict[str, str]:
        """Return what readiness says of each condition."""
        _, text = await self.asked("/readyz")
        return {each["name"]: each["reason"] for each in json.loads(text)["conditions"]}

    async def until(self, expected: Callable[[dict[str, str]], bool]) -> None:
        """Wait until readiness says something."""
        async with asyncio.timeout(PATIENCE):
            reasons = await self.reasons()
            while not expected(reasons):
                await asyncio.sleep(0.05)
                reasons = await self.reasons()

    async def until_logged(self, *texts: str) -> None:
        """Wait for a line that holds all of these texts."""
        async with asyncio.timeout(PATIENCE):
            lines = self.log().splitlines()
            while not any(all(text in line for text in texts) for line in lines):
                await asyncio.sleep(0.05)
                lines = self.log().splitlines()

    def log(self) -> str:
        """Return what it has logged."""
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def served(
    cluster: servers.Cluster, folder: pathlib.Path, *options: str, seed: int = 0, home: str = "", user: str = ""
) -> Iterator[Served]:
    """Run a control plane until the block ends, with a hash seed of its own, and a namespace that it thinks it is in.

    It is the administrator if it is not said to be somebody else.
    """
    kubeconfig = cluster.kubeconfig_of(user) if user else cluster.kubeconfig
    folder.mkdir(exist_ok=True)
    doors = ["--ads-plaintext", f"unix:{folder}/ads.sock", "--health", f"unix:{folder}/health.sock"]
    places = ["--operator-socket", "off", "--state", str(folder / "state"), "--kubeconfig", str(kubeconfig)]
    command = [sys.executable, "-m", "meshloom", "serve", "--kubernetes", *doors, *places, *options]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), **({"POD_NAMESPACE": home} if home else {})}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        yield Served(process, folder)
    finally:
        process.kill()
        process.wait()
