"""Moving in where the original operator was: the whole way on a real API server, by the command that people type."""

import asyncio
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from mesh import resources
from meshloom import cli
from meshloom.crds import definition
from meshloom.install import workload
from tests.cluster import servers
from tests.meshloom.migration import left

SAMPLES = "MESHLOOM_SAMPLES"
"""The samples are not part of this repository: this variable names the folder that holds them."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Cluster]:
    """Yield a cluster of this module's own, with what the original left."""
    if reason := servers.missing():
        pytest.skip(reason)
    with servers.running(tmp_path_factory.mktemp("own")) as running:
        define(running)
        fill(running)
        yield running


def define(cluster: servers.Cluster) -> None:
    """Define the nine kinds without rules of their own, as the original did."""
    definitions = [without_rules(each) for each in definition.definitions()]
    apply(cluster, definitions)
    names = [f"crd/{each['metadata']['name']}" for each in definitions]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)


def without_rules(part: Any) -> Any:
    match part:
        case dict():
            return {key: without_rules(inner) for key, inner in part.items() if key != "x-kubernetes-validations"}
        case list():
            return [without_rules(inner) for inner in part]
        case _:
            return part


def fill(cluster: servers.Cluster) -> None:
    for namespace in ("shop", "oci-service-operator-system"):
        cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("label", "namespace", "shop", "servicemesh.oci.oracle.com/sidecar-injection=enabled")
    cluster.kubectl("create", "serviceaccount", "default", "-n", "shop")
    documents = left.mesh()
    apply(cluster, [bare(document) for document in documents])
    for document in documents:
        told(cluster, document)
    standing = [left.webhooks(left.MUTATING, left.INJECTOR), left.webhooks(left.VALIDATING, left.MESH_VALIDATOR)]
    apply(cluster, [bare(left.operator(1)), left.config_map(), bare(left.pod()), *map(bare, standing)])


def bare(document: left.Document) -> left.Document:
    """Return a document as it can be created."""
    unwanted = ("uid", "ownerReferences", "deletionTimestamp")
    metadata = {key: value for key, value in document["metadata"].items() if key not in unwanted}
    return {**{key: value for key, value in document.items() if key != "status"}, "metadata": metadata}


def told(cluster: servers.Cluster, document: left.Document) -> None:
    """Write a status as the original's operator did."""
    plural, name = resources.KINDS[document["kind"]].plural, document["metadata"]["name"]
    patch = json.dumps({"status": document["status"]})
    where = ("-n", document["metadata"]["namespace"], plural, name, "--subresource=status")
    cluster.kubectl("patch", *where, "--type=merge", "-p", patch, "--field-manager=manager")


def apply(cluster: servers.Cluster, documents: list[Any]) -> None:
    cluster.kubectl("create", "--validate=false", "-f", "-", text=yaml.safe_dump_all(documents))


async def meshloom(own: servers.Cluster, *arguments: str) -> Result:
    """Return what the command says, given to this cluster."""
    asked = ["migrate", *arguments, "--kubeconfig", str(own.kubeconfig)]
    return await asyncio.to_thread(CliRunner().invoke, cli.app, asked)


def got(own: servers.Cluster, *arguments: str) -> Any:
    return json.loads(own.kubectl("get", *arguments, "-o", "json"))


def samples(folder: str) -> list[Any]:
    return [yaml.safe_load(path.read_text()) for path in sorted(pathlib.Path(folder).glob("*.yaml"))]


async def test_a_cluster_moves_step_by_step(own: servers.Cluster, tmp_path: pathlib.Path) -> None:
    versions = own.kubectl("get", "meshes,virtualservices,accesspolicies", "-A", "-o", "json")
    first = await meshloom(own)
    assert first.exit_code == 1
    assert "is the original operator, and it runs" in first.output
    assert own.kubectl("get", "meshes,virtualservices,accesspolicies", "-A", "-o", "json") == versions, "it wrote"

    too_early = await meshloom(own, "--apply", "--backup", str(tmp_path / "early"))
    assert "nothing was changed" in str(too_early.exception)
    assert not (tmp_path / "early").exists()

    operator = ("-n", "oci-service-operator-system", "deployment", "oci-service-operator-controller-manager")
    own.kubectl("scale", *operator, "--replicas=0")
    own.kubectl("delete", "-n", "shop", "accesspolicy", "all", "--wait=false")
    applied = await meshloom(own, "--apply", "--backup", str(tmp_path / "backup"))
    assert "not done" not in applied.output, applied.output
    assert not got(own, "validatingwebhookconfigurations")["items"]
    assert not got(own, "mutatingwebhookconfigurations")["items"]
    assert not got(own, "-n", "shop", "accesspolicies")["items"], "it is still being deleted"
    service = got(own, "-n", "shop", "virtualservice", "pets")
    assert service["spec"]["mesh"] == {"ref": {"name": "main", "namespace": "shop"}}
    assert "status" not in service

    saved = yaml.safe_load((tmp_path / "backup" / "VirtualService-shop-pets.yaml").read_text())
    assert saved["spec"]["mesh"] == {"id": "ocid1.mesh.oc1.iad.main"}
    assert (tmp_path / "backup" / "VirtualService-shop-pets.yaml").stat().st_mode & 0o77 == 0

    last = json.loads((await meshloom(own, "-o", "json")).output)["findings"]
    assert {one["weight"] for one in last} == {"open", "known"}
    assert [one["subject"] for one in last if one["weight"] == "open"] == ["Pod shop/pets-7d9f-x1"]


async def test_the_samples_of_the_original_move_too(own: servers.Cluster, tmp_path: pathlib.Path) -> None:
    if not (folder := os.environ.get(SAMPLES)):
        pytest.skip(f"{SAMPLES} names no folder with the samples of the original")
    own.kubectl("create", "namespace", "bookinfo-demo")
    own.kubectl("scale", "-n", "oci-service-operator-system", "deployment", "--all", "--replicas=0")
    for document in samples(folder):
        finalizers = [f"finalizers.servicemesh.oci.oracle.com/{document['kind'].lower()}-resources", left.COMMON]
        document["metadata"]["finalizers"] = finalizers
        apply(own, [document])
        told(own, {**document, "status": left.written(document["kind"], document["metadata"]["name"], {})["status"]})
    applied = await meshloom(own, "--apply", "--backup", str(tmp_path))
    assert "not done" not in applied.output, applied.output
    plurals = ",".join(kind.plural for kind in resources.KINDS.values())
    there = got(own, "-n", "bookinfo-demo", plurals)["items"]
    assert len(there) == len(resources.KINDS)
    assert not [one for one in there if "status" in one]
    said = json.loads((await meshloom(own, "-o", "json")).output)["findings"]
    opened = {one["subject"] for one in said if one["weight"] == "open" and "bookinfo-demo" in one["subject"]}
    at = "IngressGateway bookinfo-demo/bookinfo-ingress-gateway spec.hosts[0].listeners[0].tls"
    assert {
        f"{at}.serverCertificate.ociTlsCertificate.certificateId",
        f"{at}.clientValidation.trustedCaBundle.ociCaBundle.caBundleId",
    } <= opened


async def test_what_the_values_or_the_installation_map_is_known(own: servers.Cluster, tmp_path: pathlib.Path) -> None:
    def about(said: Result) -> str:
        (only,) = [one for one in json.loads(said.output)["findings"] if "ocid1.ca.oc1.iad.a " in one["fact"] + " "]
        return str(only["advice"])

    mapped = {"certificates": {"authorities": {"ocid1.ca.oc1.iad.a": "shop/root"}}}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"settings": mapped}))
    assert "makes an authority of its own" in about(await meshloom(own, "-o", "json"))
    assert "Secret shop/root" in about(await meshloom(own, "-o", "json", "--values", str(tmp_path / "values.yaml")))
    own.kubectl("create", "namespace", "mesh-home")
    apply(own, [workload.settings_map("mesh-home", yaml.safe_dump(mapped))])
    assert "Secret shop/root" in about(await meshloom(own, "-o", "json"))
    own.kubectl("delete", "namespace", "mesh-home", "--wait=false")
    own.kubectl("delete", "configmap", "-n", "mesh-home", workload.SETTINGS)


async def test_whoever_may_not_look_at_everything_is_told_what_is_missing(own: servers.Cluster) -> None:
    nobody = own.kubeconfig_of("nobody-migrates")
    said = await asyncio.to_thread(CliRunner().invoke, cli.app, ["migrate", "--kubeconfig", str(nobody)])
    assert said.exit_code == 1
    assert "pods: could not be looked at" in said.output


async def test_a_dump_of_the_cluster_becomes_yaml_that_can_be_applied_anywhere(
    own: servers.Cluster, tmp_path: pathlib.Path
) -> None:
    plurals = ",".join(kind.plural for kind in resources.KINDS.values())
    (tmp_path / "dump.yaml").write_text(own.kubectl("get", plurals, "-A", "-o", "yaml"))
    asked = ["migrate", "-f", str(tmp_path / "dump.yaml"), "--write", str(tmp_path / "mesh")]
    done = await asyncio.to_thread(CliRunner().invoke, cli.app, asked)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    written = (tmp_path / "mesh" / "shop.yaml").read_text()
    assert "uid" not in written
    own.kubectl("create", "namespace", "elsewhere")
    moved = written.replace("namespace: shop", "namespace: elsewhere")
    own.kubectl("apply", "--server-side", "-f", "-", text=moved)
    assert len(got(own, "-n", "elsewhere", plurals)["items"]) == len(list(yaml.safe_load_all(written)))


async def test_the_definitions_of_meshloom_take_the_place_of_the_originals_and_all_objects_stay(
    own: servers.Cluster,
) -> None:
    plurals = ",".join(kind.plural for kind in resources.KINDS.values())
    before = [(one["kind"], one["metadata"]["uid"], one["spec"]) for one in got(own, "-A", plurals)["items"]]
    assert before
    definitions = yaml.safe_dump_all(definition.definitions())
    own.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=definitions)
    own.kubectl("annotate", "-n", "shop", "mesh", "main", "seen=here")
    after = [(one["kind"], one["metadata"]["uid"], one["spec"]) for one in got(own, "-A", plurals)["items"]]
    assert after == before
