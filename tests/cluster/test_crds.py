"""The definitions on a real API server: what the model reads is let in, what it refuses is refused, in its words."""

import asyncio
import copy
import itertools
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from mesh import documents, resources, rules
from mesh.problems import Severity
from mesh.resources import TlsMode
from mesh.rules import access, choices, deployments, gateway_deployments, gateway_tls, gateways, names, routes
from tests import written
from tests.cluster import servers
from tests.meshloom.crds import judged
from watchers import api_server

ROOT = pathlib.Path(__file__).parents[2]
SAMPLES = os.environ.get("MESHLOOM_SAMPLES", "")
AT_ONCE = 32


def collection(kind: str, namespace: str) -> str:
    return api_server.path(resources.API_VERSION, resources.KINDS[kind].plural, namespace)


def placed(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**document, "metadata": {**document["metadata"], "namespace": namespace}}


async def refusal(api: api_server.ApiServer, document: dict[str, Any], namespace: str) -> str:
    """Return why the API server would not create this, empty if it would."""
    at = collection(document["kind"], namespace)
    try:
        await api.request("POST", at, {"dryRun": "All"}, placed(document, namespace), within=60)
    except api_server.ApiError as fault:
        return (
            fault.message if fault.status in (400, 422) else f"{fault.status}, which is no judgement: {fault.message}"
        )
    return ""


# ---------------------------------------------------------------------------- words


def test_every_kind_is_established(cluster: servers.Cluster) -> None:
    listed = cluster.kubectl("api-resources", "--api-group", resources.GROUP, "--no-headers", "-o", "name").split()
    assert sorted(listed) == sorted(f"{kind.plural}.{resources.GROUP}" for kind in resources.KINDS.values())


def test_kubectl_explain_shows_our_words(cluster: servers.Cluster) -> None:
    said = cluster.kubectl("explain", "virtualdeploymentbinding.spec.podUpgradeEnabled")
    assert "Whether pods with an outdated proxy are replaced; false: they are only marked." in " ".join(said.split())
    deeper = cluster.kubectl("explain", "ig.spec.hosts".replace("ig.", "ingressgateways."))
    assert "-required-" in deeper
    assert "Names by which clients call" in deeper


@pytest.mark.parametrize("one", [*judged.WRONG, *judged.SIMILAR], ids=lambda one: one.words)
async def test_what_breaks_a_rule_is_refused_in_its_words(
    api: api_server.ApiServer, namespace: str, one: judged.Judged
) -> None:
    said = await refusal(api, written.document(yaml.safe_load(one.short)), namespace)
    assert f"{one.field}: Invalid value:" in said
    assert f": {one.words}" in said


# ---------------------------------------------------------------------------- the same judgement as the model's

PROBES: tuple[Any, ...] = (
    -1, 0, 1, 7, 101, 1023, 65536, 2**31, 2**63 - 1, True, "", "x", "8080", "true", "x" * 256, "x" * 401, 1.5, [], ["x"],
    [1], {}, {"x": "y"}, {"x": 1}, {"name": "x"}, {"ref": {"name": "x"}, "id": "y"},
)  # fmt: skip
"""What is put in the place of each value of a good document."""

IN_CEL = (
    access.ambiguous_external_services,
    access.ambiguous_targets,
    access.external_sources,
    access.gateway_destinations,
    choices.reference_problems,
    deployments.missing_hostname,
    deployments.needless_hostname,
    gateway_deployments.crossed_bounds,
    gateway_deployments.nameless_ports,
    gateway_deployments.needless_service_ports,
    gateway_tls.missing_authorities,
    gateway_tls.missing_certificates,
    gateways.low_ports,
    gateways.nameless_hosts,
    names.long_names,
    routes.ambiguous_rules,
    routes.unequal_ports,
)
"""The rules that the definitions have; a rule of another kind finds nothing in a spec that is not its own."""


def good() -> Iterator[dict[str, Any]]:
    """Yield a document of each kind, with most of its fields."""
    for document in yaml.safe_load_all((ROOT / "tests/fuzz/everything.yaml").read_text().replace("cpu: 0.1", "cpu: 1")):
        if document["kind"] in resources.KINDS:
            kept = {"name": document["metadata"]["name"], "namespace": "animals"}
            yield {**document, "metadata": kept}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value inside."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def mutilated(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the document with one value of its spec replaced, removed, or repeated fifty times."""
    for way in places(document["spec"]):
        for change in (*(lambda _, new=new: new for new in PROBES), _repeated, None):
            changed = copy.deepcopy(document)
            within = changed["spec"]
            for step in way[:-1]:
                within = within[step]
            if change is not None:
                within[way[-1]] = change(within[way[-1]])
            else:
                del within[way[-1]]
            yield changed


def _repeated(value: Any) -> Any:
    return [copy.deepcopy(value[0]) for _ in range(51)] if isinstance(value, list) else value


def is_let_in_by_the_model(document: dict[str, Any]) -> bool:
    found = documents.parsed(document).resource
    return found is not None and not any(broken(found))


def broken(resource: Any) -> Iterator[bool]:
    for rule in set(IN_CEL) & set(rules.RULES[resource.kind]):
        if rule is not gateway_tls.missing_authorities or TlsMode.PERMISSIVE not in modes(resource):
            yield any(problem.severity is Severity.ERROR for problem in rule(resource.ref, resource.spec))


def modes(resource: Any) -> set[TlsMode]:
    return {listener.tls.mode for host in resource.spec.hosts for listener in host.listeners if listener.tls}


def is_more_than_a_cluster_accepts(document: dict[str, Any]) -> bool:
    """Return whether a file may say this: a quantity with a fraction."""
    return any(isinstance(value, float) for value in leaves(document["spec"]))


def leaves(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    for each in inner or ():
        yield from leaves(each)


@pytest.mark.parametrize(
    "document", [pytest.param(each, id=f"{each['kind']}-{each['metadata']['name']}") for each in good()]
)
async def test_a_mutilated_document_is_judged_by_the_server_as_by_the_model(
    api: api_server.ApiServer, namespace: str, document: dict[str, Any]
) -> None:
    changed = [each for each in mutilated(document) if not is_more_than_a_cluster_accepts(each)]
    assert len(changed) > 100
    room = asyncio.Semaphore(AT_ONCE)

    async def said(each: dict[str, Any]) -> str:
        async with room:
            return await refusal(api, each, namespace)

    answers = await asyncio.gather(*map(said, changed))
    differing = [
        f"{each['spec']}: {answer or 'is let in'}"
        for each, answer in zip(changed, answers, strict=True)
        if is_let_in_by_the_model(each) == bool(answer)
    ]
    assert not differing, "\n".join(differing[:10])
    assert any(answers)
    assert not all(answers)


# ---------------------------------------------------------------------------- from one version to the next

SERVICE = "VirtualService: shop/pets\nmesh: {ref: {name: main}}\nhosts: [pets]"
CHANGES = {
    "another parent": (SERVICE, SERVICE.replace("main", "other"), "spec.mesh"),
    "by id instead": (SERVICE, SERVICE.replace("{ref: {name: main}}", "{id: main}"), "spec.mesh"),
    "a namespace is written out": (SERVICE, SERVICE.replace("main", "main, namespace: shop"), ""),
    "another namespace": (SERVICE.replace("main", "main, namespace: a"), SERVICE.replace("main", "main, namespace: b"), "spec.mesh"),
    "a name is set": (SERVICE, f"{SERVICE}\nname: pets", "spec.name"),
    "a name is taken away": (f"{SERVICE}\nname: pets", SERVICE, "spec.name"),
    "a name is changed": (f"{SERVICE}\nname: pets", f"{SERVICE}\nname: dogs", "spec.name"),
    "a name stays": (f"{SERVICE}\nname: pets", f"{SERVICE}, cats]\nname: pets".replace("], cats", ", cats"), ""),
    "another authority": ("Mesh: shop/main", "Mesh: shop/main\ncertificateAuthorities: [{id: other}]", "spec.certificateAuthorities"),
    "a binding moves": (
        "VirtualDeploymentBinding: shop/pets\nvirtualDeployment: {id: a}\ntarget: {service: {ref: {name: pets}}}",
        "VirtualDeploymentBinding: shop/pets\nvirtualDeployment: {id: b}\ntarget: {service: {ref: {name: pets}}}",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
async def test_what_is_fixed_at_creation_stays(api: api_server.ApiServer, namespace: str, change: str) -> None:
    before, after, field = CHANGES[change]
    first, second = (written.document(yaml.safe_load(text)) for text in (before, after))
    made = await api.request("POST", collection(first["kind"], namespace), {}, placed(first, namespace))
    edited = {**made, "spec": second["spec"]}
    one = f"{collection(first['kind'], namespace)}/{made['metadata']['name']}"
    if not field:
        assert edited["spec"].items() <= (await api.request("PUT", one, {}, edited))["spec"].items()
        return
    with pytest.raises(api_server.ApiError) as fault:
        await api.request("PUT", one, {}, edited)
    assert f"{field}: Invalid value:" in fault.value.message
    assert judged.FIXED in fault.value.message


async def test_an_object_without_spec_is_let_in_and_may_be_given_one(api: api_server.ApiServer, namespace: str) -> None:
    document = written.document(yaml.safe_load(SERVICE))
    bare = {key: value for key, value in placed(document, namespace).items() if key != "spec"}
    made = await api.request("POST", collection("VirtualService", namespace), {}, bare)
    filled = {**made, "spec": document["spec"]}
    await api.request("PUT", f"{collection('VirtualService', namespace)}/pets", {}, filled)


async def test_what_was_stored_before_a_rule_can_still_be_edited(api: api_server.ApiServer, namespace: str) -> None:
    at = api_server.path(
        "apiextensions.k8s.io/v1", "customresourcedefinitions", "", "virtualservices.servicemesh.oci.oracle.com"
    )
    strict = await api.request("GET", at)
    mild = copy.deepcopy(strict)
    mesh = mild["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["mesh"]
    del mesh["x-kubernetes-validations"]
    document = placed(written.document(yaml.safe_load("VirtualService: shop/old\nmesh: {}")), namespace)
    try:
        await api.request("PUT", at, {}, mild)
        made = await _created_in_time(api, document, namespace)
    finally:
        current = await api.request("GET", at)
        await api.request("PUT", at, {}, {**current, "spec": strict["spec"]})
    await _answered_in_time(api, document, namespace, is_refused=True)
    made["spec"]["description"] = "still edited"
    edited = await api.request("PUT", f"{collection('VirtualService', namespace)}/old", {}, made)
    assert edited["spec"]["description"] == "still edited"


async def _created_in_time(api: api_server.ApiServer, document: dict[str, Any], namespace: str) -> Any:
    await _answered_in_time(api, document, namespace, is_refused=False)
    return await api.request("POST", collection(document["kind"], namespace), {}, document)


async def _answered_in_time(
    api: api_server.ApiServer, document: dict[str, Any], namespace: str, *, is_refused: bool
) -> None:
    """Wait until the server goes by a definition that has just been changed."""
    async with asyncio.timeout(30):
        for turn in itertools.count():
            asked = {**document, "metadata": {"name": f"turn-{turn}", "namespace": namespace}}
            if bool(await refusal(api, asked, namespace)) is is_refused:
                return
            await asyncio.sleep(0.05)


# ---------------------------------------------------------------------------- what the server makes of an object


async def test_defaults_are_filled_in_and_unknown_fields_dropped(api: api_server.ApiServer, namespace: str) -> None:
    short = (
        "VirtualServiceRouteTable: shop/pets\nvirtualService: {id: x}\nodd: 1\n"
        "routeRules: [{httpRoute: {destinations: [{virtualDeployment: {id: x}, weight: 1}]}}]"
    )
    document = placed(written.document(yaml.safe_load(short)), namespace)
    made = await api.request("POST", collection(document["kind"], namespace), {}, document)
    assert made["spec"]["routeRules"][0]["httpRoute"]["isGrpc"] is False
    assert "odd" not in made["spec"]


async def test_a_status_is_written_beside_the_spec_and_shown_by_its_columns(
    api: api_server.ApiServer, cluster: servers.Cluster, namespace: str
) -> None:
    at = f"{collection('Mesh', namespace)}/main"
    document = placed(written.document({"Mesh": "shop/main"}), namespace)
    await api.applied(at, document)
    common = {
        "reason": "Successful",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    kinds = {"ServiceMeshDependenciesActive": "True", "ServiceMeshConfigured": "False", "ServiceMeshActive": "Unknown"}
    status = {
        "meshId": "ocid1.mesh.meshloom..x",
        "conditions": [{"type": kind, "status": value, **common} for kind, value in kinds.items()],
    }
    bare = {"apiVersion": document["apiVersion"], "kind": "Mesh", "metadata": {"name": "main"}}
    await api.applied(f"{at}/status", {**bare, "status": status})
    shown = cluster.kubectl("get", "meshes", "main", "-n", namespace, "-o", "wide")
    assert shown.split()[:11] == [
        "NAME", "ACTIVE", "CONFIGURED", "DEPENDENCIESACTIVE", "OCID", "AGE",
        "main", "Unknown", "False", "True", "ocid1.mesh.meshloom..x",
    ]  # fmt: skip


# ---------------------------------------------------------------------------- old YAML, and ours


def ours() -> list[pathlib.Path]:
    return [ROOT / "demo/mesh.yaml", *sorted((ROOT / "demo/examples").rglob("*.yaml"))]


def originals() -> list[pathlib.Path]:
    return sorted(pathlib.Path(SAMPLES).glob("*.yaml")) if SAMPLES else []


def namespaces_of(path: pathlib.Path) -> set[str]:
    found = [document for document in yaml.safe_load_all(path.read_text()) if document]
    return {each["metadata"].get("namespace", "default") for each in found if each["kind"] in resources.KINDS}


def applied(cluster: servers.Cluster, paths: list[pathlib.Path], *options: str) -> str:
    names = sorted(set().union(*map(namespaces_of, paths)) - {"default"})
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    cluster.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(spaces))
    chosen = [part for path in paths for part in ("-f", str(path))]
    return cluster.kubectl("apply", *options, "--validate=strict", *chosen)


def test_our_examples_apply_as_they_are(cluster: servers.Cluster) -> None:
    assert len(ours()) > 10
    assert "accesspolicy.servicemesh.oci.oracle.com" in applied(cluster, ours(), "--server-side")


@pytest.mark.skipif(not SAMPLES, reason="MESHLOOM_SAMPLES names no folder of samples of the original")
def test_the_samples_of_the_original_apply_as_they_are(cluster: servers.Cluster) -> None:
    assert len(originals()) == 9
    assert applied(cluster, originals()).count("created") == 9
