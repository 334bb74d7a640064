"""`meshloom proxies` and `meshloom config` on a control plane in a process of its own, and proxies that answer, do not
answer, and refuse.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import pty
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
import yaml

from meshloom.identity import claim
from meshloom.operator import shapes
from tests.meshloom import ads, shop

FRONT = claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {})
DOOR = claim.gateway("shop/door", "127.0.9.9")
ROUTES = ("inbound/9080", "outbound")
WORDS = "\x1b[31mError adding listener outbound: no such filter\x1b[0m\nsecond line"


@dataclass
class Plane:
    """A control plane at work: its process, its folder of YAML, and its sockets."""

    process: asyncio.subprocess.Process
    mesh: pathlib.Path
    doors: pathlib.Path

    @property
    def ads(self) -> str:
        return f"unix:{self.doors}/ads.sock"

    @property
    def socket(self) -> pathlib.Path:
        return self.doors / "operator.sock"

    async def said(self, text: str) -> dict:
        """Wait for a line of its log that holds a text, and return it."""
        async with asyncio.timeout(ads.PATIENCE):
            while line := await self.process.stderr.readline():
                if text in line.decode():
                    return json.loads(line)
        raise AssertionError(f"it never said {text!r}")


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def doors() -> Iterator[pathlib.Path]:
    """A folder whose path is short enough for sockets."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="meshloom-"))
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture
async def plane(tmp_path: pathlib.Path, doors: pathlib.Path) -> AsyncIterator[Plane]:
    mesh = shop.laid_out(tmp_path / "mesh")
    command = [
        "serve",
        "--files",
        mesh,
        "--ads-plaintext",
        f"unix:{doors}/ads.sock",
        "--health",
        f"unix:{doors}/h.sock",
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshloom", *command, "--operator-socket", doors / "operator.sock"),
        stderr=asyncio.subprocess.PIPE,
    )
    running = Plane(process, mesh, doors)
    try:
        await running.said("serving ADS on")
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def ran(plane: Plane | None, *arguments: str, **environment: str) -> Ran:
    """Run a command that asks the control plane."""
    known = {"MESHLOOM_OPERATOR_SOCKET": str(plane.socket)} if plane is not None else {}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshloom", *arguments),
        env={**os.environ, **known, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ran(process.returncode, out.decode(), err.decode())


async def test_all_is_in_sync_and_shown_so(plane):
    async with (
        ads.Client(FRONT, ROUTES, delta=True).connected(plane.ads) as front,
        ads.Client(DOOR, ("gateway/8880",), delta=False).connected(plane.ads) as door,
    ):
        await front.complete()
        await door.complete()
        async with asyncio.timeout(ads.PATIENCE):
            while (table := await ran(plane, "proxies")).code == 3:
                pass  # the last answers are on their way
        document = await ran(plane, "proxies", "-o", "json")
        one = await ran(plane, "proxies", "shop/door", "-o", "json")
    assert (table.code, table.err) == (0, "")
    assert "shop/front-v1" in table.out
    assert table.out.endswith("2 connected: 2 synced\n")
    found = shapes.Proxies.model_validate_json(document.out).proxies
    assert {(each.kind, each.name, each.variant, each.capture, each.state) for each in found} == {
        ("VirtualDeployment", "front-v1", "delta", "explicit", "synced"),
        ("IngressGateway", "door", "sotw", "none", "synced"),
    }
    assert [each["name"] for each in json.loads(one.out)["proxies"]] == ["door"]


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_a_rejection_is_logged_once_and_shown_in_the_words_of_the_proxy(plane, delta):
    client = ads.Client(FRONT, ROUTES, delta, refused={ads.LISTENER: WORDS}, culprit="outbound")
    async with client.connected(plane.ads):
        await client.complete()
        logged = await plane.said("ads.nacked")
        listed = await ran(plane, "proxies")
        compared = await ran(plane, "config", "shop/front-v1", "--type", "LDS", "-o", "json")
        last = await ran(plane, "proxies", "-o", "json")
        plane.process.terminate()
        _, afterwards = await plane.process.communicate()
    assert b"ads.nacked" not in afterwards
    assert logged["node"] == claim.node_id(FRONT)
    assert logged["resources"] == ["outbound"], "the words name the culprit"
    assert logged["message"] == r"\x1b[31mError adding listener outbound: no such filter\x1b[0m\nsecond line"
    assert listed.code == compared.code == 1
    assert r"rejected LDS outbound" in listed.out
    assert r"\x1b[31mError adding listener outbound" in listed.out
    assert "\x1b" not in listed.out
    (front,) = shapes.Proxies.model_validate_json(last.out).proxies
    lds = next(each for each in front.types if each.type == "LDS")
    assert (lds.state, lds.rejections[0].resources) == ("rejected", ("outbound",))
    assert (lds.acked == "") == delta, "in the state of the world it was sent what it had applied"
    (config,) = shapes.Configs.model_validate_json(compared.out).configs
    assert {each.state for each in config.resources if each.name == "outbound"} == {"rejected"}


async def test_what_is_not_answered_is_pending(plane):
    client = ads.Client(FRONT, ROUTES, delta=True, ignored=frozenset({ads.CLUSTER}))
    async with client.connected(plane.ads):
        await client.until(lambda client: ads.CLUSTER in client.held)
        found = await ran(plane, "config", "shop/front-v1", "--type", "CDS", "-o", "json")
        listed = await ran(plane, "proxies", "shop/front-v1")
    (config,) = json.loads(found.out)["configs"]
    assert {(each["state"], each["acked"]) for each in config["resources"]} == {("pending", "")}
    assert all(each["sent"] == each["should"] for each in config["resources"])
    assert (found.code, listed.code) == (3, 3)


async def test_a_resource_is_shown_just_as_compile_shows_it(plane):
    async with ads.Client(FRONT, ROUTES, delta=True).connected(plane.ads) as client:
        await client.complete()
        shown = await ran(plane, "config", "shop/front-v1", "--type", "LDS", "--name", "outbound")
        by_node = await ran(plane, "config", claim.node_id(FRONT), "--name", "inbound/9080", "-o", "json")
    compiled = await ran(None, "compile", "-f", str(plane.mesh), "--proxy", "shop/front-v1", "-o", "json")
    (resource,) = yaml.safe_load(shown.out)
    listeners = {each["resource"]["name"]: each for each in json.loads(compiled.out)[0]["listeners"]}
    assert resource["body"] == listeners["outbound"]["resource"]
    assert resource["should"] == listeners["outbound"]["version"]
    kinds = [each["type"] for each in json.loads(by_node.out)["configs"][0]["resources"]]
    assert kinds == ["CDS", "LDS", "RDS"], "one name in three types"


async def test_only_what_differs_is_shown_when_asked(plane):
    async with ads.Client(FRONT, ("inbound/9080",), delta=True).connected(plane.ads) as client:
        await client.complete()
        async with asyncio.timeout(ads.PATIENCE):
            while ("inbound/9080", "pending") in (found := await differing(plane)):
                pass  # the last answer is on its way
    assert found == [("outbound", "missing")]


async def differing(plane: Plane) -> list[tuple[str, str]]:
    """Return the routes that differ, and how."""
    command = ("config", "shop/front-v1", "--type", "RDS", "--differing", "-o", "yaml")
    document = yaml.safe_load((await ran(plane, *command)).out)
    return [(each["name"], each["state"]) for each in document["configs"][0]["resources"]]


async def test_who_is_not_connected_is_said_in_one_line(plane):
    for command in ("proxies", "config"):
        found = await ran(plane, command, "shop/nobody")
        assert (found.code, found.out) == (2, "")
        assert found.err == f"meshloom: the control plane on {plane.socket} says: no proxy shop/nobody is connected\n"


async def test_without_a_control_plane_one_line_says_how_to_start_it(doors):
    found = await ran(None, "proxies", "--operator-socket", str(doors / "none.sock"))
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(
        f"meshloom: no control plane answers on {doors}/none.sock; start one with `meshloom serve`"
    )
    assert found.err.count("\n") == 1


async def test_the_socket_is_for_this_user_alone_and_is_gone_with_the_program(plane):
    assert stat.S_IMODE(os.lstat(plane.socket).st_mode) == 0o600
    plane.process.terminate()
    assert await plane.process.wait() == 0
    assert not plane.socket.exists()


async def test_a_killed_control_plane_leaves_a_socket_that_the_next_takes_over(plane):
    plane.process.kill()
    await plane.process.wait()
    assert plane.socket.exists()
    again = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshloom", "serve", "--files", plane.mesh, "--ads-plaintext", plane.ads),
        *("--health", f"unix:{plane.doors}/h.sock", "--operator-socket", plane.socket),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await Plane(again, plane.mesh, plane.doors).said("serving ADS on")
        assert (await ran(plane, "proxies")).out == "no proxies are connected\n"
    finally:
        again.terminate()
        await again.communicate()


async def test_watching_at_a_terminal_ends_with_ctrl_c_and_no_traceback(plane):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "meshloom", "proxies", "--watch", "--operator-socket", plane.socket]
    process = await asyncio.create_subprocess_exec(*command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        async with asyncio.timeout(30):
            shown = await asyncio.to_thread(until, ours, b"no proxies are connected")
            process.send_signal(signal.SIGINT)
            shown += await asyncio.to_thread(until, ours, None)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()  # ends the reading thread, too
        os.close(ours)
    assert b"Traceback" not in shown
    assert b"Aborted" not in shown


def until(terminal: int, text: bytes | None) -> bytes:
    """Return what is shown at a terminal until a text comes, or until its program has ended."""
    shown = b""
    with contextlib.suppress(OSError):  # what Linux says when nobody holds the other end any more
        while text is None or text not in shown:
            shown += os.read(terminal, 4096)
    return shown
