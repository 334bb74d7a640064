"""An installation on a real API server of its own: applied, applied again, changed, removed; and what it may do."""

import asyncio
import contextlib
import copy
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import yaml
from typer.testing import CliRunner

from mesh import resources
from meshloom import cli
from meshloom.cluster import finalizers
from meshloom.crds import definition
from meshloom.install import applying, grants, objects, places, removing, values
from tests import written
from tests.cluster import servers
from watchers import api_server

HOME = "mesh-home"
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Cluster]:
    """Yield a cluster that nothing is installed in, for this module alone: a webhook that nobody answers is in it."""
    if reason := servers.missing():
        pytest.skip(reason)
    with servers.running(tmp_path_factory.mktemp("own")) as running:
        yield running


@pytest.fixture
async def api(own: servers.Cluster) -> AsyncIterator[api_server.ApiServer]:
    async with api_server.connected(own.access) as connected:
        yield connected


@pytest.fixture
async def installed(api: api_server.ApiServer) -> tuple[Any, ...]:
    """Return the objects that are installed, by default."""
    documents = objects.objects(values.values([]), HOME)
    await applying.apply(api, documents, lambda _: None)
    return documents


def meshloom(own: servers.Cluster, *arguments: str) -> str:
    """Return what the command says, given to this cluster."""
    done = CliRunner().invoke(cli.app, [*arguments, "--kubeconfig", str(own.kubeconfig), "--namespace", HOME])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.output


async def state(api: api_server.ApiServer, documents: tuple[Any, ...]) -> dict[str, str]:
    """Return the version of each object that is there."""
    found: dict[str, str] = {}
    for place in map(places.place, documents):
        try:
            found[str(place)] = (await api.request("GET", place.path))["metadata"]["resourceVersion"]
        except api_server.ApiError as fault:
            if not fault.is_absent:
                raise
    return found


# ---------------------------------------------------------------------------- valid, and the same again


async def test_what_the_original_had_defined_is_taken_over_with_all_that_is_stored(
    own: servers.Cluster, api: api_server.ApiServer
) -> None:
    """Stands first: there is no webhook yet."""
    ours = definition.definition(resources.Mesh)
    former = copy.deepcopy(ours)
    former["metadata"]["annotations"] = {"controller-gen.kubebuilder.io/version": "v0.4.1"}
    whole = former["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del whole["x-kubernetes-validations"], whole["properties"]["spec"]["x-kubernetes-validations"]
    former["spec"]["versions"][0]["additionalPrinterColumns"] = []
    own.kubectl("apply", "-f", "-", text=yaml.safe_dump(former))
    own.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{ours['metadata']['name']}")
    own.kubectl("create", "namespace", "former")
    own.kubectl("apply", "-f", "-", text=yaml.safe_dump(written.document({"Mesh": "former/main"})))
    await asyncio.to_thread(meshloom, own, "install")
    found = (await api.request("GET", places.place(ours).path))["spec"]["versions"][0]
    assert found["schema"] == ours["spec"]["versions"][0]["schema"]
    assert len(found["additionalPrinterColumns"]) == 5
    assert own.kubectl("get", "meshes", "-n", "former", "-o", "name") == "mesh.servicemesh.oci.oracle.com/main\n"


async def test_every_object_is_valid_to_the_letter(api: api_server.ApiServer, installed: tuple[Any, ...]) -> None:
    for document in installed:
        asked = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "strict"}
        await api.applied(places.place(document).path, document, asked)


async def test_what_is_installed_again_is_not_written_again(own: servers.Cluster, api: api_server.ApiServer) -> None:
    said = await asyncio.to_thread(meshloom, own, "install")
    documents = objects.objects(values.values([]), HOME)
    assert said.splitlines() == [f"{places.place(each)} applied" for each in documents]
    before = await state(api, documents)
    assert len(before) == len(documents)
    await asyncio.to_thread(meshloom, own, "install")
    assert await state(api, documents) == before


async def test_a_bundle_that_the_program_has_written_stays(
    api: api_server.ApiServer, installed: tuple[Any, ...]
) -> None:
    webhook = places.place(installed[-1])
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "LS0t"}]
    asked = {"fieldManager": api_server.MANAGER}
    await api.request("PATCH", webhook.path, asked, patch, content_type=api_server.JSON_PATCH)
    await applying.apply(api, installed, lambda _: None)
    found = await api.request("GET", webhook.path)
    assert found["webhooks"][0]["clientConfig"]["caBundle"] == "LS0t"


async def test_what_other_values_do_not_ask_for_goes_and_comes_back(
    own: servers.Cluster, api: api_server.ApiServer, installed: tuple[Any, ...]
) -> None:
    own.kubectl("create", "namespace", "shop")
    other = [
        "--set",
        "secretNamespaces=[shop]",
        "--set",
        "gatewayNamespaces=[shop]",
        "--set",
        "networkPolicy.enabled=false",
    ]
    said = await asyncio.to_thread(meshloom, own, "install", "--replicas", "3", *other)
    assert said.splitlines()[-3:] == [
        "ClusterRoleBinding meshloom-gateways deleted",
        "ClusterRoleBinding meshloom-secrets deleted",
        f"NetworkPolicy {HOME}/meshloom deleted",
    ]
    bound = await api.request("GET", places.Place("RoleBinding", "shop", "meshloom-secrets").path)
    assert bound["roleRef"]["name"] == "meshloom-secrets"
    deployed = await api.request("GET", places.Place("Deployment", HOME, "meshloom").path)
    assert deployed["spec"]["replicas"] == 3
    await applying.apply(api, installed, lambda _: None)
    assert len(await state(api, installed)) == len(installed)
    assert [place.namespace for place in await applying.labelled(api, "RoleBinding")] == [HOME]


def test_what_is_not_ready_in_time_is_said(own: servers.Cluster) -> None:
    done = CliRunner().invoke(
        cli.app, ["install", "--kubeconfig", str(own.kubeconfig), "-n", HOME, "--wait", "--timeout", "1"]
    )
    assert f"Deployment {HOME}/meshloom has not been taken up by the cluster after 1 s" in str(done.exception)


def test_whoever_may_not_install_is_told_what_was_refused(own: servers.Cluster) -> None:
    nobody = own.kubeconfig_of("nobody-installs")
    done = CliRunner().invoke(cli.app, ["install", "--kubeconfig", str(nobody), "-n", HOME])
    assert f"Namespace {HOME} could not be applied: " in str(done.exception)
    assert "nobody-installs" in str(done.exception)


# ---------------------------------------------------------------------------- pods


async def test_the_pod_is_let_into_its_namespace_and_one_with_less_care_is_not(
    api: api_server.ApiServer, installed: tuple[Any, ...]
) -> None:
    (deployed,) = (each for each in installed if each["kind"] == "Deployment")
    template = deployed["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "one"},
        "spec": template["spec"],
    }
    at = api_server.path("v1", "pods", HOME)
    await api.request("POST", at, {"dryRun": "All", "fieldValidation": "Strict"}, pod)
    careless = copy.deepcopy(pod)
    del careless["spec"]["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(api_server.ApiError, match='violates PodSecurity "restricted'):
        await api.request("POST", at, {"dryRun": "All"}, careless)


# ---------------------------------------------------------------------------- permissions

ELSEWHERE = "elsewhere"
DENIED: tuple[tuple[str, str, str, str, str], ...] = (
    ("create", "", "secrets", ELSEWHERE, ""),
    ("update", "", "secrets", ELSEWHERE, "any"),
    ("patch", "", "secrets", ELSEWHERE, "any"),
    ("delete", "", "secrets", ELSEWHERE, "any"),
    ("delete", "", "secrets", HOME, "any"),
    ("create", "", "pods", ELSEWHERE, ""),
    ("delete", "", "pods", ELSEWHERE, "any"),
    ("create", "", "pods", HOME, ""),
    ("create", "", "pods/exec", HOME, "any"),
    ("get", "", "nodes", "", "any"),
    ("patch", "", "namespaces", "", "any"),
    ("create", "", "serviceaccounts/token", HOME, "meshloom"),
    ("patch", "", "configmaps", ELSEWHERE, "any"),
    ("get", "", "configmaps", ELSEWHERE, "any"),
    ("list", "", "configmaps", ELSEWHERE, ""),
    ("patch", "apps", "statefulsets", ELSEWHERE, "any"),
    ("patch", "networking.k8s.io", "networkpolicies", ELSEWHERE, "any"),
    ("patch", "discovery.k8s.io", "endpointslices", ELSEWHERE, "any"),
    ("create", resources.GROUP, "meshes", ELSEWHERE, ""),
    ("delete", resources.GROUP, "meshes", ELSEWHERE, "any"),
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions", "", "meshes.servicemesh.oci.oracle.com"),
    ("get", "apiextensions.k8s.io", "customresourcedefinitions", "", "others.example.com"),
    ("create", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", ""),
    ("patch", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", "others"),
    ("delete", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", "meshloom"),
    ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", "others"),
    ("patch", "rbac.authorization.k8s.io", "clusterroles", "", "meshloom"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", "", ""),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", "", "meshloom"),
    ("impersonate", "", "users", "", "admin"),
    ("update", "coordination.k8s.io", "leases", ELSEWHERE, "any"),
    ("get", "", "secrets", ELSEWHERE, "any"),
    ("watch", "", "configmaps", ELSEWHERE, grants.ROOT_MAP),
    ("watch", "", "configmaps", HOME, "any"),
    ("get", "discovery.k8s.io", "endpointslices", ELSEWHERE, "any"),
)
"""What the program may not do: verb, group, resource, namespace, name."""


async def access_of_program(own: servers.Cluster, api: api_server.ApiServer) -> api_server.Access:
    """Return how the installed program asks the API server."""
    at = api_server.path("v1", "serviceaccounts", HOME, grants.NAME, "token")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = (await api.request("POST", at, body=asked))["status"]["token"]
    return api_server.Access(str(own.kubeconfig_with(token, "program")))


@pytest.fixture
async def program(
    own: servers.Cluster, api: api_server.ApiServer, installed: tuple[Any, ...]
) -> AsyncIterator[api_server.ApiServer]:
    """Yield the API server, asked as the installed program."""
    async with api_server.connected(await access_of_program(own, api)) as connected:
        yield connected


async def may(program: api_server.ApiServer, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
    plain, _, subresource = resource.partition("/")
    asked = {
        "verb": verb,
        "group": group,
        "resource": plain,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
    }
    answer = await program.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
    return bool(answer["status"]["allowed"])


def asked(granted: tuple[grants.Grant, ...], namespace: str) -> Iterator[tuple[str, str, str, str, str]]:
    for grant in granted:
        for resource in grant.resources:
            for verb in grant.verbs:
                yield from ((verb, grant.group, resource, namespace, name) for name in grant.names or ("",))


async def test_the_program_may_do_what_it_is_granted(program: api_server.ApiServer) -> None:
    wanted = [*asked((*grants.EVERYWHERE, *grants.SECRETS, *grants.GATEWAYS), ELSEWHERE), *asked(grants.AT_HOME, HOME)]
    allowed = await asyncio.gather(*(may(program, *each) for each in wanted))
    assert not [each for each, is_allowed in zip(wanted, allowed, strict=True) if not is_allowed]


async def test_the_program_may_not_do_what_it_need_not(program: api_server.ApiServer) -> None:
    allowed = await asyncio.gather(*(may(program, *each) for each in DENIED))
    assert not [each for each, is_allowed in zip(DENIED, allowed, strict=True) if is_allowed]


async def test_the_program_can_make_roots_known_in_any_namespace_and_nothing_else(
    own: servers.Cluster, program: api_server.ApiServer
) -> None:
    own.kubectl("create", "namespace", "rooted")
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": grants.ROOT_MAP}, "data": {"root.pem": ""}}
    await program.applied(api_server.path("v1", "configmaps", "rooted", grants.ROOT_MAP), made)
    listed = {"fieldSelector": f"metadata.name={grants.ROOT_MAP}"}
    assert len((await program.request("GET", "/api/v1/configmaps", listed))["items"]) == 1
    other = {**made, "metadata": {"name": "other"}}
    with pytest.raises(api_server.ApiError, match="forbidden"):
        await program.applied(api_server.path("v1", "configmaps", "rooted", "other"), other)


async def test_a_secret_is_followed_by_its_name_where_that_is_granted(
    own: servers.Cluster, api: api_server.ApiServer, program: api_server.ApiServer
) -> None:
    own.kubectl("create", "namespace", "edge")
    own.kubectl("create", "secret", "generic", "certificate", "-n", "edge")
    at, asked = api_server.path("v1", "secrets", "edge"), {"fieldSelector": "metadata.name=certificate"}
    assert len((await program.request("GET", at, asked))["items"]) == 1
    listed = objects.objects(values.values([{"secretNamespaces": [HOME]}]), HOME)
    await applying.apply(api, listed, lambda _: None)
    with pytest.raises(api_server.ApiError, match="forbidden"):
        await _denied_in_time(program, at, asked)


async def _denied_in_time(program: api_server.ApiServer, at: str, asked: dict[str, str]) -> None:
    """Ask until the server goes by bindings that have just been changed."""
    async with asyncio.timeout(20):
        for _ in range(1000):
            await program.request("GET", at, asked)
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def running(access: api_server.Access, folder: pathlib.Path, health: int) -> Iterator[pathlib.Path]:
    """Run the program as the account that was installed for it; yield its log."""
    webhook, operator, ads = servers.free_ports(3)
    inner = {"webhook": f"127.0.0.1:{webhook}", "operator": f"127.0.0.1:{operator}"}
    document = {"operating": {"health": f"127.0.0.1:{health}"}, "kubernetes": inner}
    (folder / "settings.yaml").write_text(yaml.safe_dump(document))
    doors = [f"--ads=127.0.0.1:{ads}", "--ads-mtls=off", "--log-format=json"]
    places = ["--kubeconfig", access.kubeconfig, "--settings", str(folder / "settings.yaml")]
    environment = {**os.environ, **environment_of(folder), "POD_NAMESPACE": HOME, "POD_NAME": "program"}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "meshloom", "serve", "--kubernetes", *doors, *places]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield folder / "log"
        assert process.poll() is None, (folder / "log").read_text()
    finally:
        process.terminate()
        process.wait(30)


def environment_of(folder: pathlib.Path) -> dict[str, str]:
    """Return the environment of the container: what its image sets, and then what the Deployment does."""
    by_image = re.findall(r"\b(MESHLOOM_[A-Z_]+)=(\S+)", (ROOT / "Dockerfile").read_text())
    (deployed,) = (each for each in objects.objects(values.values([]), HOME) if each["kind"] == "Deployment")
    (container,) = deployed["spec"]["template"]["spec"]["containers"]
    by_deployment = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    return {**dict(by_image), **by_deployment, "XDG_RUNTIME_DIR": str(folder)}


ZOO = "animals"


async def populated(own: servers.Cluster, api: api_server.ApiServer, installed: tuple[Any, ...]) -> None:
    """Store objects of all kinds; the webhook, which would be asked, is away meanwhile."""
    await removing.remove(api, HOME, lambda _: None, purge=False)
    labels = {"servicemesh.oci.oracle.com/sidecar-injection": "enabled"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ZOO, "labels": labels}}
    await api.applied(f"/api/v1/namespaces/{ZOO}", space)
    text = (ROOT / "tests/fuzz/everything.yaml").read_text().replace("cpu: 0.1", "cpu: 1")
    documents = [each for each in yaml.safe_load_all(text) if each["kind"] in resources.KINDS]
    for each in documents:
        each["metadata"] = {"name": each["metadata"]["name"], "namespace": ZOO}
    own.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(documents))
    await applying.apply(api, installed, lambda _: None)


async def test_the_program_runs_with_what_it_is_granted(
    own: servers.Cluster,
    api: api_server.ApiServer,
    installed: tuple[Any, ...],
    tmp_path: pathlib.Path,
) -> None:
    """It makes its authorities, publishes its roots, leads, and says how each object is."""
    await populated(own, api, installed)
    access = await access_of_program(own, api)
    (health,) = servers.free_ports(1)
    root_map = api_server.path("v1", "configmaps", ZOO, grants.ROOT_MAP)
    wanted = {
        places.Place("ValidatingWebhookConfiguration", "", grants.NAME).path: "caBundle",
        root_map: "root.pem",
        api_server.path("coordination.k8s.io/v1", "leases", HOME, grants.LEASE): "program",
        api_server.path("v1", "secrets", HOME): "meshloom-authority-",
        api_server.path(resources.API_VERSION, "meshes", ZOO, "zoo"): "ServiceMeshConfigured",
        api_server.path(resources.API_VERSION, "virtualservices", ZOO, "lions"): finalizers.own("VirtualService"),
        api_server.path("v1", "events", ZOO): "ServiceMesh",
        api_server.path("apps/v1", "deployments", ZOO): '"gate',
        api_server.path("autoscaling/v2", "horizontalpodautoscalers", ZOO): '"gate',
        api_server.path("v1", "services", ZOO): '"gate',
    }
    with running(access, tmp_path, health) as log:
        await until(lambda: answered(f"http://127.0.0.1:{health}/readyz"), log)
        for path, words in wanted.items():
            await until(lambda path=path, words=words: holds(api, path, words), log)
        said = log.read_text()
    assert "forbidden" not in said.lower()


async def answered(url: str) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


async def holds(api: api_server.ApiServer, path: str, words: str) -> bool:
    try:
        return words in json.dumps(await api.request("GET", path))
    except api_server.ApiError as fault:
        if fault.is_absent:
            return False
        raise


async def until(is_so: Callable[[], Awaitable[bool]], log: pathlib.Path) -> None:
    """Wait until something is so, or show what the program has said meanwhile."""
    try:
        async with asyncio.timeout(60):
            for _ in itertools.count():
                if await is_so():
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(await asyncio.to_thread(log.read_text)) from None


# ---------------------------------------------------------------------------- removed

SHOP = "kept"


async def stored(own: servers.Cluster, api: api_server.ApiServer) -> str:
    """Store a mesh that is held back by finalizers, ours and that of another; return its path."""
    await removing.remove(api, HOME, lambda _: None, purge=False)  # the webhook, which nobody answers
    own.kubectl("create", "namespace", SHOP)
    held = [finalizers.own("Mesh"), finalizers.COMMON, "example.com/other"]
    document = written.document({"Mesh": f"{SHOP}/main"})
    document["metadata"]["finalizers"] = held
    at = api_server.path(resources.API_VERSION, "meshes", SHOP)
    await api.request("POST", at, body=document)
    await api.request("POST", at, body={**document, "metadata": {"name": "plain", "namespace": SHOP}})
    return f"{at}/main"


async def test_what_is_uninstalled_leaves_meshes_kinds_and_keys_and_holds_nothing_back(
    own: servers.Cluster, api: api_server.ApiServer, installed: tuple[Any, ...]
) -> None:
    mesh = await stored(own, api)
    await applying.apply(api, installed, lambda _: None)
    own.kubectl("create", "secret", "generic", "meshloom-authority-x", "-n", HOME)
    said = (await asyncio.to_thread(meshloom, own, "uninstall")).splitlines()
    assert said[:4] == [
        "ValidatingWebhookConfiguration meshloom deleted",
        "MutatingWebhookConfiguration meshloom deleted",
        f"Deployment {HOME}/meshloom deleted",
        "1 meshes released of their finalizers",
    ]
    left = await state(api, installed)
    assert {name.split()[0] for name in left} == {"Namespace", "CustomResourceDefinition"}
    assert len(left) == 10
    own.kubectl("get", "secret", "meshloom-authority-x", "-n", HOME)
    assert (await api.request("GET", mesh))["metadata"]["finalizers"] == ["example.com/other"]
    assert await asyncio.to_thread(meshloom, own, "uninstall") == ""


async def test_what_is_purged_is_gone_with_all_that_people_wrote(
    own: servers.Cluster, api: api_server.ApiServer, installed: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removing, "GONE_SECONDS", 2.0)  # there is no controller here that ends a namespace
    listed = await asyncio.to_thread(meshloom, own, "uninstall", "--dry-run", "--purge")
    assert f"Namespace {HOME}" in listed.splitlines()
    at = api_server.path(resources.API_VERSION, "meshes", SHOP)
    bare = {"metadata": {"finalizers": None}}
    await api.request("PATCH", f"{at}/main", {}, bare, content_type=api_server.MERGE_PATCH)
    said = await asyncio.to_thread(meshloom, own, "uninstall", "--purge", "--yes")
    assert f"Namespace {HOME} is still being deleted" in said.splitlines()[-1]
    assert "CustomResourceDefinition meshes.servicemesh.oci.oracle.com deleted" in said
    definitions = [f"crd/{kind.plural}.{resources.GROUP}" for kind in resources.KINDS.values()]
    own.kubectl("wait", "--for=delete", "--timeout=60s", *definitions)
    assert (await api.request("GET", f"/api/v1/namespaces/{HOME}"))["status"]["phase"] == "Terminating"


def test_a_dry_run_prints_the_objects_and_asks_nobody(tmp_path: pathlib.Path) -> None:
    (tmp_path / "values.yaml").write_text("replicas: 5\nnetworkPolicy: {enabled: false}")
    done = CliRunner().invoke(
        cli.app, ["install", "--dry-run", "-f", str(tmp_path / "values.yaml"), "--set", "replicas=4", "--image", "x"]
    )
    chosen = values.values([{"replicas": 4, "networkPolicy": {"enabled": False}, "image": "x"}])
    assert tuple(yaml.safe_load_all(done.stdout)) == objects.objects(chosen, values.NAMESPACE)
