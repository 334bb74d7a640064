"""A real API server asks the real webhook: what users see of it, and what holds while nobody answers."""

import asyncio
import time

import pytest
import yaml

from meshloom.admission import configuration, judge
from meshloom.cluster import publishing, roots, webhook_certificate
from tests.cluster import replicas, users, waiting
from watchers import api_server

MESH = "Mesh: shop/main\nmtls: {minimum: PERMISSIVE}"
PETS = "VirtualService: shop/pets\nmesh: {ref: {name: main}}\nhosts: [pets]\nmtls: {mode: PERMISSIVE}"
LOW = "VirtualService: shop/low\nmesh: {ref: {name: main}}\nmtls: {mode: DISABLED}"


@pytest.fixture
async def plane(cluster, api, namespace, log, monkeypatch):
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    monkeypatch.setattr(publishing, "LOOK_SECONDS", 0.5)
    async with replicas.replica(api, namespace, log) as replica, replicas.asked(api, replica.url, namespace):
        yield replica
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def kubectl(cluster, namespace):
    return users.Kubectl(cluster, namespace)


async def test_users_are_told_what_is_wrong_and_what_to_do(plane, kubectl, namespace):
    code, out, err = await kubectl.apply(MESH)
    assert (code, err) == (0, ""), err

    async def refused():
        code, _, err = await kubectl.apply(LOW, "--dry-run=server")
        return err if code else ""

    err = await waiting.until_told(refused)  # the mesh has to be seen first
    assert (
        'admission webhook "admission.meshloom.dev" denied the request: '
        f"VirtualService {namespace}/low spec.mtls.mode: DISABLED is below PERMISSIVE, the minimum of Mesh "
        f"{namespace}/main; raise it, or lower spec.mtls.minimum of Mesh {namespace}/main" in err
    )
    code, out, err = await kubectl.apply("VirtualService: shop/odd\nmesh: {ref: {name: nowhere}}\nhosts: [odd]")
    assert code == 0
    assert f"Warning: VirtualService {namespace}/odd spec.mesh: Mesh {namespace}/nowhere does not exist" in err
    assert "created" in out


async def test_immutable_fields_and_removals(plane, kubectl, namespace):
    assert (await kubectl.apply(MESH))[0] == 0
    assert (await kubectl.apply(PETS))[0] == 0
    code, _, err = await kubectl.apply(PETS.replace("name: main", "name: other"))
    assert code == 1
    assert "spec.mesh" in err

    async def warned():
        code, _, err = await kubectl("delete", "mesh", "main", "--dry-run=server")
        assert code == 0
        return "Warning: Mesh" in err and f"is still referred to by VirtualService {namespace}/pets" in err

    assert await waiting.until_told(warned)


async def test_objects_without_a_name_of_their_own_are_judged_too(plane, api, namespace):
    made = users.document(LOW.replace("DISABLED", "STRICT"), namespace)
    made["metadata"] = {"generateName": "some-"}
    created = await api.request("POST", api_server.path(made["apiVersion"], "virtualservices", namespace), body=made)
    assert created["metadata"]["name"].startswith("some-")


async def test_while_nobody_answers_changes_wait_but_finalizers_labels_and_removals_do_not(
    cluster, api, kubectl, namespace, log, monkeypatch
):
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    mesh = users.document(MESH, namespace)
    mesh["metadata"]["finalizers"] = ["example.com/any"]
    path = api_server.path(mesh["apiVersion"], "meshes", namespace)
    async with replicas.replica(api, namespace, log) as replica:
        url = replica.url
        await api.request("POST", path, body=mesh)
        await api.request("POST", path, body={**mesh, "metadata": {"name": "bare"}, "spec": None})
    configured = configuration.configured({"url": url})
    for webhook in configured["webhooks"]:
        webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    await api.request("POST", webhook_certificate.PATH.rpartition("/")[0], body=configured)
    try:

        async def refused():
            code, _, err = await kubectl.apply(PETS)
            if code == 0:
                await kubectl("delete", "virtualservice", "pets")
            return err if code else ""

        assert "failed calling webhook" in await waiting.until_told(refused)
        code, _, err = await kubectl("label", "mesh", "main", "bare", "a=b")
        assert code == 0, err
        code, _, err = await kubectl(
            "patch", "mesh", "bare", "--type=merge", "-p", yaml.safe_dump({"spec": mesh["spec"]})
        )
        assert "failed calling webhook" in err, "a spec that comes is a change"
        code, _, err = await kubectl("delete", "mesh", "main", "--wait=false")
        assert code == 0, err
        code, _, err = await kubectl("patch", "mesh", "main", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert code == 0, err
        assert (await kubectl("get", "mesh", "main"))[0] == 1
    finally:
        await api.request("DELETE", webhook_certificate.PATH)


async def test_what_somebody_takes_out_of_the_bundle_and_the_config_map_is_put_back(plane, api, kubectl, namespace):
    before = await replicas.bundled(api)
    steps = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]
    await api.request("PATCH", webhook_certificate.PATH, body=steps, content_type="application/json-patch+json")
    await api.request(
        "PATCH",
        api_server.path("v1", "configmaps", namespace, roots.NAME),
        body={"data": {"root.pem": "x"}},
        content_type="application/merge-patch+json",
    )
    assert await replicas.bundled(api) == before

    async def is_right():
        found = await api.request("GET", api_server.path("v1", "configmaps", namespace, roots.NAME))
        return found["data"]["root.pem"].encode() == before

    assert await waiting.until_told(is_right)
    assert (await kubectl.apply(MESH))[0] == 0


async def test_large_objects_are_judged_in_time(plane, api, namespace):
    made = users.document(MESH, namespace)
    path = api_server.path(made["apiVersion"], "virtualservices", namespace)
    await api.request("POST", api_server.path(made["apiVersion"], "meshes", namespace), body=made)
    service = users.document(PETS, namespace)
    service["metadata"]["annotations"] = {"long": "x" * 200_000}
    took = []
    for number in range(20):
        service["metadata"]["name"] = f"pets-{number}"
        service["spec"]["hosts"] = [f"pets-{number}"]
        begun = time.perf_counter()
        await api.request("POST", path, {"dryRun": "All"}, service)
        took.append(time.perf_counter() - begun)
    assert sorted(took)[-2] < 5.0


async def test_more_changes_at_once_than_can_be_judged_are_put_off_and_clients_come_again(
    plane, api, namespace, monkeypatch
):
    before = judge.review.judged

    def slowly(question, now):
        time.sleep(0.2)
        return before(question, now)

    monkeypatch.setattr(judge.review, "judged", slowly)
    monkeypatch.setattr(judge, "PATIENCE", 0.5)
    made = users.document(PETS, namespace)
    path = api_server.path(made["apiVersion"], "virtualservices", namespace)

    async def created(number):
        named = {**made, "metadata": {"name": f"pets-{number}"}, "spec": {**made["spec"], "hosts": [f"pets-{number}"]}}
        for tries in range(20):
            try:
                await api.request("POST", path, {"dryRun": "All"}, named)
            except api_server.ApiError as fault:
                if (fault.status, fault.retry_after) != (429, 1.0):
                    raise
                await asyncio.sleep(fault.retry_after)
            else:
                return tries
        return None

    found = await asyncio.gather(*(created(number) for number in range(12)))
    assert None not in found
    assert max(found) > 0, "some had to come again"


async def test_what_a_change_needs_may_come_in_the_same_breath(plane, api, namespace):
    """As `kubectl apply` and Helm do with the objects of a file."""
    await api.request(
        "POST",
        api_server.path("v1", "services", namespace),
        body={"metadata": {"name": "pets"}, "spec": {"selector": {"app": "pets"}, "ports": [{"port": 80}]}},
    )
    made = users.document(
        "VirtualDeploymentBinding: shop/pets\nvirtualDeployment: {ref: {name: pets-v1}}\n"
        "target: {service: {ref: {name: pets}}}",
        namespace,
    )
    await api.request("POST", api_server.path(made["apiVersion"], "virtualdeploymentbindings", namespace), body=made)
    made["spec"]["target"]["service"]["ref"]["name"] = "nobody"
    made["metadata"]["name"] = "odd"
    with pytest.raises(api_server.ApiError, match=f"Service {namespace}/nobody does not exist"):
        await api.request(
            "POST", api_server.path(made["apiVersion"], "virtualdeploymentbindings", namespace), body=made
        )
