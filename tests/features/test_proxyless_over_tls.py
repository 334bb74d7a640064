"""gRPC programs without a proxy join over TLS, by a certificate or a token; each is a process, as gRPC reads files once."""

import asyncio
import contextlib
import json
import os
import sys

import pytest

from meshloom import addresses, grpc_bootstrap, secure_ads
from tests.features import ads, entrance

PROGRAM = """
import grpc
with grpc.insecure_channel("xds:///pets") as channel:
    channel.subscribe(lambda state: None, try_to_connect=True)
    input()
"""


@contextlib.asynccontextmanager
async def program(folder, address, root, own, **environment):
    """Run a program that looks for a service, until the block ends."""
    bootstrap = grpc_bootstrap.bootstrap(entrance.PETS, addresses.dialled(address), root, own)
    (folder / "xds.json").write_text(json.dumps(bootstrap))
    told = {**os.environ, grpc_bootstrap.ENVIRONMENT: str(folder / "xds.json"), **environment}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, env=told, stdin=pipe, stderr=pipe)
    try:
        yield
    finally:
        process.kill()
        await process.communicate()


@pytest.fixture
async def plane(tmp_path):
    async with entrance.guarded(tmp_path / "state") as running:
        (tmp_path / "root.pem").write_bytes(entrance.root_pem(running.own))
        yield running


async def joined(plane):
    await plane.observer.until("opened", "sotw")
    return [view.peer.key for view in plane.server.peers.views()]


async def test_by_a_certificate(plane, tmp_path):
    certificate, key = entrance.pair(plane.mesh)
    (tmp_path / "tls.crt").write_bytes(certificate)
    (tmp_path / "tls.key").write_bytes(key)
    own = secure_ads.Certificate(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    async with program(tmp_path, plane.by_certificate, str(tmp_path / "root.pem"), own):
        assert await joined(plane) == [entrance.PETS]


async def test_by_a_token_where_grpc_is_told_to_read_it(plane, tmp_path):
    (tmp_path / "pets.token").write_text(plane.token())
    own = secure_ads.Token(str(tmp_path / "pets.token"))
    switch = {grpc_bootstrap.READS_TOKENS: "true"}
    async with program(tmp_path, plane.by_token, str(tmp_path / "root.pem"), own, **switch):
        assert await joined(plane) == [entrance.PETS]


async def test_by_a_token_that_grpc_does_not_read_nobody_joins(plane, tmp_path):
    """When this fails the switch is not needed any more: say so in docs/howto/join.md."""
    (tmp_path / "pets.token").write_text(plane.token())
    own = secure_ads.Token(str(tmp_path / "pets.token"))
    async with program(tmp_path, plane.by_token, str(tmp_path / "root.pem"), own):
        async with asyncio.timeout(ads.PATIENCE):
            await plane.observer.until("refused", "UNAUTHENTICATED")
