"""The program as a whole: when it opens ADS, and when it refuses to."""

import asyncio
import os
import pathlib
import socket
import stat

import pytest

from meshloom import addresses, app, errors, senses, ways_in
from meshloom import settings as settings_model
from meshloom.identity import home
from tests.meshloom import running, shop


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return shop.laid_out(tmp_path / "mesh")


def test_plaintext_is_refused_where_others_could_reach_it(folder):
    with pytest.raises(
        errors.UserError, match=r"ADS in clear is for a unix socket or a loopback address, not for 10\."
    ):
        app.Program(
            senses.folder(folder, settings_model.Files()),
            ways_in.Ads(home.folder(folder), addresses.Socket("10.0.0.1", 18000)),
            settings_model.Settings(),
        )


async def test_one_line_says_where_it_serves_and_how_the_mesh_is(folder, tmp_path):
    async with running.serving(folder, tmp_path / "ads.sock") as program:
        assert program.log.holding("serving ADS") == [
            f"info: serving ADS on unix:{tmp_path}/ads.sock, 2 services, 0 problems"
        ]


async def test_problems_are_said_before_ads_opens(folder, tmp_path):
    shop.write(folder, "weights.yaml", shop.weights(0, 0))
    async with running.serving(folder, tmp_path / "ads.sock") as program:
        (said,) = program.log.holding("VirtualServiceRouteTable shop/pets")
        (serving,) = program.log.holding("serving ADS")
        assert program.log.lines.index(said) < program.log.lines.index(serving)


async def test_an_address_that_is_taken_is_named(folder, tmp_path):
    socket = tmp_path / "ads.sock"
    async with running.serving(folder, socket):
        with pytest.raises(errors.UserError, match=r"something serves on unix:.*ads.sock already; stop it, or choose"):
            async with running.serving(folder, socket):
                pass


async def test_an_address_that_cannot_be_opened_is_named(folder, tmp_path):
    with pytest.raises(errors.UserError, match=r"--ads-plaintext: unix:.*/none/ads.sock cannot be opened"):
        async with running.serving(folder, tmp_path / "none" / "ads.sock"):
            pass


async def test_the_socket_that_a_killed_program_left_is_taken_over(folder, tmp_path):
    left = tmp_path / "ads.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(left))
    assert left.exists()
    async with running.serving(folder, left) as program:
        assert program.log.holding("serving ADS")


async def test_only_its_user_can_open_the_socket_whatever_the_umask(folder, tmp_path):
    before = os.umask(0)
    try:
        async with running.serving(folder, tmp_path / "ads.sock"):
            assert stat.S_IMODE((tmp_path / "ads.sock").stat().st_mode) == 0o600
    finally:
        assert os.umask(before) == 0, "the umask of the program has changed"


async def test_until_the_folder_can_be_read_ads_stays_closed(tmp_path):
    stop, socket = asyncio.Event(), tmp_path / "ads.sock"
    program = asyncio.create_task(
        app.Program(
            senses.folder(tmp_path / "none", settings_model.Files()),
            ways_in.Ads(home.folder(tmp_path / "state"), addresses.Pipe(str(socket))),
            running.settings_in(tmp_path),
        ).run(stop)
    )
    (tmp_path / "other").mkdir()
    stop.set()
    await asyncio.wait_for(program, 20)
    assert not socket.exists()
