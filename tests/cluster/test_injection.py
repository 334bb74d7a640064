"""A real API server asks the real webhook about pods: what they become, and what holds while nobody answers."""

import asyncio
import base64
import contextlib
import json
import socket
import subprocess
import sys

import pytest

from meshloom.cluster import mesh_config, publishing, webhook_certificate
from meshloom.injector import configuration
from tests.cluster import replicas, waiting, watched
from watchers import api_server

LABEL = "servicemesh.oci.oracle.com/sidecar-injection"
MESH = """
Mesh: shop/main
---
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
---
VirtualDeployment: shop/pets-v1
virtualService: {ref: {name: pets}}
listener: [{protocol: HTTP, port: 8080}]
---
VirtualDeploymentBinding: shop/pets-v1
virtualDeployment: {ref: {name: pets-v1}}
target: {service: {ref: {name: pets}}}
"""
SERVICE = {"metadata": {"name": "pets"}, "spec": {"selector": {"app": "pets"}, "ports": [{"port": 8080}]}}
APP = {"name": "app", "image": "app", "ports": [{"name": "web", "containerPort": 8080}]}


@pytest.fixture
async def space(cluster, api, namespace, log, monkeypatch):
    """Yield a namespace that is labelled and holds a mesh, of a control plane that is asked about its pods."""
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    monkeypatch.setattr(publishing, "LOOK_SECONDS", 0.5)
    made = Space(api, namespace)
    await made.label("enabled")
    await made.write(MESH)
    async with replicas.replica(api, namespace, log) as replica, asked(api, replica.webhook, namespace):
        await made.until_injected()
        yield made
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
async def away(cluster, api, namespace, log, monkeypatch):
    """Yield such a namespace of a control plane that is at home in another one."""
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    monkeypatch.setattr(publishing, "LOOK_SECONDS", 0.5)
    made = Space(api, f"{namespace}-away")
    cluster.kubectl("create", "namespace", made.name)
    await made.label("enabled")
    await made.write(MESH)
    async with replicas.replica(api, namespace, log, made.name) as replica, asked(api, replica.webhook, made.name):
        await made.until_injected()
        yield made
    cluster.kubectl("delete", "namespace", made.name, "--wait=false")


@contextlib.asynccontextmanager
async def asked(api, port, namespace):
    """Have the API server ask this webhook about pods of one namespace, until the block ends."""
    url = f"https://127.0.0.1:{port}{configuration.PATH}"
    document = configuration.configured({"url": url}, "nowhere")
    [webhook] = document["webhooks"]
    selected = [one for one in webhook["namespaceSelector"]["matchExpressions"] if one["key"] == LABEL]
    only = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]}
    webhook["namespaceSelector"] = {"matchExpressions": [*selected, only]}
    collection = webhook_certificate.INJECTION_PATH.rpartition("/")[0]
    await api.request("POST", collection, body=document)
    try:
        await waiting.until_told(lambda: bundled(api))
        yield
    finally:
        await api.request("DELETE", webhook_certificate.INJECTION_PATH)


async def bundled(api):
    found = await api.request("GET", webhook_certificate.INJECTION_PATH)
    return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", ""))


class Space:
    """The namespace, and what is done in it."""

    def __init__(self, api, name):
        self.api, self.name = api, name

    async def label(self, value):
        patch = {"metadata": {"labels": {LABEL: value}}}
        path = api_server.path("v1", "namespaces", "", self.name)
        await self.api.request("PATCH", path, body=patch, content_type=api_server.MERGE_PATCH)

    async def write(self, text):
        service = {"apiVersion": "v1", "kind": "Service", **SERVICE}
        await self.api.request("POST", api_server.path("v1", "services", self.name), body=service)
        await watched.written(self.api, text, self.name)

    async def pod(self, labels=None, query=api_server.NOTHING, owners=(), **spec):
        """Create a pod; return what became of it."""
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": "pets-",
                "labels": {"app": "pets", **(labels or {})},
                "ownerReferences": list(owners),
            },
            "spec": {"serviceAccountName": "default", "containers": [APP], **spec},
        }
        return await self.api.request("POST", api_server.path("v1", "pods", self.name), query, document)

    async def made(self):
        """Return as an owner a StatefulSet that is as it should be, as far as anybody can tell."""
        template = {"metadata": {"labels": {"app": "pets"}}, "spec": {"containers": [APP]}}
        spec = {"replicas": 1, "serviceName": "pets", "selector": {"matchLabels": {"app": "pets"}}}
        document = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "pets"}}
        path = api_server.path("apps/v1", "statefulsets", self.name, "pets")
        made = await self.api.applied(path, {**document, "spec": {**spec, "template": template}})
        status = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1}
        await self.api.request("PATCH", f"{path}/status", body={"status": status}, content_type=api_server.MERGE_PATCH)
        uid = made["metadata"]["uid"]
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "pets", "uid": uid, "controller": True}

    async def asked_at(self, url):
        """Have the API server ask another webhook."""
        step = {"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": url}
        path = webhook_certificate.INJECTION_PATH
        await self.api.request("PATCH", path, body=[step], content_type=api_server.JSON_PATCH)

    async def goes_without(self):
        """Return whether a pod would be created without its proxy."""
        return proxy_of(await self.pod(query={"dryRun": "All"})) is None

    async def until_injected(self):
        """Wait until the whole mesh has been seen."""
        await waiting.until_told(self._is_injected)

    async def _is_injected(self):
        with contextlib.suppress(api_server.ApiError):  # it has not been seen yet
            return proxy_of(await self.pod(query={"dryRun": "All"}))
        return None


def proxy_of(pod):
    return next((one for one in pod["spec"].get("initContainers", ()) if one["name"] == "oci-sm-proxy"), None)


async def test_a_pod_gets_its_proxy_and_the_api_server_takes_it(space):
    probe = {"httpGet": {"path": "/live", "port": "web"}, "timeoutSeconds": 3}
    pod = await space.pod(containers=[{**APP, "livenessProbe": probe}])
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["init", "oci-sm-proxy"]
    proxy = proxy_of(pod)
    env = {one["name"]: one.get("value") for one in proxy["env"]}
    assert proxy["restartPolicy"] == "Always"
    assert env["MESHLOOM_PROXY"] == f"{space.name}/pets-v1"
    assert env["MESHLOOM_ADS"] == f"meshloom.{space.name}.svc:15012"
    assert env["MESHLOOM_PROBES"] == '[["http","localhost",8080,"/live",3]]'
    [app] = pod["spec"]["containers"]
    assert (app["livenessProbe"]["httpGet"]["port"], app["livenessProbe"]["timeoutSeconds"]) == (15010, 3)
    annotations = pod["metadata"]["annotations"]
    assert annotations["servicemesh.oci.oracle.com/virtual-deployment-binding-ref"] == f"{space.name}/pets-v1"


async def test_a_pod_that_comes_in_one_breath_with_its_binding_gets_its_proxy(space, api):
    service = {"metadata": {"name": "cats"}, "spec": {"selector": {"app": "cats"}, "ports": [{"port": 8080}]}}
    await api.request("POST", api_server.path("v1", "services", space.name), body=service)
    binding = "VirtualDeploymentBinding: shop/cats\nvirtualDeployment: {ref: {name: pets-v1}}\n"
    await watched.written(api, f"{binding}target: {{service: {{ref: {{name: cats}}}}}}", space.name)
    assert proxy_of(await space.pod({"app": "cats"}, restartPolicy="Never")), "a Job would not come back with one"


async def test_a_pod_that_went_without_is_evicted_and_comes_back_with_its_proxy(away, api):
    owner = await away.made()
    pod = await away.pod({LABEL: "disabled"}, owners=[owner])
    assert proxy_of(pod) is None
    path = api_server.path("v1", "pods", away.name, pod["metadata"]["name"])
    patch = {"metadata": {"labels": {LABEL: None}}}
    await api.request("PATCH", path, body=patch, content_type=api_server.MERGE_PATCH)

    async def is_gone():
        with contextlib.suppress(api_server.ApiError):
            return not await api.request("GET", path)
        return True

    await waiting.until_told(is_gone)
    assert proxy_of(await away.pod(owners=[owner])) is not None


LABELS = [
    ("enabled", "enabled", True),
    ("enabled", "disabled", False),
    ("enabled", "yes", False),
    ("disabled", None, False),
    ("disabled", "enabled", True),
    ("sometimes", "enabled", False),
]


async def test_labels_of_namespace_and_pod_decide(space):
    for of_namespace, of_pod, is_injected in LABELS:
        await space.label(of_namespace)

        async def is_so(of_pod=of_pod, is_injected=is_injected):
            with contextlib.suppress(api_server.ApiError):  # the label has not been seen everywhere yet
                pod = await space.pod({LABEL: of_pod} if of_pod else {}, {"dryRun": "All"})
                return (proxy_of(pod) is not None) == is_injected
            return False

        await waiting.until_told(is_so)


async def test_a_pod_is_refused_in_words_or_goes_without(space):
    with pytest.raises(api_server.ApiError) as fault:
        await space.pod(securityContext={"runAsUser": 1337})
    assert (
        'admission webhook "injection.meshloom.dev" denied the request: '
        f"Pod {space.name}/pets- spec.containers[0].securityContext.runAsUser: container app runs as user 1337, "
        "which is the proxy's alone" in fault.value.message
    )
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "dogs-5d4f", "uid": "1c", "controller": True}
    assert proxy_of(await space.pod({"app": "dogs"}, owners=[owner])) is None

    async def told():
        found = await space.api.request("GET", api_server.path("v1", "events", space.name))
        return [one for one in found["items"] if one["involvedObject"]["name"] == "dogs-5d4f"]

    [event] = await waiting.until_told(told)
    assert (event["reason"], event["type"]) == ("ProxyNoBinding", "Warning")


async def test_every_sort_of_pod_is_taken_by_the_api_server_with_its_proxy(space):
    tcp, grpc = {"tcpSocket": {"port": "web"}}, {"grpc": {"port": 8080, "service": "pets"}}
    many = [{**APP, "readinessProbe": tcp, "startupProbe": grpc}, {"name": "b", "image": "app"}]
    specs = [
        {"containers": many, "initContainers": [{"name": "init", "image": "app"}]},
        {"restartPolicy": "Never"},  # of a Job
        {"volumes": [{"name": "pki", "emptyDir": {}}, {"name": "meshloom-identity", "emptyDir": {}}]},
        {"terminationGracePeriodSeconds": 0},
        {"securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 2000}},
        {"initContainers": [{"name": "logs", "image": "logs", "restartPolicy": "Always", "startupProbe": tcp}]},
    ]
    specs[-1]["initContainers"][0]["startupProbe"] = {"tcpSocket": {"port": 7000}}
    for spec in specs:
        assert proxy_of(await space.pod(**spec)), spec


async def test_pods_are_created_while_nobody_answers_and_the_audit_lists_them(api, cluster, space):
    found = await api.request("GET", webhook_certificate.INJECTION_PATH)
    url = found["webhooks"][0]["clientConfig"]["url"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        is_silent = f"https://127.0.0.1:{silent.getsockname()[1]}/mutate"
        for broken in ("https://127.0.0.1:1/mutate", f"{cluster.url}/mutate", is_silent):  # nobody, untrusted, silent
            await space.asked_at(broken)
            await waiting.until_told(space.goes_without)
    pod = await space.pod()
    await space.asked_at(url)
    await space.until_injected()
    code, said = await audited(cluster, space)
    assert code == 1
    [one] = json.loads(said)
    assert (one["pod"], one["reason"]) == (f"{space.name}/{pod['metadata']['name']}", "NotInjected")


async def audited(cluster, space):
    """Return exit code and output of `meshloom inject --audit`."""
    options = ("--kubeconfig", str(cluster.kubeconfig), "--namespace", space.name, "-o", "json")
    command = (sys.executable, "-m", "meshloom", "inject", "--audit", *options)
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


async def test_the_config_map_of_the_original_chooses_the_image(api, space, monkeypatch):
    monkeypatch.setattr(mesh_config, "LOOK_SECONDS", 0.1)
    before = proxy_of(await space.pod(query={"dryRun": "All"}))["image"]
    path = api_server.path("v1", "configmaps", space.name)
    data = {"SIDECAR_IMAGE": "registry.example.com/proxy:9", "MDS_ENDPOINT": "mds.example.com"}
    await api.request("POST", path, body={"metadata": {"name": mesh_config.NAME}, "data": data})

    async def is_chosen():
        found = proxy_of(await space.pod(query={"dryRun": "All"}))
        env = {one["name"]: one.get("value") for one in found["env"]}
        return (found["image"], env.get("MDS_ENDPOINT")) == (data["SIDECAR_IMAGE"], data["MDS_ENDPOINT"])

    await waiting.until_told(is_chosen)
    await api.request("DELETE", f"{path}/{mesh_config.NAME}")

    async def is_as_before():
        return proxy_of(await space.pod(query={"dryRun": "All"}))["image"] == before

    await waiting.until_told(is_as_before)


async def test_a_burst_of_pods_gets_all_of_its_proxies(space):
    room = asyncio.Semaphore(50)

    async def one():
        async with room:
            return await space.pod(query={"dryRun": "All"})

    pods = await asyncio.gather(*(one() for _ in range(300)))
    assert all(map(proxy_of, pods))
