"""Real Envoys join the mesh over TLS: by a token, by a certificate; and notice when a file of theirs is replaced."""

import asyncio
import contextlib
import json
import pathlib
import threading
from collections.abc import Callable, Iterator

import pytest

from mesh.problems import Ref
from meshloom import addresses, bootstrap, secure_ads
from meshloom.demo import loopback, traffic
from meshloom.demo.processes import Process, Processes, Program
from meshloom.demo.waiting import wait_until
from meshloom.identity import claim, tokens
from tests.features import entrance
from translator import runtimes
from xds import snapshot

AGE = 2.0
"""Seconds after which a connection is given no new stream; by default 60."""

PETS = Ref("VirtualDeployment", "shop", "pets-v1")


class Joining:
    """A control plane in a thread of its own, the files of one proxy, and its Envoy."""

    def __init__(self, folder: pathlib.Path, block: loopback.Block, envoy: str, asks: bootstrap.Variant) -> None:
        self.folder, self._envoy, self._asks = folder, envoy, asks
        self.proxy = claim.sidecar(PETS.key, block.address(1), block.address(101), {})
        self.loop = asyncio.new_event_loop()
        self.plane: entrance.Guarded

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        thread.start()
        asked = asyncio.run_coroutine_threadsafe(self._serve(), self.loop).result(20)
        try:
            yield
        finally:
            self.loop.call_soon_threadsafe(asked.set)
            asyncio.run_coroutine_threadsafe(self._stopped.wait(), self.loop).result(20)
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join(20)
            self.loop.close()

    async def _serve(self) -> asyncio.Event:
        ready, over, self._stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def run() -> None:
            async with entrance.guarded(self.folder / "state", age=AGE) as self.plane:
                nothing = snapshot.Snapshot.of(snapshot.Part.of(runtimes.part(is_logged=False)))
                self.plane.snapshots.replace({self.proxy: nothing})
                ready.set()
                await over.wait()
            self._stopped.set()

        self._running = asyncio.create_task(run())
        await ready.wait()
        return over

    def ask(self, function: Callable[[], object]) -> object:
        """Call a function on the loop of the control plane."""

        async def asked() -> object:
            return function()

        return asyncio.run_coroutine_threadsafe(asked(), self.loop).result(20)

    def put(self, name: str, content: bytes) -> str:
        """Put a file in the place of another, as one should; return its path."""
        path = self.folder / "own" / name
        path.parent.mkdir(exist_ok=True)
        beside = path.with_name(f".{name}")
        beside.write_bytes(content)
        beside.rename(path)
        return str(path)

    def token(self, owner: Ref = PETS) -> bytes:
        """Return a new token."""
        return self.plane.token(owner).encode()

    def start(self, processes: Processes, address: str, own: secure_ads.Token | secure_ads.Certificate) -> Process:
        """Start the Envoy; its root is that of the control plane."""
        root = self.put("root.pem", entrance.root_pem(self.plane.own))
        proof = secure_ads.Proof(str(self.folder / "envoy"), root, own)
        host = claim.bound(self.proxy)
        place = bootstrap.Place(addresses.dialled(address), host, bootstrap.admin_address(host), proof)
        (self.folder / "envoy").mkdir()
        document = json.dumps(bootstrap.bootstrap(self.proxy, place, self._asks))
        for name, text in {"envoy.json": document, **proof.files()}.items():
            (self.folder / "envoy" / name).write_text(text)
        _, *arguments = bootstrap.command_line(str(self.folder / "envoy" / "envoy.json"))
        return processes.start(
            Program("envoy", (self._envoy, *arguments, "--concurrency", "1"), self.folder / "envoy.log")
        )

    def reconnect(self) -> None:
        """End every connection."""
        asyncio.run_coroutine_threadsafe(self.plane.again(), self.loop).result(20)

    def streams(self) -> list[int]:
        """Return the numbers of the open streams."""
        return [view.peer.stream for view in self.ask(self.plane.server.peers.views)]

    def refused(self) -> int:
        """Return how many streams were refused for want of proof."""
        return sum(what[0] == "refused" for what in tuple(self.plane.observer.seen))

    def revoke(self, token: bytes) -> None:
        """Revoke a token."""
        self.plane.store.revoke(tokens.read(token.decode(), self.plane.store.read().keys).id)


@pytest.fixture
def joining(tmp_path, envoy, variant):
    with loopback.claimed_block() as block:
        made = Joining(tmp_path, block, envoy, variant.asks)
        with made.serving():
            yield made


@pytest.fixture
def processes():
    with Processes() as started:
        yield started


def test_a_token_file_is_read_again_when_it_is_replaced(joining, processes):
    first, second = joining.token(), joining.token()
    token = secure_ads.Token(joining.put("token", first))
    running = joining.start(processes, joining.plane.by_token, token)
    wait_until(lambda: joining.streams() == [1], "the first stream", alive=[running])
    joining.revoke(first)
    wait_until(lambda: not joining.streams() and joining.refused() > 1, "the revoked token to be refused")
    joining.put("token", second)
    wait_until(joining.streams, "the new token to be shown", within=30, alive=[running])


def test_a_token_that_arrives_after_the_proxy_has_started_is_found(joining, processes):
    token = secure_ads.Token(joining.put("token", joining.token(Ref("VirtualDeployment", "shop", "pets-v2"))))
    running = joining.start(processes, joining.plane.by_token, token)
    wait_until(joining.refused, "the token of another deployment to be refused", alive=[running])
    joining.put("token", joining.token())
    wait_until(joining.streams, "the right token to be shown", within=30, alive=[running])


def test_a_root_file_is_read_again_when_it_is_replaced(joining, processes):
    token = joining.token()
    running = joining.start(processes, joining.plane.by_token, secure_ads.Token(joining.put("token", token)))
    wait_until(lambda: joining.streams() == [1], "the first stream", alive=[running])
    new = entrance.root("control-plane")
    old = joining.plane.own
    updates = "client_ssl_socket_factory.ssl_context_update_by_sds"
    before = stat(joining, updates)
    joining.put("root.pem", entrance.root_pem(old) + entrance.root_pem(new))
    wait_until(lambda: stat(joining, updates) > before, "the new roots to be read", alive=[running])
    joining.ask(lambda: joining.plane.renew(own=new))
    joining.reconnect()
    assert joining.plane.own is new
    wait_until(joining.streams, "a stream to the new certificate", within=30, alive=[running])


def test_a_control_plane_of_another_root_is_told_no_token(joining, processes):
    running = joining.start(processes, joining.plane.by_token, secure_ads.Token(joining.put("token", joining.token())))
    wait_until(lambda: joining.streams() == [1], "the first stream", alive=[running])
    joining.ask(lambda: joining.plane.renew(own=entrance.root("control-plane")))
    joining.reconnect()
    wait_until(
        lambda: stat(joining, "cluster.control-plane.ssl.fail_verify_error") > 1, "the certificate to be refused"
    )
    assert (joining.streams(), joining.refused()) == ([], 0)


def test_a_certificate_opens_the_other_door_and_its_file_is_read_again_when_it_is_replaced(joining, processes):
    def pair(issuer):
        certificate, key = entrance.pair(issuer)
        return secure_ads.Certificate(joining.put("tls.crt", certificate), joining.put("tls.key", key))

    running = joining.start(processes, joining.plane.by_certificate, pair(joining.plane.mesh))
    wait_until(lambda: joining.streams() == [1], "the first stream", alive=[running])
    new = entrance.root()
    joining.ask(lambda: joining.plane.renew(meshes={entrance.DOMAIN: entrance.root_pem(new)}))
    wait_until(lambda: not joining.streams(), "the old certificate to be refused")
    pair(new)
    wait_until(joining.streams, "the new certificate to be shown", within=30, alive=[running])


def test_a_stream_that_ends_before_its_token_does_is_followed_by_another_at_once(joining, processes):
    key = joining.plane.store.signing()
    short = tokens.signed(tokens.issued(PETS, key.id, joining.plane.now(), 10), key.key)
    file = joining.put("token", short.encode())
    running = joining.start(processes, joining.plane.by_token, secure_ads.Token(file))
    wait_until(lambda: joining.streams() == [1], "the first stream", alive=[running])
    joining.put("token", joining.token())
    wait_until(lambda: joining.streams() not in ([], [1]), "the next stream", within=30, alive=[running])
    assert joining.refused() == 0


def stat(joining, name: str) -> int:
    """Return the sum of the Envoy's counters whose names end so."""
    host = claim.bound(joining.proxy)
    told = traffic.reply(host, bootstrap.ADMIN_PORT, "/stats?format=json").json()["stats"]
    return sum(each.get("value", 0) for each in told if each.get("name", "").endswith(name))
