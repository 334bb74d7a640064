"""Join tokens and their keys: what they say, where they are kept, and that nothing of them is shown."""

import concurrent.futures
import os
import stat
import time

import jwt
import pytest

from mesh.problems import Ref
from meshloom import errors
from meshloom.identity import register, signing, tokens

PETS, DOOR = Ref("VirtualDeployment", "shop", "pets-v1"), Ref("IngressGateway", "shop", "door")


@pytest.fixture
def folder(tmp_path) -> register.Folder:
    return register.Folder(tmp_path / "state")


def made(folder, owner=PETS, valid=60.0):
    key = folder.signing()
    token = tokens.issued(owner, key.id, time.time(), valid)
    return token, tokens.signed(token, key.key)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("owner", [PETS, DOOR])
def test_what_is_read_is_what_was_signed(folder, owner):
    token, text = made(folder, owner)
    assert tokens.read(tokens.bare(text), folder.read().keys) == token


def test_the_claims_are_those_of_the_reference(folder):
    token, text = made(folder)
    claims = jwt.decode(text, options={"verify_signature": False})
    assert claims == {
        "iss": "meshloom",
        "aud": "meshloom",
        "sub": "VirtualDeployment/shop/pets-v1",
        "jti": token.id,
        "iat": token.issued,
        "exp": token.issued + 60,
    }
    assert jwt.get_unverified_header(text) == {"alg": "EdDSA", "kid": token.key, "typ": "JWT"}


def test_no_two_tokens_have_one_id(folder):
    assert len({made(folder)[0].id for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["{}\n", " {} ", "Bearer {}\r\n", "BEARER {}"])
def test_white_space_and_bearer_around_a_token_do_no_harm(text):
    assert tokens.bare(text.format("a.b.c")) == "a.b.c"


def test_a_token_is_good_until_it_expires_and_not_before_it_was_issued():
    token = tokens.Token("0" * 32, PETS, "k", 1000, 2000)
    assert tokens.fault(token, 1000) is tokens.fault(token, 1999.9) is tokens.fault(token, 940) is None
    assert (tokens.fault(token, 2000).reason, tokens.fault(token, 939).reason) == ("expired", "malformed")


def test_the_key_and_its_folders_are_for_this_user_alone_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        folder.signing()
        folder.read()
    finally:
        os.umask(before)
    assert mode(folder.path / "signing.pem") == 0o600
    assert {mode(each) for each in (folder.path.parent, folder.path, folder.path / "revoked")} == {0o700}


def test_programs_that_need_the_first_key_at_once_get_the_same(folder):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = {each.id for each in pool.map(lambda _: folder.signing(), range(16))}
    assert found == {*folder.read().keys}
    assert len(found) == 1
    assert not [*folder.path.rglob("*.tmp")]


def test_a_key_that_others_can_read_is_refused(folder):
    folder.signing()
    (folder.path / "signing.pem").chmod(0o640)
    with pytest.raises(errors.UserError, match="can be read by others"):
        folder.signing()


def test_a_key_that_is_none_is_refused_without_a_word_of_it(folder):
    folder.signing()
    (folder.path / "signing.pem").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(errors.UserError, match="holds no Ed25519 key") as raised:
        folder.signing()
    assert "c2VjcmV0" not in str(raised.value)


def test_a_key_whose_public_half_was_removed_signs_no_more(folder):
    folder.signing()
    for file in (folder.path / "verifying").iterdir():
        file.unlink()
    with pytest.raises(errors.UserError, match="signs what nobody accepts"):
        folder.signing()


def test_a_replaced_key_is_another_and_the_old_one_still_verifies(folder):
    _, old = made(folder)
    (folder.path / "signing.pem").unlink()
    _, new = made(folder)
    keys = folder.read().keys
    assert tokens.read(old, keys).key != tokens.read(new, keys).key


def test_nothing_prints_a_key(folder):
    key = folder.signing()
    assert repr(key) == f"SigningKey(id={key.id!r})"
    assert "BEGIN" not in repr(folder.read())


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="file"):
        register.Folder(tmp_path / "file").signing()


def test_a_revocation_is_for_one_token_and_for_good(folder):
    (revoked, _), (other, _) = made(folder), made(folder)
    folder.revoke(revoked.id)
    folder.revoke(revoked.id)
    known = folder.read()
    assert known.fault(revoked, time.time()).reason == "revoked"
    assert known.fault(other, time.time()) is None


def test_what_lies_about_among_the_revocations_is_none(folder):
    made(folder)
    folder.read()
    (folder.path / "revoked" / "README").write_text("about this folder")
    assert folder.read().revoked == frozenset()


def test_an_id_follows_from_the_key(folder):
    key = folder.signing()
    assert key.id == signing.key_id(key.key.public_key())
