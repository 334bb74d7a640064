"""No door of the running program shows a private key or a token: neither to people nor to machines, nor in its log."""

import asyncio
import contextlib
import socket
import subprocess
import sys

import grpc
import pytest

from meshloom import short_names
from meshloom.demo import programs
from meshloom.demo.waiting import wait_until
from tests import secrecy, secrets
from tests.adversary import adversaries, planes
from tests.meshloom import asking
from translator import names
from xds import resource_types

CERTIFICATE = b"LS0tLS1CRUdJTiBDRVJU"
"""How one begins in base64."""


@pytest.fixture
async def guests(plane):
    """Connect proxies, each with its certificate and by its token, one of which rejects what it is given."""
    async with contextlib.AsyncExitStack() as stack:
        streams = {}
        for name in planes.WORKLOADS:
            channel = await stack.enter_async_context(adversaries.channel(plane))
            streams[name] = stream = adversaries.Stream(channel, f"Bearer {plane.token(name)}")
            stack.callback(stream.cancel)
            await stream.ask(plane.proxy(name), adversaries.SECRET, names.IDENTITY, names.AUTHORITIES)
            received = [await stream.receive() for _ in range(2)]
            assert any(b"PRIVATE KEY" in each for response in received for each in stream.bodies(response).values())
            for response in received:
                await stream.ack(response)
            await stream.send(resource_types.CLUSTER)
            await stream.ack(await stream.receive())
        channel = await stack.enter_async_context(adversaries.channel(plane))
        stream = adversaries.Stream(channel, plane.token_of(planes.EDGE))
        stack.callback(stream.cancel)
        await stream.ask(planes.EDGE, adversaries.SECRET, planes.CERTIFICATE)
        received = await stream.receive()
        assert any(secrets.pair().key in each for each in stream.bodies(received).values())
        await stream.ack(received)
        yield streams


async def commands(plane):
    """Yield what the command line says about a proxy, in all its forms."""
    at = ("--operator-socket", str(plane.operator))
    secret = ("config", "t/web-v1", "--type", "SDS", "--name", names.IDENTITY)
    edge = ("config", "t/edge", "--type", "SDS", "--name", planes.CERTIFICATE)
    asked = [
        edge,
        (*edge, "-o", "yaml"),
        ("proxies",),
        ("proxies", "-o", "json"),
        ("config", "t/web-v1", "-o", "json"),
        secret,
        (*secret, "-o", "yaml"),
    ]
    for words in asked:
        argv = (sys.executable, "-m", "meshloom", *words, *at)
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=False, env=programs.IMPORTABLE)
        assert done.stdout, done.stderr
        yield " ".join(words), done.stdout + done.stderr


async def doors(plane):
    """Yield the name of each door and what it says."""
    for path in ("/metrics", "/livez", "/readyz", "/nothing"):
        yield path, await asyncio.to_thread(http, plane.health.host, plane.health.port, path)
    paths = ["/proxies", *(f"/config/t/{name}-v1" for name in ("web", "pets", "stranger")), "/config/t/edge"]
    for path in (*paths, *(f"{paths[1]}?type={kind}" for kind in short_names.OF.values())):
        yield path, (await asking.asked(plane.operator, path)).text.encode()
    for name in (names.IDENTITY, names.AUTHORITIES):
        path = f"{paths[1]}?type={short_names.OF[resource_types.SECRET]}&name={name}"
        yield path, (await asking.asked(plane.operator, path)).text.encode()


def http(host, port, path):
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


async def test_nothing_that_the_program_shows_holds_a_key_or_a_token(plane, guests):
    shown = {name: text async for name, text in doors(plane)} | {name: text async for name, text in commands(plane)}
    assert {name: secrecy.found(text) for name, text in shown.items() if secrecy.found(text)} == {}
    pems = [*(plane.issuer(name).key.pem for name in planes.WORKLOADS), secrets.pair().key]
    keys = [line for pem in pems for line in pem.splitlines()[1:3]]
    assert not [name for name, text in shown.items() for line in keys if line in text]
    assert sum(b"[redacted]" in text for text in shown.values()) >= 5, "the secrets were among what was asked for"
    assert any(CERTIFICATE in text for text in shown.values()), "certificates are no secret"


async def test_neither_does_its_log_at_debug_level_whatever_goes_wrong(plane, guests):
    token = plane.token("stranger")
    for said in (token[:-8], f"{token}.{token}", token[5:], f"Bearer {token}x", f"Basic {token}"):
        async with adversaries.channel(plane) as channel:
            code, message = await adversaries.Stream(channel, said).end()  # nothing of it is read anyway
            assert code is grpc.StatusCode.UNAUTHENTICATED
            assert token[10:30] not in message
    plane.write("broken.yaml", f"kind: Secret\ndata: {{tls.key: {token}}}\n---\n{{")
    await asyncio.to_thread(wait_until, lambda: "broken.yaml" in plane.log(), "the fault to be said")
    (plane.mesh / "broken.yaml").unlink()
    log = plane.log().encode()
    assert b'"level": "debug"' in log
    assert secrecy.found(log) == []
    for piece in (token[:60], token[-40:]):
        assert piece.encode() not in log
