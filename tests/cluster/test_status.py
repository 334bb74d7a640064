"""Statuses on a real API server: what is applied reaches the conditions it deserves, and nothing is written twice."""

import asyncio
import json
import os
import pathlib
import signal

import pytest
import yaml

from meshloom.cluster import finalizers, statuses
from tests import written
from tests.cluster import servers, telling, waiting
from tests.meshloom.status import shop
from watchers import api_server

EXAMPLES = pathlib.Path(__file__).parents[2] / "demo" / "examples"
SAMPLES = "MESHLOOM_SAMPLES"
READY = (
    {"DependenciesActive": "True", "Configured": "True", "Active": "True"},
    {"DependenciesActive": "True", "Active": "True"},
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies get no time to return, for there are none."""
    monkeypatch.setattr(statuses, "RETURN", 0.0)
    monkeypatch.setattr(statuses, "EVERY", 0.1)


def applied(cluster: servers.Cluster, namespace: str, *documents: dict[str, object]) -> None:
    cluster.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", text=yaml.safe_dump_all(documents))


def the_shop(namespace: str) -> list[dict[str, object]]:
    short = (yaml.safe_load(f"{ref.kind}: {namespace}/{ref.name}\n{spec}") for ref, spec in shop.OBJECTS.items())
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pets"}, "spec": {"ports": [{"port": 80}]}}
    return [*(written.document(one) for one in short), service]


async def until_ready(api: api_server.ApiServer, namespace: str) -> None:
    async def ready() -> bool:
        found = await telling.everything(api, namespace)
        return bool(found) and all(telling.conditions(one) in READY for one in found)

    try:
        await waiting.until_told(ready)
    except TimeoutError:
        found = await telling.everything(api, namespace)
        said = {f"{one['kind']} {one['metadata']['name']}": one.get("status") for one in found}
        raise AssertionError(json.dumps(said, indent=1)) from None


async def test_every_kind_becomes_ready_and_has_its_columns(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    applied(cluster, namespace, *the_shop(namespace))
    async with telling.telling(api, namespace):
        await until_ready(api, namespace)
        mesh = (await telling.listed(api, namespace, "Mesh"))["main"]
        table = (await telling.listed(api, namespace, "VirtualServiceRouteTable"))["pets"]
    assert mesh["status"]["meshId"] == f"ocid1.mesh.meshloom..{mesh['metadata']['uid']}"
    assert table["status"]["virtualDeploymentIdForRules"][0][0].startswith("ocid1.meshvirtualdeployment.meshloom..")
    shown = cluster.kubectl("get", "virtualservices", "-n", namespace, "-o", "wide").splitlines()
    assert shown[0].split() == ["NAME", "ACTIVE", "CONFIGURED", "DEPENDENCIESACTIVE", "OCID", "AGE"]
    assert shown[1].split()[1:4] == ["True", "True", "True"]
    managers = {
        (each["manager"], each["operation"], each.get("subresource")) for each in mesh["metadata"]["managedFields"]
    }
    assert ("meshloom", "Apply", "status") in managers


async def test_a_status_in_which_nothing_is_new_is_not_written(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    applied(cluster, namespace, *the_shop(namespace))
    async with telling.telling(api, namespace) as replica:
        await until_ready(api, namespace)
        await quiet(replica, api, namespace)
        before = await versions(api, namespace)
        count = replica.counted.of["status", "done"]
        cluster.kubectl("annotate", "-n", namespace, "virtualservice/pets", "some=thing")
        await rounds_of(replica)
        after = await versions(api, namespace)
        assert {name for name in before if before[name] != after[name]} == {"VirtualService/pets"}
        assert replica.counted.of["status", "done"] == count


async def test_a_fault_is_told_and_its_remedy_too_and_they_go_when_it_is_mended(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    lone = [one for one in the_shop(namespace) if one["kind"] == "VirtualService"]
    applied(cluster, namespace, *lone)
    async with telling.telling(api, namespace):

        async def told() -> bool:
            found = (await telling.listed(api, namespace, "VirtualService"))["pets"]
            return telling.conditions(found).get("DependenciesActive") == "False"

        await waiting.until_told(told)
        found = (await telling.listed(api, namespace, "VirtualService"))["pets"]
        assert f"Mesh {namespace}/main does not exist; create" in telling.message(found, "DependenciesActive")
        applied(cluster, namespace, *the_shop(namespace))
        await until_ready(api, namespace)


async def test_a_status_that_somebody_wipes_is_written_again(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    applied(cluster, namespace, *the_shop(namespace))
    async with telling.telling(api, namespace):
        await until_ready(api, namespace)
        wiped = '[{"op": "remove", "path": "/status"}]'
        cluster.kubectl("patch", "mesh/main", "-n", namespace, "--subresource=status", "--type=json", "-p", wiped)
        await until_ready(api, namespace)


async def test_the_next_leader_goes_on_and_writes_nothing_that_is_there(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    applied(cluster, namespace, *the_shop(namespace))
    async with telling.telling(api, namespace, "next") as following:
        async with telling.telling(api, namespace, "first") as leading:
            await waiting.until(lambda: leading.counted.leading or following.counted.leading)
            await until_ready(api, namespace)
            one, other = (leading, following) if leading.counted.leading else (following, leading)
            assert one.counted.of["status", "done"] >= len(shop.OBJECTS)
            assert not other.counted.of
            await quiet(one, api, namespace)
            before = await versions(api, namespace)
        await waiting.until(lambda: following.counted.leading)
        await rounds_of(following)
        assert await versions(api, namespace) == before


async def test_after_the_api_server_was_away_what_changed_is_told(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    applied(cluster, namespace, *the_shop(namespace))
    async with telling.telling(api, namespace):
        await until_ready(api, namespace)
        cluster.stop("kube-apiserver", signal.SIGKILL)
        await asyncio.to_thread(cluster.start)
        cluster.kubectl("patch", "virtualservice/pets", "-n", namespace, "--type=merge", "-p", OTHER_HOSTS)

        async def told() -> bool:
            found = (await telling.listed(api, namespace, "VirtualService"))["pets"]
            seen = {one["observedGeneration"] for one in found["status"]["conditions"]}
            return seen == {found["metadata"]["generation"]} == {2} and telling.conditions(found) in READY

        await waiting.until_told(told)


OTHER_HOSTS = '{"spec": {"hosts": ["pets", "animals"]}}'


async def test_an_object_made_anew_has_a_status_of_its_own(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    applied(cluster, namespace, *the_shop(namespace))
    async with telling.telling(api, namespace):
        await until_ready(api, namespace)
        old = (await telling.listed(api, namespace, "AccessPolicy"))["main"]["status"]["accessPolicyId"]
        cluster.kubectl("delete", "accesspolicy/main", "-n", namespace)
        applied(cluster, namespace, *the_shop(namespace))
        await until_ready(api, namespace)
        new = (await telling.listed(api, namespace, "AccessPolicy"))["main"]
    assert new["status"]["accessPolicyId"] == f"ocid1.meshaccesspolicy.meshloom..{new['metadata']['uid']}" != old


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir() if path.name != "README.md"))
async def test_examples_reach_the_conditions_they_deserve(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, example: str
) -> None:
    await reached(cluster, api, namespace, *files(EXAMPLES / example))


async def test_the_samples_of_the_original_reach_the_conditions_they_deserve(
    cluster: servers.Cluster, api: api_server.ApiServer, namespace: str
) -> None:
    """Their gateway shows a certificate of the cloud, for which nobody has named a Secret, and one of a Secret that its
    deployment does not list; all else is ready.
    """
    if not os.environ.get(SAMPLES):
        pytest.skip(f"{SAMPLES} names no folder with the samples of the original")
    put(cluster, namespace, *files(pathlib.Path(os.environ[SAMPLES])))
    (binding,) = (await telling.listed(api, namespace, "VirtualDeploymentBinding")).values()
    name = binding["spec"]["target"]["service"]["ref"]["name"]
    applied(cluster, namespace, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": SERVED})
    async with telling.telling(api, namespace):

        async def told() -> bool:
            found = await telling.everything(api, namespace)
            return {one["kind"]: tuple(telling.conditions(one).values()) for one in found} == DESERVED

        await waiting.until_told(told)
        (gateway,) = (await telling.listed(api, namespace, "IngressGateway")).values()
        (deployed,) = (await telling.listed(api, namespace, "IngressGatewayDeployment")).values()
    assert "nobody has said which Secret 'ocid1.certificate.dummy' stands for" in telling.message(gateway, "Configured")
    assert "Secret dummyCertSecretName, which a listener of" in telling.message(deployed, "Active")


SERVED = {"ports": [{"port": 80}]}
DESERVED = {
    "Mesh": ("True", "True", "True"),
    "VirtualService": ("True", "True", "True"),
    "VirtualDeployment": ("True", "True", "True"),
    "VirtualServiceRouteTable": ("True", "True", "True"),
    "VirtualDeploymentBinding": ("True", "True"),
    "IngressGateway": ("True", "False", "Unknown"),
    "AccessPolicy": ("Unknown", "True", "True"),
    "IngressGatewayRouteTable": ("Unknown", "True", "True"),
    "IngressGatewayDeployment": ("Unknown", "False"),
}
"""Dependencies, configured where there is such a condition, active."""


# ---------------------------------------------------------------------------- what they have in common


def files(at: pathlib.Path) -> list[pathlib.Path]:
    return sorted(at.rglob("*.yaml")) if at.is_dir() else [at]


async def reached(cluster: servers.Cluster, api: api_server.ApiServer, namespace: str, *paths: pathlib.Path) -> None:
    """Apply files and wait until all that is said of them is True."""
    put(cluster, namespace, *paths)
    async with telling.telling(api, namespace):
        await until_ready(api, namespace)


def put(cluster: servers.Cluster, namespace: str, *paths: pathlib.Path) -> None:
    """Apply files, all in one namespace."""
    documents = [one for path in paths for one in yaml.safe_load_all(path.read_text()) if one]
    text = yaml.safe_dump_all(moved(one, namespace) for one in documents if one["kind"] != "Namespace")
    cluster.kubectl("apply", "--server-side", "-f", "-", text=text)


def moved(value: object, namespace: str) -> object:
    """Return a document, and where its references lead, in a namespace."""
    match value:
        case {"metadata": dict(metadata), **rest}:
            kept = {key: moved(item, namespace) for key, item in rest.items()}
            return {"metadata": {**metadata, "namespace": namespace}, **kept}
        case dict():
            return {key: namespace if key == "namespace" else moved(item, namespace) for key, item in value.items()}
        case list():
            return [moved(item, namespace) for item in value]
        case _:
            return value


async def versions(api: api_server.ApiServer, namespace: str) -> dict[str, str]:
    found = await telling.everything(api, namespace)
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in found}


async def quiet(replica: telling.Telling, api: api_server.ApiServer, namespace: str) -> None:
    """Wait until everything is written that is to be."""

    async def guarded() -> bool:
        found = await telling.everything(api, namespace)
        return all(one["metadata"].get("finalizers") for one in found if one["kind"] in finalizers.GUARDED)

    await waiting.until_told(guarded)
    while True:
        before = replica.counted.of.copy()
        await rounds_of(replica)
        if replica.counted.of == before:
            return


async def rounds_of(replica: telling.Telling) -> None:
    """Wait for two whole rounds."""
    reached = replica.counted.rounds + 3
    await waiting.until(lambda: replica.counted.rounds >= reached)
