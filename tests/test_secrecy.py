"""The watch over secrets sees them: without these tests it could be blind and nobody would know."""

import base64
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests import secrecy

pytest_plugins = "pytester"

GOLDENS = Path(__file__).parent / "translator" / "cases"


def key(form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> bytes:
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def token() -> str:
    return jwt.encode({"sub": "sidecar/shop/pets-v1"}, key().decode(), "ES256")


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_a_key_is_seen_however_it_is_written(form):
    made = key(form)
    assert secrecy.found(made) == ["a private key"]
    assert secrecy.found(repr(made).encode()) == ["a private key"]
    assert secrecy.found(base64.b64encode(made)) == ["a private key in base64"]


def test_a_token_is_seen_and_a_certificate_request_is_not():
    assert secrecy.found(f"authorization: Bearer {token()}".encode()) == ["a token"]
    assert not secrecy.found(b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ\n-----END CERTIFICATE-----")
    assert not secrecy.found(b"private_key: '[redacted]'")


@pytest.mark.parametrize("way", ["print(SECRET)", "logging.warning(SECRET)", "raise ValueError(SECRET)"])
def test_a_test_that_shows_a_secret_fails_and_says_so_without_it(pytester, monkeypatch, way):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makeconftest("from tests.conftest import pytest_runtest_makereport")
    secret = token()
    pytester.makepyfile(f"import logging\nSECRET = {secret!r}\ndef test_of_nothing():\n    {way}\n")
    result = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:asyncio", "-p", "no:socket")
    result.assert_outcomes(failed=1)
    assert "has printed, logged or raised a token" in result.stdout.str()
    assert secret not in result.stdout.str()


def test_a_file_that_holds_a_secret_is_named_and_a_state_folder_is_not_read(tmp_path):
    (tmp_path / "state").mkdir()
    for name in ("control-plane.log", "state/root.json", "pets.token", "quiet.log"):
        (tmp_path / name).write_text("nothing" if "quiet" in name else token())
    assert secrecy.in_files(tmp_path) == {"control-plane.log": ["a token"]}
    (tmp_path / "control-plane.log").unlink()


def test_no_golden_holds_a_secret():
    assert [*secrecy.files(GOLDENS)]
    assert not secrecy.in_files(GOLDENS)
