"""The control plane is killed and comes back: who returns with what it holds gets nothing again, only what is new."""

import contextlib
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from meshloom.identity import claim
from tests.meshloom import ads, shop

FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
ROUTES = ("inbound/9080", "outbound")


@contextlib.contextmanager
def served(folder: pathlib.Path, socket: str, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `meshloom serve` as a process of its own, with a hash seed of its own, until the block ends."""
    doors = ["--health", "off", "--operator-socket", "off", "--state", str(folder.with_name("state"))]
    command = [sys.executable, "-m", "meshloom", "serve", "--files", str(folder), "--ads-plaintext", socket, *doors]
    with subprocess.Popen(command, env={"PYTHONHASHSEED": str(seed)}, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_after_a_kill_nothing_is_sent_again_that_the_proxy_holds(tmp_path, delta):
    folder, socket = shop.laid_out(tmp_path / "mesh"), f"unix:{tmp_path}/ads.sock"
    client = ads.Client(FRONT, ("outbound",), delta)
    with served(folder, socket, seed=1) as process:
        async with client.connected(socket):
            await client.complete()
            process.send_signal(signal.SIGKILL)
            process.wait()
    client.received.clear()
    with served(folder, socket, seed=2):
        async with client.connected(socket):
            await client.ask("inbound/9080")
            assert [received.names for received in client.received] == [("inbound/9080",)], "what is asked for alone"
            shop.write(folder, "weights.yaml", shop.weights(20, 80))
            await client.until(lambda client: len(client.received) > 1)
    assert [received.names for received in client.received[1:]] == [("outbound",)], "what is new alone"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_program_gracefully(tmp_path, number):
    folder, socket = shop.laid_out(tmp_path / "mesh"), f"unix:{tmp_path}/ads.sock"
    client = ads.Client(FRONT, ROUTES, delta=True)
    with served(folder, socket, seed=0) as process:
        async with client.connected(socket):
            await client.complete()
            process.send_signal(number)
            _, said = process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in said
