"""Where authorities are kept: whole or not at all, for the owner alone, and only one of two who write wins."""

import contextlib
import multiprocessing
import os
import stat

import pytest

from meshloom.identity.authority import secret_store, stores, succession
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.rotation import Facts
from tests.meshloom.authority import worlds
from tests.meshloom.authority.worlds import START

NAME = "shop.main"
WILLING = Facts(lambda: True, lambda: True)


class Cluster:
    """The Secrets of a namespace, as an API server keeps them."""

    def __init__(self) -> None:
        self.held: dict[str, secret_store.Content] = {}

    def read(self, name):
        return self.held.get(name)

    def create(self, name, data, labels):
        assert labels
        return None if name in self.held else self._put(name, data)

    def replace(self, name, data, version):
        return self._put(name, data) if name in self.held and self.held[name].version == version else None

    def _put(self, name, data):
        version = str(len(self.held) + int(self.held[name].version if name in self.held else 0))
        self.held[name] = secret_store.Content(data, version)
        return version


@pytest.fixture(params=["folder", "Secret", "memory"])
def store(request, tmp_path):
    made = {"folder": lambda: worlds.folder(tmp_path), "memory": worlds.Memory}
    return made.get(request.param, lambda: secret_store.SecretStore(Cluster(), "system"))()


def test_what_was_created_is_read(store):
    assert store.read(NAME) is None
    version = store.create(NAME, b"one")
    assert store.read(NAME) == stores.Stored(b"one", version)


def test_of_two_who_create_the_second_learns_of_it(store):
    assert store.create(NAME, b"one")
    assert store.create(NAME, b"two") is None
    assert store.read(NAME).content == b"one"


def test_only_the_version_that_was_seen_is_replaced(store):
    first = store.create(NAME, b"one")
    second = store.replace(NAME, b"two", first)
    assert second not in (None, first)
    assert store.replace(NAME, b"three", first) is None
    assert store.read(NAME) == stores.Stored(b"two", second)


def test_the_content_is_in_no_text(store):
    store.create(NAME, b"hidden")
    assert "hidden" not in repr(store.read(NAME))
    assert NAME in store.where(NAME)


def test_a_name_of_any_length_becomes_one_that_a_secret_can_have():
    long = "shop." + "a" * 250
    assert len(secret_store.secret_name(long)) <= 253
    assert secret_store.secret_name(long) != secret_store.secret_name(long + "b")
    assert secret_store.secret_name(NAME) == "meshloom-authority-shop.main"


def test_a_secret_that_holds_something_else_is_not_taken_for_absent():
    cluster = Cluster()
    cluster.create("meshloom-authority-shop.main", {"other": b"x"}, {"a": "b"})
    found = secret_store.SecretStore(cluster, "system").read(NAME)
    assert found.content == b""


# ---------------------------------------------------------------------------- folders


def test_folders_and_files_are_for_the_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        worlds.folder(tmp_path).create(NAME, b"one")
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state" / "authorities").rglob("*")}
    assert {*modes.values()} == {0o700, 0o600}
    assert all((mode == 0o700) == path.is_dir() for path, mode in modes.items())


@pytest.mark.parametrize(
    ("place", "mode", "right"),
    [
        ("state/authorities", 0o755, "0700"),
        ("state/authorities/shop.main", 0o750, "0700"),
        ("state/authorities/shop.main/authority.json", 0o644, "0600"),
    ],
)
def test_what_others_could_read_is_refused_with_the_remedy(tmp_path, place, mode, right):
    store = worlds.folder(tmp_path)
    store.create(NAME, b"one")
    (tmp_path / place).chmod(mode)
    with pytest.raises(AuthorityError) as fault:
        store.read(NAME)
    assert f"{tmp_path / place} is open to other users (mode {mode:04o})" in str(fault.value)
    assert f"`chmod {right} {tmp_path / place}`" in str(fault.value)


def test_a_disk_that_is_full_is_told_of_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(os.fsync, 1))
    with pytest.raises(AuthorityError, match=r"cannot be used: No space left on device; make it .* room"):
        worlds.folder(tmp_path).create(NAME, b"one")


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path):
    store = worlds.folder(tmp_path)
    store.create(NAME, b"one")
    file = tmp_path / "state" / "authorities" / NAME / stores.FILE
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuthorityError, match=r"authority\.json cannot be used"):
        store.read(NAME)


def test_a_place_that_cannot_be_a_folder_is_told_of(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "authorities").write_text("a file")
    (tmp_path / "state" / "authorities").chmod(0o600)
    with pytest.raises(AuthorityError, match=r"authorities.* cannot be used: "):
        worlds.folder(tmp_path).create(NAME, b"one")


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("nth", range(1, 4))
def test_a_write_that_fails_leaves_the_old_or_the_new_and_the_next_one_tidies_up(tmp_path, monkeypatch, call, nth):
    store = worlds.folder(tmp_path)
    version = store.create(NAME, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(getattr(os, call), nth))
        with contextlib.suppress(AuthorityError):
            store.replace(NAME, b"new", version)
    found = store.read(NAME)
    assert found.content in (b"old", b"new")
    assert store.replace(NAME, b"newest", found.version)
    assert sorted(each.name for each in (tmp_path / "state" / "authorities" / NAME).iterdir()) == [".lock", stores.FILE]


def failing(call, nth):
    calls = iter(range(1, 1000))

    def fail(*given, **named):
        if next(calls) == nth:
            raise OSError(28, "No space left on device")
        return call(*given, **named)

    return fail


@pytest.mark.parametrize("length", [0, 1, 50, 400, -2])
def test_a_file_that_is_not_whole_is_never_replaced_by_a_new_root(tmp_path, length):
    store, ground = worlds.folder(tmp_path), succession.Ground(worlds.folder(tmp_path), worlds.DEFAULT)
    succession.Succession(NAME, "main.shop.mesh", ground).advanced(None, lambda _: WILLING, START)
    file = tmp_path / "state" / "authorities" / NAME / stores.FILE
    file.write_bytes(broken := store.read(NAME).content[:length])
    with pytest.raises(AuthorityError) as fault:
        succession.Succession(NAME, "main.shop.mesh", ground).advanced(None, lambda _: WILLING, START)
    assert str(fault.value) == f"{file} is not whole; {succession.BROKEN}"
    assert file.read_bytes() == broken


@pytest.mark.parametrize(
    ("part", "other", "words"),
    [
        (b'"form": 1', b'"form": 2', "at `form`"),
        (b"BEGIN PRIVATE KEY-----", b"BEGIN PRIVATE KEY-----\\nAAAA", "no private key"),
        (b"BEGIN CERTIFICATE-----", b"BEGIN CERTIFICATE-----\\nAAAA", "a certificate that cannot be read"),
        (b"main.shop.mesh", b"main.zoo.mesh", "is of the trust domain 'main.zoo.mesh', not 'main.shop.mesh'"),
    ],
)
def test_a_file_that_was_changed_is_refused_and_no_key_is_told(tmp_path, part, other, words):
    store, ground = worlds.folder(tmp_path), succession.Ground(worlds.folder(tmp_path), worlds.DEFAULT)
    succession.Succession(NAME, "main.shop.mesh", ground).advanced(None, lambda _: WILLING, START)
    content = store.read(NAME).content
    file = tmp_path / "state" / "authorities" / NAME / stores.FILE
    file.write_bytes(content.replace(part, other))
    with pytest.raises(AuthorityError) as fault:
        succession.Succession(NAME, "main.shop.mesh", ground).recalled(START)
    assert words in str(fault.value)
    secret = content.decode().split("BEGIN PRIVATE KEY-----\\n")[1][:64]
    assert secret not in str(fault.value)
    assert fault.value.__cause__ is None


def first_root(folder, barrier, found):
    ground = succession.Ground(stores.FolderStore(folder), worlds.DEFAULT)
    made = succession.Succession(NAME, "main.shop.mesh", ground)
    barrier.wait()
    made.advanced(None, lambda _: WILLING, START)
    found.put(made.state.signer.roots[0].serial_number)


def test_of_processes_that_begin_at_once_one_makes_the_root_and_all_use_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, found = context.Barrier(4), context.Queue()
    started = [
        context.Process(target=first_root, args=(tmp_path / "state" / "authorities", barrier, found)) for _ in range(4)
    ]
    for each in started:
        each.start()
    serials = {found.get(timeout=60) for _ in started}
    for each in started:
        each.join(60)
    assert len(serials) == 1
    assert all(each.exitcode == 0 for each in started)
