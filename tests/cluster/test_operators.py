"""The operator API in a cluster: by a token that is for it alone, for whom RBAC lets in."""

import asyncio
import json

import aiohttp
import pytest
from typer import testing

from meshloom import cli, errors
from meshloom.cluster import permits
from meshloom.install import workload
from tests.cluster import accounts, kubelet, replicas


@pytest.fixture
async def plane(cluster, api, namespace, log, monkeypatch):
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    await accounts.account(api, namespace, permits.ACCOUNT)
    await accounts.account(api, namespace, "stranger")
    role = f"operators-of-{namespace}"
    cluster.kubectl("create", "clusterrole", role, "--verb=get", "--non-resource-url=/meshloom/proxies")
    cluster.kubectl(
        "create", "clusterrolebinding", role, f"--clusterrole={role}", f"--serviceaccount={namespace}:{permits.ACCOUNT}"
    )
    async with replicas.replica(api, namespace, log) as replica:
        yield replica
    cluster.kubectl("delete", "clusterrolebinding,clusterrole", role)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


async def asked(plane, path, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    at = f"http://127.0.0.1:{plane.operator}{path}"
    async with aiohttp.ClientSession() as session, session.get(at, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_whoever_shows_a_token_for_it_and_may_is_answered(plane, api, namespace):
    token = await accounts.token(api, namespace, audience=permits.AUDIENCE, name=permits.ACCOUNT)
    status, text = await asked(plane, "/proxies", token)
    assert (status, '"proxies":[]' in text) == (200, True)


async def test_what_rbac_does_not_say_is_refused_with_the_remedy(plane, api, namespace):
    operator = await accounts.token(api, namespace, audience=permits.AUDIENCE, name=permits.ACCOUNT)
    status, text = await asked(plane, "/config/shop/pets-v1", operator)
    assert (status, text) == (
        403,
        f"system:serviceaccount:{namespace}:meshloom-operator may not get /meshloom/config; bind the ClusterRole "
        "meshloom-operator to it\n",
    )
    stranger = await accounts.token(api, namespace, audience=permits.AUDIENCE, name="stranger")
    assert (await asked(plane, "/proxies", stranger))[0] == 403


async def test_without_a_token_for_it_nobody_learns_anything(plane, api, namespace):
    for token in (
        None,
        "",
        "nonsense",
        "a" * 5000,
        await accounts.token(api, namespace, audience="meshloom", name=permits.ACCOUNT),
        await accounts.token(api, namespace, audience="https://kubernetes.default.svc", name=permits.ACCOUNT),
    ):
        for path in ("/proxies", "/config/shop/pets-v1", "/nothing"):
            status, text = await asked(plane, path, token)
            assert status == 401
            assert "kubectl create token meshloom-operator --audience meshloom-operator" in text


async def test_the_commands_ask_through_a_forwarded_port(plane, api, namespace, tmp_path):
    file = tmp_path / "operator.token"
    file.write_text(await accounts.token(api, namespace, audience=permits.AUDIENCE, name=permits.ACCOUNT) + "\n")
    where = ("--operator-socket", f"127.0.0.1:{plane.operator}", "--operator-token", str(file))
    found = await asyncio.to_thread(testing.CliRunner().invoke, cli.app, ["proxies", "-o", "json", *where])
    assert found.exit_code == 0, found.exception
    assert json.loads(found.output)["proxies"] == []
    refused = await asyncio.to_thread(testing.CliRunner().invoke, cli.app, ["config", "shop/pets-v1", *where])
    assert isinstance(refused.exception, errors.UserError)
    assert "may not get /meshloom/config" in str(refused.exception)


def ask(cluster, namespace, *arguments, kubeconfig=None):
    where = ("--kubernetes", "--kubeconfig", str(kubeconfig or cluster.kubeconfig), "--namespace", namespace)
    return asyncio.to_thread(testing.CliRunner().invoke, cli.app, [*arguments, *where])


@pytest.fixture
async def pods(plane, api, namespace, tmp_path):
    """Have pods of two replicas: what one answers is what the only one that runs here answers, as does the other."""
    ports = {(name, 15016): plane.operator for name in ("meshloom-a", "meshloom-b")}
    async with kubelet.running(api, tmp_path, ports):
        for name in ("meshloom-a", "meshloom-b"):
            await kubelet.pod(api, namespace, name, workload.SELECTOR, is_ready=True)
        yield


async def test_one_command_asks_all_replicas(plane, pods, cluster, api, namespace):
    found = await ask(cluster, namespace, "proxies", "-o", "json")
    assert found.exit_code == 0, found.exception
    assert json.loads(found.output)["proxies"] == []
    absent = await ask(cluster, namespace, "config", "shop/pets-v1")
    assert "no proxy shop/pets-v1 is connected" not in str(absent.exception)
    assert "may not get /meshloom/config; bind the ClusterRole meshloom-operator" in str(absent.exception)


async def test_a_replica_that_cannot_be_asked_is_a_fault_if_it_is_ready_and_nothing_if_not(
    plane, pods, cluster, api, namespace
):
    await kubelet.pod(api, namespace, "meshloom-c", workload.SELECTOR, is_ready=False)
    assert (await ask(cluster, namespace, "proxies")).exit_code == 0
    await kubelet.pod(api, namespace, "meshloom-d", workload.SELECTOR, is_ready=True)
    told = await ask(cluster, namespace, "proxies")
    assert isinstance(told.exception, errors.UserError)
    assert f"port 15016 of Pod {namespace}/meshloom-d is not reached: error forwarding port" in str(told.exception)


async def test_who_may_not_is_told_what_it_takes(plane, pods, cluster, namespace):
    user, role = f"looker-{namespace}", f"looks-{namespace}"
    looker = cluster.kubeconfig_of(user)
    cluster.kubectl("create", "role", role, "-n", namespace, "--verb=get,list", "--resource=pods")
    cluster.kubectl("create", "rolebinding", role, "-n", namespace, f"--role={role}", f"--user={user}")
    told = await ask(cluster, namespace, "proxies", kubeconfig=looker)
    assert "leave to create serviceaccounts/token" in str(told.exception)
    token = ("--verb=create", "--resource=serviceaccounts/token")
    cluster.kubectl("create", "role", f"{role}-token", "-n", namespace, *token)
    cluster.kubectl("create", "rolebinding", f"{role}-token", "-n", namespace, f"--role={role}-token", f"--user={user}")
    told = await ask(cluster, namespace, "proxies", kubeconfig=looker)
    assert "leave to get and create pods/portforward" in str(told.exception)


async def test_where_no_control_plane_is_it_says_so(cluster, namespace):
    told = await ask(cluster, namespace, "proxies")
    assert f"no replica of a control plane is ready in namespace {namespace}" in str(told.exception)
