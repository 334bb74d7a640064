"""Whatever happens to the API server, what was seen last is served meanwhile, it is said, and each kind recovers."""

import asyncio
import base64
import contextlib
import http
import json
import os
import pathlib
import signal
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest

from mesh import resources
from tests import drained, written
from tests.cluster import accounts, relay, servers, watched
from tests.cluster.watched import applied, service
from watchers import api_server, following, kinds, kube, reflector

HASTY = following.Pace(watch=(1.0, 2.0), silence=1.5, answer=5.0, patience=0.0)
"""Watches are short, and silence is noticed at once."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pause at most a second after faults, for these tests bring them about by the dozen."""
    monkeypatch.setattr(reflector, "LONGEST", 1.0)


def followed(namespace: str, *names: str, pace: following.Pace = watched.EAGER) -> kube.Wanted:
    return kube.Wanted((namespace,), followed=watched.kinds_of(*(names or ("Service",))), pace=pace)


def is_failing(seen: watched.Watched, kind: str, status: str = "") -> bool:
    return status in seen.standing(kind).fault and seen.standing(kind).fault != ""


def is_well(seen: watched.Watched, kind: str) -> bool:
    return not seen.standing(kind).fault and not seen.problems()


async def test_a_server_that_is_killed_and_comes_back_is_followed_again(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    await applied(api, service(namespace, "first"))
    async with watched.watching(cluster.access, followed(namespace)) as seen:
        await seen.until_synced()
        await applied(api, service(namespace, "second"))
        await seen.until(lambda: seen.names("Service") == {"first", "second"})
        await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
        try:
            await seen.until(lambda: is_failing(seen, "Service", "no answer"))
            await seen.until(seen.problems)
            assert "does not answer" in seen.problems()[0]
            assert "what was seen last is served" in seen.problems()[0]
            assert seen.names("Service") == {"first", "second"}
        finally:
            await asyncio.to_thread(cluster.start)
        await seen.until(lambda: is_well(seen, "Service"))
        await applied(api, service(namespace, "third"))
        await seen.until(lambda: seen.names("Service") == {"first", "second", "third"})


def compact(cluster: servers.Cluster) -> None:
    """Throw away the history of etcd."""

    def asked(path: str, body: dict[str, object]) -> dict[str, object]:
        request = urllib.request.Request(f"{cluster.etcd_url}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    key = base64.b64encode(b"any").decode()
    header = asked("/v3/kv/range", {"key": key})["header"]
    assert isinstance(header, dict)
    asked("/v3/kv/compaction", {"revision": header["revision"], "physical": True})


async def test_after_a_compaction_a_list_tells_what_came_and_went_meanwhile(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    for name in ("stays", "goes"):
        await applied(api, service(namespace, name))
    async with relay.relayed(cluster, tmp_path) as (way, access), watched.watching(access, followed(namespace)) as seen:
        await seen.until_synced()
        way.cut()
        await seen.until(lambda: is_failing(seen, "Service"))
        await api.request("DELETE", api_server.path("v1", "services", namespace, "goes"))
        await applied(api, service(namespace, "comes"))
        await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
        await asyncio.to_thread(compact, cluster)
        await asyncio.to_thread(cluster.start)
        assert seen.names("Service") == {"stays", "goes"}
        way.flow()
        await seen.until(lambda: seen.names("Service") == {"stays", "comes"})
        await seen.until(lambda: is_well(seen, "Service"))
        assert seen.standing("Service").lists == 2


async def test_a_connection_that_died_without_a_word_is_given_up_and_begun_anew(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    pace = following.Pace(watch=(60.0, 60.0), silence=1.0, answer=2.0, patience=0.0)
    await applied(api, service(namespace, "first"))
    async with (
        relay.relayed(cluster, tmp_path) as (way, access),
        watched.watching(access, followed(namespace, pace=pace)) as seen,
    ):
        await seen.until_synced()
        way.stall()
        await applied(api, service(namespace, "second"))
        await seen.until(lambda: is_failing(seen, "Service", "no answer"))
        assert seen.names("Service") == {"first"}
        way.flow()
        await seen.until(lambda: seen.names("Service") == {"first", "second"})
        await seen.until(lambda: is_well(seen, "Service"))


async def test_a_slow_connection_is_slow_and_no_fault(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, tmp_path: pathlib.Path
) -> None:
    names = {f"s{number}" for number in range(20)}
    for name in sorted(names):
        await applied(api, service(namespace, name))
    async with relay.relayed(cluster, tmp_path) as (way, access), watched.watching(access, followed(namespace)) as seen:
        way.pause = 0.01
        await seen.until_synced()
        assert seen.names("Service") == names
        await applied(api, service(namespace, "late"))
        await seen.until(lambda: seen.names("Service") == {*names, "late"})
        assert seen.standing("Service").faults == 0


@pytest.fixture
def somebody(cluster: servers.Cluster, namespace: str) -> api_server.Access:
    """Return the way in of a user who may follow Services, while a binding in this namespace says so."""
    cluster.kubectl(
        "-n", namespace, "create", "role", "watch", "--verb=get,list,watch", "--resource=services,configmaps"
    )
    bind(cluster, namespace)
    return api_server.Access(str(cluster.kubeconfig_of(f"user-{namespace}")))


def bind(cluster: servers.Cluster, namespace: str) -> None:
    cluster.kubectl("-n", namespace, "create", "rolebinding", "watch", "--role=watch", f"--user=user-{namespace}")


async def test_permissions_that_are_taken_away_and_given_back(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, somebody: api_server.Access
) -> None:
    await applied(api, service(namespace, "first"))
    async with watched.watching(somebody, followed(namespace, pace=HASTY)) as seen:
        await seen.until_synced()
        await asyncio.to_thread(cluster.kubectl, "-n", namespace, "delete", "rolebinding", "watch")
        await seen.until(lambda: is_failing(seen, "Service", "403 Forbidden"))
        await seen.until(seen.problems)
        assert seen.problems() == [
            f"Resource {namespace}/services: meshloom may not list and watch it, so what was seen last is served; "
            "give its ServiceAccount the verbs get, list and watch for it"
        ]
        assert seen.names("Service") == {"first"}
        await applied(api, service(namespace, "second"))
        await asyncio.to_thread(bind, cluster, namespace)
        await seen.until(lambda: seen.names("Service") == {"first", "second"})
        await seen.until(lambda: is_well(seen, "Service"))


async def test_who_may_not_list_at_the_start_waits_and_says_so(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    access = api_server.Access(str(cluster.kubeconfig_of(f"stranger-{namespace}")))
    async with watched.watching(access, followed(namespace)) as seen:
        await seen.until(seen.problems)
        assert "so nothing is served before it has been listed" in seen.problems()[0]
        assert not seen.is_synced


async def test_credentials_that_are_worth_nothing_any_more_are_replaced_in_the_kubeconfig(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_server, "RELOAD_SECONDS", 0.1)
    account = f"--serviceaccount={namespace}:front"
    cluster.kubectl("-n", namespace, "create", "role", "watch", "--verb=get,list,watch", "--resource=services")
    cluster.kubectl("-n", namespace, "create", "rolebinding", "watch", "--role=watch", account)
    await accounts.account(api, namespace)
    kubeconfig = cluster.kubeconfig_with(await accounts.token(api, namespace, audience=SERVER), namespace)
    await applied(api, service(namespace, "first"))
    wanted = followed(namespace, pace=HASTY)
    async with watched.watching(api_server.Access(str(kubeconfig)), wanted) as seen:
        await seen.until_synced()
        await api.request("DELETE", api_server.path("v1", "serviceaccounts", namespace, "front"))
        await seen.until(lambda: is_failing(seen, "Service", "401"))
        assert seen.names("Service") == {"first"}
        await accounts.account(api, namespace)
        cluster.kubeconfig_with(await accounts.token(api, namespace, audience=SERVER), namespace)
        await applied(api, service(namespace, "second"))
        await seen.until(lambda: seen.names("Service") == {"first", "second"})
        await seen.until(lambda: is_well(seen, "Service"))


@pytest.fixture
def throttled(cluster: servers.Cluster, somebody: api_server.Access, namespace: str) -> Iterator[str]:
    """Yield the YAML by which the API server serves one request of this user at a time and turns others away."""
    name = f"none-{namespace}"
    seats = {"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}
    spec = {"type": "Limited", "limited": seats}
    group = "flowcontrol.apiserver.k8s.io/v1"
    level = {"apiVersion": group, "kind": "PriorityLevelConfiguration", "metadata": {"name": name}, "spec": spec}
    every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    who = [{"kind": "User", "user": {"name": f"user-{namespace}"}}]
    rules = [{"subjects": who, "resourceRules": [every]}]
    flow = {"priorityLevelConfiguration": {"name": name}, "matchingPrecedence": 2, "rules": rules}
    schema = {"apiVersion": group, "kind": "FlowSchema", "metadata": {"name": name}, "spec": flow}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [level, schema]})
    yield text
    cluster.kubectl("delete", "--ignore-not-found", "-f", "-", text=text)


@contextlib.asynccontextmanager
async def occupying(access: api_server.Access, api: api_server.ApiServer, namespace: str) -> AsyncIterator[None]:
    """Have one request of this user under way until the block ends, so that others are turned away: a list of 16 MB
    that nobody reads. The limit counts some time after it was written, and only for what comes then.
    """
    path = api_server.path("v1", "configmaps", namespace)
    for number in range(20):
        large = base64.b64encode(os.urandom(600_000)).decode()
        await api.request("POST", path, body={"metadata": {"name": f"large{number}"}, "data": {"large": large}})
    async with contextlib.AsyncExitStack() as held, asyncio.timeout(drained.PATIENCE) as patience:
        while not await is_turned_away(access, path):
            await held.aclose()
            with contextlib.suppress(api_server.ApiError):  # turned away by one of those that it shall turn away
                other = await held.enter_async_context(api_server.connected(access))
                lines = await held.enter_async_context(contextlib.aclosing(other.lines(path, {}, 60.0)))
                await anext(lines)
        patience.reschedule(None)
        yield


async def is_turned_away(access: api_server.Access, path: str) -> bool:
    """Return whether this user is turned away, several times in a row: not by chance."""
    async with api_server.connected(access) as asking:
        for _ in range(5):
            try:
                await asking.request("GET", path, {"limit": "1"})
            except api_server.ApiError as refused:
                if refused.status != http.HTTPStatus.TOO_MANY_REQUESTS:
                    raise
            else:
                return False
    return True


async def test_a_server_that_turns_requests_away_is_asked_again_later(
    cluster: servers.Cluster,
    api: api_server.ApiServer,
    namespace: str,
    somebody: api_server.Access,
    throttled: str,
) -> None:
    await applied(api, service(namespace, "first"))
    async with watched.watching(somebody, followed(namespace, pace=HASTY)) as seen:
        await seen.until_synced()
        await asyncio.to_thread(cluster.kubectl, "apply", "-f", "-", text=throttled)
        async with occupying(somebody, api, namespace):
            await seen.until(lambda: is_failing(seen, "Service", "429"))
            await seen.until(lambda: any("turns requests away" in problem for problem in seen.problems()))
            assert seen.names("Service") == {"first"}
            await applied(api, service(namespace, "second"))
        await seen.until(lambda: seen.names("Service") == {"first", "second"})
        await seen.until(lambda: is_well(seen, "Service"))


SERVER = "https://kubernetes.default.svc"
"""The audience of tokens for the API server itself."""

DEFINITION = "accesspolicies.servicemesh.oci.oracle.com"


async def test_objects_whose_definition_is_deleted_stay_in_force_until_it_is_back(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    rule = {"action": "ALLOW", "source": {"allVirtualServices": {}}, "destination": {"allVirtualServices": {}}}
    short = {"AccessPolicy": f"{namespace}/main", "mesh": {"ref": {"name": "main"}}, "rules": [rule]}
    policy = written.document(short)
    await applied(api, policy)
    definition = next(path for path in CRDS.iterdir() if path.stem == DEFINITION.partition(".")[0])
    async with watched.watching(cluster.access, followed(namespace, "AccessPolicy")) as seen:
        await seen.until_synced()
        assert seen.names("AccessPolicy") == {"main"}
        try:
            await asyncio.to_thread(cluster.kubectl, "delete", "crd", DEFINITION)
            await seen.until(lambda: is_failing(seen, "AccessPolicy", "404"))
            await seen.until(seen.problems)
            remedy = f"apply its CustomResourceDefinition, {DEFINITION}"
            assert seen.problems()[0].endswith(f"so what was seen last is served; {remedy}")
            assert seen.names("AccessPolicy") == {"main"}
        finally:
            await asyncio.to_thread(cluster.kubectl, "apply", "--server-side", "-f", str(definition))
            await asyncio.to_thread(cluster.kubectl, "wait", "--for=condition=Established", f"crd/{DEFINITION}")
        await seen.until(lambda: not seen.names("AccessPolicy"))
        await applied(api, policy)
        await seen.until(lambda: seen.names("AccessPolicy") == {"main"})
        await seen.until(lambda: is_well(seen, "AccessPolicy"))


CRDS = pathlib.Path(__file__).parents[2] / "deploy" / "crds"
MANY = 5_000


async def test_five_thousand_objects_are_there_at_the_start(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    path = api_server.path("discovery.k8s.io/v1", "endpointslices", namespace)
    waiting = iter(range(MANY))

    async def made() -> None:
        for number in waiting:
            endpoints = [{"addresses": [f"10.{number >> 8}.{number & 255}.1"]}]
            body = {"metadata": {"name": f"s{number}"}, "addressType": "IPv4", "endpoints": endpoints}
            await api.request("POST", path, body=body)

    await asyncio.gather(*(made() for _ in range(16)))
    async with watched.watching(cluster.access, followed(namespace, "EndpointSlice")) as seen:
        await seen.until_synced()
        assert len(seen.names("EndpointSlice")) == MANY
        assert seen.standing("EndpointSlice").lists == 1


async def test_a_clock_that_leaps_changes_nothing(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaps = iter([0.0, 4e9, 1.0, 3e9] * 10_000)
    monkeypatch.setattr("watchers.following.time.time", lambda: next(leaps))
    async with watched.watching(cluster.access, followed(namespace, pace=HASTY)) as seen:
        await seen.until_synced()
        for name in ("first", "second"):
            watches = seen.standing("Service").watches
            await seen.until(lambda watches=watches: seen.standing("Service").watches > watches)
            await applied(api, service(namespace, name))
            await seen.until(lambda name=name: name in seen.names("Service"))
        assert not seen.problems()


def test_the_kinds_that_are_followed_are_those_that_are_defined() -> None:
    ours = {kind.resource for kind in kinds.FOLLOWED if kind.is_ours}
    assert ours == {f"{path.stem}.{resources.GROUP}" for path in CRDS.glob("*.yaml")}
