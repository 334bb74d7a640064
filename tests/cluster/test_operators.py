"""The operator API in a cluster: by a token that is for it alone, for whom RBAC lets in."""

import asyncio
import json

import aiohttp
import pytest
from typer import testing

from meshloom import cli, errors
from meshloom.cluster import permits
from tests.cluster import accounts, replicas


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
