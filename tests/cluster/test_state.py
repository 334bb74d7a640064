"""What the control plane must not forget is in Secrets: replicas share it, and of two who write at once one wins."""

import asyncio
import contextlib
import math
import random
import signal
import time
from concurrent import futures

import pytest
from typer import testing

from mesh.problems import Ref
from meshloom import cli, errors
from meshloom.cluster import from_threads, home, publishing, secrets, token_store
from meshloom.identity import entrance, register, tokens
from meshloom.identity.authority import rotation, serving, succession
from meshloom.identity.authority.credentials import What
from meshloom.identity.authority.faults import AuthorityError
from meshloom.identity.authority.rotation import DAY
from tests.cluster import waiting
from watchers import api_server

PETS = Ref("VirtualDeployment", "shop", "pets-v1")


@pytest.fixture
async def asking(api):
    return from_threads.Asking(api, asyncio.get_running_loop())


async def test_a_secret_is_made_once_and_replaced_in_the_place_of_what_was_read(asking, namespace):
    kept = secrets.Secrets(asking, namespace)

    def story():
        assert kept.read("one") is None
        first = kept.create("one", {"a": b"\x00\xff", "b": b""}, {"x": "y"})
        assert first is not None
        assert kept.create("one", {}, {}) is None
        found = kept.read("one")
        assert (found.data, found.version) == ({"a": b"\x00\xff", "b": b""}, first)
        second = kept.replace("one", {"a": b"2"}, first)
        assert second not in (None, first)
        assert kept.replace("one", {"a": b"3"}, first) is None, "somebody else was first"
        assert kept.replace("two", {}, "1") is None
        assert kept.read("one").data["a"] == b"2"

    await asyncio.to_thread(story)


async def test_what_is_not_permitted_is_said_with_the_remedy_and_without_the_content(cluster, namespace):
    nobody = api_server.Access(str(cluster.kubeconfig_of("nobody")))
    async with api_server.connected(nobody) as api:
        kept = secrets.Secrets(from_threads.Asking(api, asyncio.get_running_loop()), namespace)
        with pytest.raises(AuthorityError, match="let the Role") as refused:
            await asyncio.to_thread(kept.create, "one", {"a": b"sesame"}, {})
    assert "sesame" not in str(refused.value)


async def test_while_nobody_answers_threads_wait_once_and_not_again_and_again(namespace):
    class Silent:
        asked = 0

        async def request(self, *_, **__):
            self.asked += 1
            raise api_server.ApiError(0, api_server.UNREACHABLE, "nobody there")

    now, silent = [0.0], Silent()
    asking = from_threads.Asking(silent, asyncio.get_running_loop(), lambda: now[0])
    kept = secrets.Secrets(asking, namespace)
    for _ in range(5):
        with pytest.raises(AuthorityError):
            await asyncio.to_thread(kept.read, "one")
    assert silent.asked == 1
    now[0] = from_threads.REST
    with pytest.raises(AuthorityError):
        await asyncio.to_thread(kept.read, "one")
    assert silent.asked == 2


# ---------------------------------------------------------------------------- authorities


class Replica:
    """The keeper of the control plane's certificate in one replica, on a clock that all share."""

    def __init__(self, api, namespace, now):
        self._now = now
        self.home = home.namespaced(api, namespace)
        policy = rotation.Policy(root_life=60 * DAY, spread=DAY, linger=DAY)
        ground = succession.Ground(self.home.authorities, policy)
        self.keeper = serving.ServerKeeper(ground, self.home.published, lambda: now[0], random.Random(1))

    async def asked(self):
        return await asyncio.to_thread(self.keeper.credentials, ("meshloom.meshloom-system.svc",))


async def test_replicas_that_begin_at_once_have_one_root(api, namespace):
    now = [time.time()]
    replicas = [Replica(api, namespace, now) for _ in range(4)]
    found = await asyncio.gather(*(replica.asked() for replica in replicas))
    assert len({one.roots.pem for one in found}) == 1
    assert len({one.leaf.fingerprint for one in found}) == 4, "a leaf belongs to a replica"


async def test_a_new_root_signs_only_once_it_has_been_public_for_a_day(api, namespace):
    now = [time.time()]
    one, other = Replica(api, namespace, now), Replica(api, namespace, now)
    before = await one.asked()
    publisher = publishing.Publisher(api, namespace, lambda: now[0])
    await asyncio.to_thread(one.keeper.rotate)
    now[0] += 60
    spreading = [await one.asked(), await other.asked()]
    assert {each.roots.pem for each in spreading} != {before.roots.pem}
    assert len({each.roots.pem for each in spreading}) == 1
    assert spreading[0].leaf.issuer == before.leaf.issuer

    now[0] += 5 * DAY
    assert (await one.asked()).leaf.issuer == spreading[1].leaf.issuer, "nobody has published the new root"

    async with running(publisher, spreading[0]):
        await waiting.until_told(lambda: published(one, spreading[0].roots))
    now[0] += DAY - 60
    assert (await one.asked()).leaf.issuer == before.leaf.issuer
    now[0] += 120
    both = await asyncio.gather(one.asked(), other.asked())
    assert len({each.leaf.issuer for each in both}) == 1, "both replicas have changed at once, and agree"
    assert both[0].leaf.issuer != before.leaf.issuer
    assert any(event.what is What.SIGNING for each in both for event in each.events)


@contextlib.asynccontextmanager
async def running(publisher, shown):
    publisher.take(entrance.Own(b"", b"", shown.roots.pem))
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def published(replica, bundle):
    return await asyncio.to_thread(replica.home.published.since, bundle) < math.inf


# ---------------------------------------------------------------------------- tokens


async def test_replicas_that_begin_at_once_sign_with_one_key(api, namespace):
    stores = [home.namespaced(api, namespace).tokens for _ in range(4)]
    keys = await asyncio.gather(*(asyncio.to_thread(store.signing) for store in stores))
    assert len({key.id for key in keys}) == 1
    known = [await asyncio.to_thread(store.read) for store in stores]
    assert all(set(one.keys) == {keys[0].id} for one in known)


async def test_a_revocation_by_anybody_holds_everywhere_soon(api, namespace):
    mine, theirs = home.namespaced(api, namespace), home.namespaced(api, namespace)
    key = await asyncio.to_thread(mine.tokens.signing)
    token = tokens.issued(PETS, key.id, time.time(), 3600)
    changed = asyncio.Event()
    async with mine.kept():
        here = register.Register(mine.tokens)
        await here.load()
        following = asyncio.create_task(here.follow(changed.set))
        assert here.known.fault(token, time.time()) is None
        begun = time.monotonic()
        await asyncio.to_thread(theirs.tokens.revoke, token.id)
        await asyncio.wait_for(changed.wait(), 20)
        took = time.monotonic() - begun
        following.cancel()
    assert here.known.fault(token, time.time()).reason == "revoked"
    assert took < 10.0, "a second is usual; the machine may be busy"


async def test_two_who_revoke_at_once_do_not_undo_one_another(api, namespace):
    stores = [home.namespaced(api, namespace).tokens for _ in range(4)]
    ids = [f"{number:032x}" for number in range(12)]
    await asyncio.to_thread(stores[0].signing)
    with futures.ThreadPoolExecutor(4) as threads:
        loop = asyncio.get_running_loop()
        work = [loop.run_in_executor(threads, stores[n % 4].revoke, token) for n, token in enumerate(ids)]
        await asyncio.gather(*work)
    assert (await asyncio.to_thread(stores[0].read)).revoked == frozenset(ids)


async def test_a_secret_that_is_gone_takes_no_revocation_back(cluster, api, namespace):
    kept = home.namespaced(api, namespace)
    revoked = "0" * 32
    await asyncio.to_thread(kept.tokens.revoke, revoked)
    async with kept.kept():
        here = register.Register(kept.tokens)
        await here.load()
        following = asyncio.create_task(here.follow(lambda: None))
        await waiting.until_told(lambda: seen(kept.tokens))
        cluster.kubectl("-n", namespace, "delete", "secret", token_store.NAME)
        await waiting.until_told(lambda: gone(kept.tokens))
        assert revoked in here.known.revoked
        following.cancel()


async def seen(store):
    return store._data is not None


async def gone(store):
    try:
        await asyncio.to_thread(store.read)
    except errors.UserError as fault:
        return "is gone" in str(fault)
    return False


def test_keys_that_cannot_be_read_are_named():
    with pytest.raises(errors.UserError, match=r"verifying-x\.pem holds no public Ed25519 key"):
        token_store.known({"verifying-x.pem": b"no key"})


# ---------------------------------------------------------------------------- the command


def typed(cluster, namespace, *words):
    where = ("--kubernetes", "--kubeconfig", str(cluster.kubeconfig), "--namespace", namespace)
    return testing.CliRunner().invoke(cli.app, ["token", *words, *where])


def test_tokens_are_made_and_revoked_in_a_cluster_by_the_command(cluster, namespace, tmp_path):
    made = typed(cluster, namespace, "create", "--proxy", "shop/pets-v1")
    assert made.exit_code == 0, made.output
    file = tmp_path / "pets-v1.token"
    file.write_text(made.output)
    shown = typed(cluster, namespace, "inspect", str(file))
    assert shown.exit_code == 0, shown.output
    assert "VirtualDeployment shop/pets-v1" in shown.output
    assert typed(cluster, namespace, "revoke", str(file)).exit_code == 0
    assert typed(cluster, namespace, "inspect", str(file)).exit_code == 1
    assert made.output.strip() not in cluster.kubectl("-n", namespace, "get", "secret", token_store.NAME, "-o", "yaml")


def test_a_namespace_that_is_not_there_is_said_in_words(cluster):
    found = typed(cluster, "no-such-namespace", "create", "--proxy", "shop/pets-v1")
    assert isinstance(found.exception, errors.UserError)
    assert 'namespaces "no-such-namespace" not found' in str(found.exception)


# ---------------------------------------------------------------------------- while nobody answers


async def test_what_was_known_holds_while_the_api_server_is_away_and_what_is_new_afterwards(cluster, api, namespace):
    kept = home.namespaced(api, namespace)
    early, late = "0" * 32, "1" * 32
    await asyncio.to_thread(kept.tokens.revoke, early)
    async with kept.kept():
        here = register.Register(kept.tokens)
        await here.load()
        following = asyncio.create_task(here.follow(lambda: None))
        await waiting.until_told(lambda: seen(kept.tokens))
        await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
        try:
            await waiting.until_told(lambda: cannot_be_read(kept.tokens))
            assert early in here.known.revoked
        finally:
            await asyncio.to_thread(cluster.start)
        async with api_server.connected(cluster.access) as fresh:
            await asyncio.to_thread(home.namespaced(fresh, namespace).tokens.revoke, late)
        await waiting.until_told(lambda: is_revoked(here, late))
        assert early in here.known.revoked
        following.cancel()


async def cannot_be_read(store):
    try:
        await asyncio.to_thread(store.read)
    except errors.UserError as fault:
        return "cannot be watched" in str(fault)
    return False


async def is_revoked(here, token):
    return token in here.known.revoked
