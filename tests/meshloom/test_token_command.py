"""`meshloom token`: what people type and read, and that a token is shown once and nowhere else."""

import json
import os
import pathlib
import subprocess
import sys

import jwt
import pytest
from typer.testing import CliRunner

from meshloom import cli, errors


@pytest.fixture
def state(tmp_path) -> str:
    return str(tmp_path / "state")


def run(*arguments, stdin=None):
    return CliRunner().invoke(cli.app, ("token", *arguments), input=stdin, env={"COLUMNS": "200", "TERM": "dumb"})


def refused(*arguments, stdin=None) -> str:
    result = run(*arguments, stdin=stdin)
    assert isinstance(result.exception, errors.UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def created(state, *arguments) -> str:
    result = run("create", "--state", state, "--proxy", "shop/pets-v1", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def put(tmp_path, token) -> str:
    file = tmp_path / "pets.token"
    file.write_text(token)
    return str(file)


def test_create_prints_the_token_and_nothing_else(state):
    token = created(state)
    assert token.count(".") == 2
    assert not any(space in token for space in " \n")  # the oldest Envoy sends what the file holds, as it is
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("VirtualDeployment/shop/pets-v1", 90 * 86400)


@pytest.mark.parametrize(("valid", "seconds"), [("45s", 45), ("30m", 1800), ("12h", 43200), ("1d", 86400)])
def test_create_says_how_long_it_is_valid(state, valid, seconds):
    claims = jwt.decode(created(state, "--valid", valid), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


def test_create_makes_the_token_of_a_gateway(state):
    claims = jwt.decode(created(state, "--gateway"), options={"verify_signature": False})
    assert claims["sub"] == "IngressGateway/shop/pets-v1"


@pytest.mark.parametrize("valid", ["", "90", "0d", "-1d", "1w", "1d12h", "99999d", "1 d"])
def test_create_refuses_a_time_that_is_none(state, valid):
    assert refused("create", "--state", state, "--proxy", "shop/pets-v1", "--valid", valid) == (
        f"--valid: {valid!r} is not a time of at most ten years, as 90d, 12h, 30m or 45s"
    )


def test_create_refuses_a_name_that_is_none(state):
    assert refused("create", "--state", state, "--proxy", "pets") == (
        "--proxy: 'pets' is not of the form namespace/name, as shop/pets-v1"
    )


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_create_warns_of_a_file_that_others_can_read(state, tmp_path, umask):
    file = tmp_path / "pets.token"
    before = os.umask(umask)
    try:
        with file.open("wb") as opened:
            command = [sys.executable, "-m", "meshloom", "token", "create", "--state", state, "--proxy", "shop/pets-v1"]
            ran = subprocess.run(command, stdout=opened, stderr=subprocess.PIPE, text=True, check=True)
    finally:
        os.umask(before)
    assert ("chmod 600" in ran.stderr) == (umask == 0o022)
    assert file.read_text().count(".") == 2


def test_inspect_shows_what_a_token_says_and_not_the_token(state, tmp_path):
    token = created(state)
    result = run("inspect", "--state", state, put(tmp_path, token + "\n"))
    assert result.exit_code == 0
    told = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert told["subject"] == "VirtualDeployment shop/pets-v1"
    assert (told["signature"], told["revoked"], told["accepted"]) == ("valid", "no", "yes")
    assert not [part for part in token.split(".") if part in result.output]


def test_inspect_reads_standard_input_and_speaks_json(state):
    token = created(state)
    told = json.loads(run("inspect", "--state", state, "-", "-o", "json", stdin=f"Bearer {token}").stdout)
    assert told["id"] == jwt.decode(token, options={"verify_signature": False})["jti"]
    assert told["expires"].endswith("Z")


@pytest.mark.parametrize("by", ["file", "id"])
def test_a_token_that_was_revoked_is_not_accepted(state, tmp_path, by):
    token = created(state)
    file, named = put(tmp_path, token), jwt.decode(token, options={"verify_signature": False})["jti"]
    result = run("revoke", "--state", state, file if by == "file" else named)
    assert result.stdout == f"revoked {named}" + (" of VirtualDeployment shop/pets-v1\n" if by == "file" else "\n")
    result = run("inspect", "--state", state, file)
    assert (result.exit_code, "revoked    yes" in result.stdout) == (1, True)


def test_a_token_of_another_control_plane_is_told(state, tmp_path):
    file = put(tmp_path, created(str(tmp_path / "elsewhere" / "state")))
    created(state)
    for command in ("inspect", "revoke"):
        assert refused(command, "--state", state, file) == (
            f"{file}: the token is not signed by a key of this control plane"
        )


def test_a_file_that_is_not_there_is_told(state, tmp_path):
    created(state)
    assert refused("inspect", "--state", state, f"{tmp_path}/none") == (
        f"{tmp_path}/none does not exist; name the file of a token, or - for standard input"
    )


def test_a_token_given_in_the_place_of_its_file_is_not_repeated(state):
    token = created(state)
    assert refused("inspect", "--state", state, token) == (
        "a token belongs in a file, and not on the command line, which others can see"
    )


def test_the_state_is_that_of_the_user_where_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run("create", "--proxy", "shop/pets-v1").exit_code == 0
    assert (tmp_path / "state" / "meshloom" / "tokens" / "signing.pem").exists()


def test_settings_can_name_the_state(tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"state: {tmp_path}/state\n")
    assert run("create", "--proxy", "shop/pets-v1", "--settings", str(settings)).exit_code == 0
    assert pathlib.Path(tmp_path / "state" / "tokens").is_dir()


@pytest.mark.parametrize("command", ["create", "inspect", "revoke"])
def test_the_help_of_each_command_has_an_example(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"meshloom token {command}" in result.output
