"""`meshloom proxy`: what it refuses before it becomes another process, and how it waits."""

import http.server
import threading

import pytest
import typer.testing

from meshloom import cli, errors
from meshloom.commands import proxy
from meshloom.identity import claim

RUNNER = typer.testing.CliRunner()


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def health(monkeypatch):
    server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
    monkeypatch.setattr(claim, "HEALTH_PORT", server.server_address[1])
    yield server
    server.server_close()


def test_it_waits_until_the_proxy_is_ready(health):
    threading.Thread(target=health.handle_request, daemon=True).start()
    assert proxy.wait(30) == 0


def test_it_does_not_wait_for_ever(health, capsys):
    health.server_close()
    assert proxy.wait(0) == 1
    assert "not ready after 0 s" in capsys.readouterr().err


def test_without_an_envoy_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = RUNNER.invoke(cli.app, ["proxy", "--run-folder", str(tmp_path)])
    assert isinstance(found.exception, errors.UserError)
    assert "envoy is not found on the path" in str(found.exception)


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "envoy").touch(0o755)
    (tmp_path / "file").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MESHLOOM_PROXY", "shop/pets-v1")
    monkeypatch.setenv("MESHLOOM_ADS", "127.0.0.1:15012")
    found = RUNNER.invoke(cli.app, ["proxy", "--run-folder", str(tmp_path / "file")])
    assert isinstance(found.exception, errors.UserError)
    assert f"{tmp_path / 'file'} cannot be written" in str(found.exception)
