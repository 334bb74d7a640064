"""Sockets for operators: who can open them, what is taken over and what is not, and what a request may cost."""

import asyncio
import contextlib
import os
import pathlib
import socket
import stat

import pytest
from aiohttp import web

from meshloom import addresses, errors, listening
from tests.meshloom import asking


@pytest.fixture
def folder(short_folder: pathlib.Path) -> pathlib.Path:
    return short_folder


def pipe(path: pathlib.Path) -> addresses.Pipe:
    return addresses.Pipe(str(path))


def application(answer=None) -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        if answer is not None:
            await answer.wait()
        return web.Response(text="hello")

    made = web.Application(middlewares=[listening.bounded])
    made.add_routes([web.get("/", hello)])
    return made


def served(path: pathlib.Path, **options):
    return listening.served(application(**options), pipe(path), "--door")


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
async def test_only_its_user_can_open_the_socket_whatever_the_umask_is(folder, mask):
    before = os.umask(mask)
    try:
        async with served(folder / "a.sock"):
            assert stat.S_IMODE(os.lstat(folder / "a.sock").st_mode) == 0o600
    finally:
        os.umask(before)


async def test_at_no_moment_could_others_open_it(folder, monkeypatch):
    modes, bind = [], socket.socket.bind

    class Watched(socket.socket):
        def bind(self, path):
            bind(self, path)
            modes.append(stat.S_IMODE(os.lstat(path).st_mode))

    monkeypatch.setattr(socket, "socket", Watched)
    before = os.umask(0)
    try:
        listening.opened(pipe(folder / "a.sock"), "--door").close()
    finally:
        os.umask(before)
    assert modes == [0o600]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_another_user_is_refused_by_the_mode(folder):
    folder.chmod(0o755)
    async with served(folder / "a.sock"):
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(folder / 'a.sock')!r})"
        asked = await asyncio.create_subprocess_exec(
            "/usr/bin/env", "python3", "-c", code, user=65534, group=65534, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asked.communicate()
    assert b"PermissionError" in said


async def test_a_folder_that_is_made_for_it_is_private(folder):
    async with served(folder / "new" / "a.sock"):
        assert stat.S_IMODE(os.lstat(folder / "new").st_mode) == 0o700


async def test_it_answers_and_leaves_no_file_behind(folder):
    async with served(folder / "a.sock"):
        assert await asking.asked(folder / "a.sock", "/") == asking.Answer(200, "hello")
    assert not list(folder.iterdir())


async def test_the_socket_of_a_killed_program_is_taken_over(folder):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "a.sock"))
    async with served(folder / "a.sock"):
        assert (await asking.asked(folder / "a.sock", "/")).text == "hello"


async def test_who_serves_there_already_is_left_alone(folder):
    async with served(folder / "a.sock"):
        with pytest.raises(errors.UserError, match=r"--door: something serves on .*a.sock already; stop it, or choose"):
            async with served(folder / "a.sock"):
                pass
        assert (await asking.asked(folder / "a.sock", "/")).text == "hello"


async def test_one_that_is_too_busy_to_answer_counts_as_serving(folder):
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(folder / "a.sock"))
        busy.listen(0)
        with contextlib.ExitStack() as queue:
            for _ in range(2):
                waiting = queue.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(str(folder / "a.sock"))
            with pytest.raises(errors.UserError, match="something serves on"):
                await asyncio.to_thread(listening.opened, pipe(folder / "a.sock"), "--door")


def test_a_file_that_is_no_socket_is_not_removed(folder):
    (folder / "a.sock").write_text("precious")
    with pytest.raises(errors.UserError, match=r"a.sock exists and is not a socket; choose another path"):
        listening.opened(pipe(folder / "a.sock"), "--door")
    assert (folder / "a.sock").read_text() == "precious"


def test_a_place_where_nothing_can_be_made_is_named():
    with pytest.raises(errors.UserError, match=r"--door: unix:/proc/none/a.sock cannot be opened: .*; choose another"):
        listening.opened(addresses.Pipe("/proc/none/a.sock"), "--door")


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.UserError, match=rf"127.0.0.1:{port} cannot be opened: Address already in use"):
            listening.opened(addresses.Socket("127.0.0.1", port), "--door")


async def test_a_socket_that_somebody_else_put_there_meanwhile_is_not_removed(folder):
    async with served(folder / "a.sock"):
        (folder / "a.sock").unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(folder / "a.sock"))
    assert (folder / "a.sock").exists()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_body_is_refused(folder, method):
    async with served(folder / "a.sock"):
        assert (await asking.asked(folder / "a.sock", "/", method, data=b"x")).status in (405, 413)


async def test_what_takes_too_long_is_ended(folder, monkeypatch):
    monkeypatch.setattr(listening, "REQUEST_SECONDS", 0.01)
    async with served(folder / "a.sock", answer=asyncio.Event()):
        assert await asking.asked(folder / "a.sock", "/") == asking.Answer(503, "this took too long\n")


async def test_one_connection_too_many_is_closed_and_the_others_go_on(folder, monkeypatch):
    monkeypatch.setattr(listening, "CONNECTIONS", 2)
    async with served(folder / "a.sock"):
        held = [await asyncio.open_unix_connection(folder / "a.sock") for _ in range(2)]
        reader, writer = await asyncio.open_unix_connection(folder / "a.sock")
        assert await reader.read() == b""
        writer.close()
        held[0][1].write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"hello" in await held[0][0].read()
        for _, each in held:
            each.close()
            await each.wait_closed()


async def test_a_connection_that_asks_nothing_is_closed_in_time(folder, monkeypatch):
    monkeypatch.setattr(listening, "CONNECTION_SECONDS", 0.01)
    async with served(folder / "a.sock"):
        reader, writer = await asyncio.open_unix_connection(folder / "a.sock")
        assert await reader.read() == b""
        writer.close()
