"""The control plane renews its own certificate and replaces its root while it serves, and nobody notices."""

import asyncio
import contextlib
import socket
import ssl

import grpc
import pytest
from cryptography import x509

from meshloom import addresses, ways_in
from meshloom.demo import waiting
from meshloom.identity import home, register, tokens
from meshloom.identity.authority import issue, serving
from tests.features import ads, entrance
from tests.xds import model
from xds import cache, server

LOOK_SECONDS = 0.05


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def until(looked):
    """Look until something is found, and return it."""
    found = []

    def is_found():
        found.append(looked())
        return found[-1] is not None

    await asyncio.to_thread(waiting.wait_until, is_found, "a renewal", ads.PATIENCE)
    return found[-1]


class Program:
    """The way in by token, as the program opens it, on a clock of its own."""

    def __init__(self, folder):
        self.now, self.state = entrance.Clock(), folder / "state"
        self.now.ahead = -0.9 * entrance.DAY  # what it will issue is valid for real clients, whose clocks stay
        self.address = addresses.Socket("127.0.0.1", free_port())
        self.ways = ways_in.WaysIn(ways_in.Ads(home.folder(self.state), by_token=self.address), self.now)
        self.snapshots = cache.Cache()
        self.server = server.Server(self.snapshots, self.ways.gatekeeper, now=self.now)

    @contextlib.asynccontextmanager
    async def serving(self):
        async with self.ways.kept(self.server):
            await self.ways.open(self.server)
            self.snapshots.replace({entrance.PETS: model.holding(model.cluster("a"))})
            try:
                yield self
            finally:
                await self.server.stop(0)

    def root(self):
        return (self.state / home.ROOT_FILE).read_text()

    def token(self):
        key = register.Folder(self.state).signing()
        return tokens.signed(tokens.issued(entrance.PETS_V1, key.id, self.now(), 3650 * entrance.DAY), key.key)

    @contextlib.asynccontextmanager
    async def channel(self):
        options = (("grpc.ssl_target_name_override", issue.CONTROL_PLANE), ("grpc.use_local_subchannel_pool", 1))
        known = grpc.ssl_channel_credentials(self.root().encode())
        async with grpc.aio.secure_channel(str(self.address), known, options=options) as opened:
            yield opened

    def shown(self):
        """Return the certificate that the server shows now."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # whoever it is by
        with (
            socket.create_connection((self.address.host, self.address.port), timeout=ads.PATIENCE) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            return x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True))

    async def until_shown(self, differs):
        return await until(lambda: found if differs(found := self.shown()) else None)


@pytest.fixture
async def program(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "REREAD", LOOK_SECONDS)  # how often it looks at the clock
    async with Program(tmp_path).serving() as running:
        yield running


async def test_the_certificate_is_renewed_before_it_ends_and_open_streams_go_on(program):
    async with program.channel() as channel:
        stream = entrance.Stream(channel, program.token())
        assert await stream.asked() == ["a"]
        first = program.shown()
        program.now.ahead = 0.0
        second = await program.until_shown(lambda shown: shown.serial_number != first.serial_number)
        assert second.not_valid_after_utc > first.not_valid_after_utc
        async with program.channel() as fresh:
            assert await entrance.Stream(fresh, program.token()).asked() == ["a"]
        program.snapshots.replace({entrance.PETS: model.holding(model.cluster("b"))})
        assert "b" in [each.name for each in (await stream.receive()).resources]


async def test_a_new_root_is_in_the_file_before_it_signs(program):
    old = program.root()
    program.now.ahead = 4.1 * 365 * entrance.DAY
    both = await until(lambda: program.root() if program.root() != old else None)
    assert set(x509.load_pem_x509_certificates(old.encode())) < set(x509.load_pem_x509_certificates(both.encode()))
    issuer = x509.load_pem_x509_certificate(old.encode())
    assert program.shown().issuer == issuer.subject
    program.now.ahead += 2 * entrance.DAY
    new = await program.until_shown(lambda shown: shown.issuer != issuer.subject)
    assert new.issuer in [each.subject for each in x509.load_pem_x509_certificates(both.encode())]


async def test_after_a_restart_it_is_known_by_the_same_root(program, tmp_path):
    root = program.root()
    again = Program(tmp_path)
    async with again.serving():
        assert again.root() == root
        async with again.channel() as channel:
            assert await entrance.Stream(channel, program.token()).asked() == ["a"]
