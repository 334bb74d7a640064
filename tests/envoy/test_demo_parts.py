"""The parts of the demo that need no Envoy: chance, edits, addresses, processes."""

import collections
import os
import pathlib
import random
import signal
import sys

import psutil
import pytest

from meshloom import errors
from meshloom.demo import application, cast, edits, loopback, processes, split, traffic, waiting

SAMPLE = pathlib.Path(__file__).parents[2] / "demo" / "mesh.yaml"


@pytest.fixture
def sample():
    return cast.read_resources(SAMPLE.read_text())


# ---------------------------------------------------------------------------- chance


def test_bounds_are_those_of_the_binomial_distribution():
    """Of 20 throws of a coin 0 to 2, and 18 to 20, heads come with a chance of 0.0002 each side; 3 with 0.0013."""
    assert split.bounds(20, 0.5, 0.001) == (3, 17)


def test_bounds_of_all_and_nothing_are_exact():
    assert (split.bounds(50, 0.0), split.bounds(50, 1.0)) == ((0, 0), (50, 50))


def test_a_right_split_is_not_called_wrong():
    chance = random.Random(1)
    for _ in range(300):
        seen = chance.choices(["a", "b"], [90, 10], k=600)
        assert all(line.holds for line in split.lines({"a": 0.9, "b": 0.1}, seen))


def test_a_wrong_split_is_noticed():
    seen = ["a"] * 480 + ["b"] * 120
    assert not any(line.holds for line in split.lines({"a": 0.9, "b": 0.1}, seen))


def test_a_version_that_nobody_asked_for_is_noticed():
    assert [line.version for line in split.lines({"a": 1.0}, ["a", "x"]) if not line.holds] == ["a", "x"]


def test_the_turning_point_is_found():
    chance = random.Random(2)
    before, after = {"a": 0.9, "b": 0.1}, {"a": 0.1, "b": 0.9}
    seen = [*chance.choices("ab", [90, 10], k=200), *chance.choices("ab", [10, 90], k=100)]
    assert abs(split.turning_point(seen, before, after) - 200) <= 3
    assert split.turning_point(seen[:200], before, after) >= 197


# ---------------------------------------------------------------------------- the sample


def test_the_sample_has_a_gateway_and_at_least_four_services_one_of_them_in_two_versions(sample):
    players = cast.cast(sample)
    versions = collections.Counter(pair.service.name for pair in players.pairs)
    assert len(players.gates) == 1
    assert len(versions) >= 4
    assert 2 in versions.values()


def test_every_address_of_the_sample_is_used_once(sample):
    players = cast.cast(sample)
    used = [gate.address for gate in players.gates] + [a for p in players.pairs for a in (p.workload, p.application)]
    assert len(used) == len(set(used))


def test_an_edited_weight_changes_nothing_else():
    text = SAMPLE.read_text()
    edited = edits.with_weights(text, "catalogue", {"catalogue-v1": 5, "catalogue-v2": 95})
    changed = [(a, b) for a, b in zip(text.splitlines(), edited.splitlines(), strict=True) if a != b]
    assert [(a.replace("90", "5"), a.replace("10", "95")) for a, _ in changed] == [
        (changed[0][1], changed[0][0]),
        (changed[1][0], changed[1][1]),
    ]
    assert split.featured_table(cast.read_resources(edited)).shares == {"catalogue-v1": 0.05, "catalogue-v2": 0.95}


def test_an_address_that_is_not_of_this_machine_is_refused():
    text = SAMPLE.read_text().replace("hostname: 127.77.0.30", "hostname: prices.example.com")
    with pytest.raises(
        errors.UserError, match=r"VirtualDeployment shop/prices-v1: 'prices.example.com' is not a loopback"
    ):
        cast.cast(cast.read_resources(text))


# ---------------------------------------------------------------------------- addresses and processes


def test_blocks_side_by_side_differ_and_a_freed_one_is_used_again():
    with loopback.claimed_block() as first:
        with loopback.claimed_block() as second:
            assert first != second
        with loopback.claimed_block() as third:
            assert third == second


def test_a_block_in_which_somebody_else_listens_is_left_alone():
    with loopback.claimed_block() as block:
        pass
    stranger = application.Server((block.address(9), 0), application.Role("a", "a-v1"))
    with loopback.claimed_block() as other:
        assert other != block
    stranger.server_close()


def test_a_port_that_is_taken_everywhere_is_named():
    with loopback.claimed_block() as block:
        taken = application.Server(("0.0.0.0", 0), application.Role("a", "a-v1"))
        port = taken.server_address[1]
        assert loopback.accepts(block.address(7), port)
        with pytest.raises(errors.UserError, match=f"port {port} is taken"), loopback.claimed_block([port]):
            pass
        taken.server_close()


def program(tmp_path, code, name="sleeper"):
    return processes.Program(name, (sys.executable, "-c", code), tmp_path / f"{name}.log")


def test_processes_end_with_the_block_even_when_they_will_not(tmp_path):
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(99)"
    )
    with processes.Processes(grace=0.3) as running:
        process = running.start(program(tmp_path, stubborn))
        waiting.wait_until(lambda: "up" in process.last_words(), "the process", 5, [process])
    assert not process.is_running()


def test_a_process_ends_when_the_one_that_started_it_is_killed(tmp_path):
    code = (
        "import pathlib, sys, time; from meshloom.demo import processes;"
        f"child = processes.started(processes.Program('child', ({sys.executable!r}, '-c', 'import time; time.sleep(99)'),"
        f" pathlib.Path({str(tmp_path / 'child.log')!r})));"
        "print(child.popen.pid, flush=True); time.sleep(99)"
    )
    with processes.Processes() as running:
        parent = running.start(program(tmp_path, code, "parent"))
        waiting.wait_until(lambda: parent.last_words(), "the child's number", 10, [parent])
        child = psutil.Process(int(parent.last_words()))
        parent.signal(signal.SIGKILL)
        assert psutil.wait_procs([child], timeout=5)[1] == []


def test_a_process_that_ends_too_soon_is_quoted(tmp_path):
    with processes.Processes() as running:
        process = running.start(program(tmp_path, "raise SystemExit('no such mesh')"))
        with pytest.raises(waiting.NotReadyError, match=r"(?s)sleeper ended while waiting for nothing.*no such mesh"):
            waiting.wait_until(lambda: False, "nothing", 10, [process])


def test_what_does_not_come_in_time_is_named():
    with pytest.raises(waiting.NotReadyError, match=r"waited 0\.1 s in vain for a miracle"):
        waiting.wait_until(lambda: False, "a miracle", 0.1)


# ---------------------------------------------------------------------------- the application


def test_an_application_tells_what_those_it_called_answered(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    answer = application.called_answer(f"http://127.0.0.1:{unused_port()}/", {})
    assert answer["status"] == 0
    faults = [*traffic.faults({"service": "a", "version": "a-v1", "calls": [answer]})]
    assert len(faults) == 1
    assert faults[0].startswith("a-v1 called http://127.0.0.1:")


def unused_port():
    with loopback.socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_tests_run_as_one_process_group_apart_from_what_they_start(tmp_path):
    with processes.Processes() as running:
        process = running.start(program(tmp_path, "import time; time.sleep(99)"))
        assert os.getpgid(process.popen.pid) != os.getpgrp()
