"""The process that stays: it ends as Envoy ends, and lets Envoy end when it is told to. Envoy is played."""

import http.server
import json
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

from meshloom.container import orders, supervisor
from meshloom.demo.waiting import wait_until

HERE = pathlib.Path(__file__).parents[3]

PLAYED = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
pathlib.Path({mark!r}).touch()
while True:
    time.sleep(60)
"""


class Admin(http.server.ThreadingHTTPServer):
    """The admin interface of an Envoy that has something to do until `busy` is 0."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.busy, self.connected = 0, 0
        self.failed, self.looked = threading.Event(), threading.Event()


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Admin

    def do_POST(self) -> None:
        self.server.failed.set()
        self._say(b"OK\n")

    def do_GET(self) -> None:
        self.server.looked.set()
        told = {"http.inbound.downstream_rq_active": self.server.busy, "http.admin.downstream_rq_active": 1}
        if "(rq|cx)" in urllib.parse.unquote(self.path):
            told["http.inbound.downstream_cx_active"] = self.server.connected
        self._say(json.dumps({"stats": [{"name": name, "value": value} for name, value in told.items()]}).encode())

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def admin() -> Iterator[Admin]:
    server = Admin()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def started(folder, argv, at, seconds=60.0, are_strangers=False):
    """Start the process in a network namespace's view of its own user: nobody else's sockets count here."""
    told = orders.Orders(tuple(argv), at, seconds, ("127.0.0.1",), {}, str(folder / "probes.sock"), are_strangers)
    (folder / orders.FILE).write_text(orders.written(told))
    code = (
        "import sys; from meshloom.container import applications, supervisor;"
        "applications.others = lambda *_: 0; sys.exit(supervisor.main(sys.argv[1:]))"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=HERE, stderr=subprocess.PIPE)


def played(folder, code=0):
    mark = folder / "started"
    return [sys.executable, "-c", PLAYED.format(code=code, mark=str(mark))], mark


def ended(process) -> int:
    _, said = process.communicate(timeout=60)
    assert said == b""
    return process.returncode


@pytest.mark.parametrize(("words", "code"), [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137)])
def test_it_ends_as_envoy_ends(tmp_path, words, code):
    argv = [sys.executable, "-c", f"import os, sys; {words}"]
    assert ended(started(tmp_path, argv, ("127.0.0.1", 1))) == code


def test_told_to_end_it_lets_envoy_finish_what_it_does(tmp_path, admin):
    argv, mark = played(tmp_path)
    admin.busy = 2
    process = started(tmp_path, argv, admin.server_address)
    wait_until(mark.exists, "Envoy started", 60)
    process.send_signal(signal.SIGTERM)
    assert admin.failed.wait(60)
    assert admin.looked.wait(60)
    assert process.poll() is None
    admin.busy = 0
    assert ended(process) == 0


@pytest.mark.parametrize("are_strangers", [True, False])
def test_strangers_are_waited_for_while_they_are_connected_and_proxies_are_not(tmp_path, admin, are_strangers):
    argv, mark = played(tmp_path)
    admin.connected = 1
    process = started(tmp_path, argv, admin.server_address, are_strangers=are_strangers)
    wait_until(mark.exists, "Envoy started", 60)
    process.send_signal(signal.SIGTERM)
    assert admin.looked.wait(60)
    if are_strangers:
        admin.looked.clear()
        assert admin.looked.wait(60), "it looks again and again"
        assert process.poll() is None
        admin.connected = 0
    assert ended(process) == 0


def test_what_does_not_end_is_cut_off_when_the_time_is_over(tmp_path, admin):
    argv, mark = played(tmp_path, 3)
    admin.busy = 1
    process = started(tmp_path, argv, admin.server_address, 0.3)
    wait_until(mark.exists, "Envoy started", 60)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 3


def test_told_twice_it_ends_at_once(tmp_path, admin):
    argv, mark = played(tmp_path)
    admin.busy = 1
    process = started(tmp_path, argv, admin.server_address)
    wait_until(mark.exists, "Envoy started", 60)
    process.send_signal(signal.SIGTERM)
    assert admin.looked.wait(60)
    process.send_signal(signal.SIGINT)
    assert ended(process) == 0


def test_an_envoy_that_is_silent_is_not_waited_for(tmp_path):
    argv, mark = played(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        at = closed.getsockname()
    process = started(tmp_path, argv, at)
    wait_until(mark.exists, "Envoy started", 60)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 0


def test_it_needs_nothing_but_the_standard_library():
    code = (
        "import sys; before = {*sys.modules}; import meshloom.container.supervisor;"
        "print(*sorted({name.partition('.')[0] for name in {*sys.modules} - before} - {*sys.stdlib_module_names}))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["meshloom"]
    assert supervisor.exit_code(-15) == 143
