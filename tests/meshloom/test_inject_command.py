"""`meshloom inject`: what people type and read."""

import json

import pytest
import typer.testing
import yaml

from meshloom import cli
from tests.meshloom.injector import golden

RUNNER = typer.testing.CliRunner()
MESH = str(golden.HERE / "mesh.yaml")


def ran(*arguments, text=None):
    return RUNNER.invoke(cli.app, ["inject", *arguments], input=text)


def case(name):
    return str(golden.FOLDER / name / "pod.yaml")


def test_objects_come_out_as_they_went_in_but_for_pods():
    found = ran("-f", MESH, "-f", case("many-containers"), "-f", MESH)
    assert found.exit_code == 0, found.output
    documents = list(yaml.safe_load_all(found.stdout))
    *others, pod = documents
    assert others == list(yaml.safe_load_all((golden.HERE / "mesh.yaml").read_text()))
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["init", "oci-sm-proxy", "first", "logs"]


@pytest.mark.parametrize(("name", "options"), [("cron-job", ()), ("classic-job", ("--classic",))])
def test_what_makes_pods_has_the_proxy_in_its_template(name, options):
    found = ran("-f", MESH, "-f", case(name), "-o", "json", *options)
    assert found.exit_code == 0, found.output
    [made] = [one for one in json.loads(found.stdout)["items"] if one["apiVersion"] == "batch/v1"]
    spec = made["spec"].get("jobTemplate", made)["spec"] if name == "cron-job" else made["spec"]
    names = [one["name"] for part in ("initContainers", "containers") for one in spec["template"]["spec"][part]]
    assert names == (["init", "oci-sm-proxy", "import"])
    assert "generateName" not in spec["template"]["metadata"]


def test_a_pod_that_is_refused_is_an_error():
    found = ran("-f", MESH, "-f", case("user-1337-pod"))
    assert found.exit_code == 1
    assert "error: Pod shop/pets spec.containers[0].securityContext.runAsUser" in found.stderr


def test_a_pod_that_goes_without_is_a_warning():
    found = ran("-f", MESH, "-f", case("binding-none"))
    assert found.exit_code == 0
    assert found.stderr.startswith("warning: Pod shop/dogs metadata.labels: no VirtualDeploymentBinding binds")


def test_explain_says_what_becomes_of_each_and_why():
    found = ran("-f", MESH, "-f", case("host-network"), "-f", case("stateful-set"), "--explain")
    assert found.exit_code == 0, found.output
    said = " ".join(found.stdout.split())
    assert "Pod shop/pets HostNetwork" in said
    assert "StatefulSet shop/pets Injected binding shop/pets-v1, deployment shop/pets-v1" in said


@pytest.mark.parametrize("options", [(), ("--explain",)])
def test_what_cannot_be_read_is_an_error_and_the_rest_is_printed(tmp_path, options):
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text("{apiVersion: servicemesh.oci.oracle.com/v1beta1, kind: Mesh, metadata: 3}")
    found = ran("-f", MESH, "-f", str(tmp_path), "-f", case("plain"), *options)
    assert found.exit_code == 1
    assert f"error: File {tmp_path}/a.yaml" in found.stderr
    assert len(found.stderr.splitlines()) == 2
    assert "oci-sm-proxy" in found.stdout or "Injected" in found.stdout


def test_a_list_from_standard_input_is_taken_apart():
    documents = [*yaml.safe_load_all((golden.HERE / "mesh.yaml").read_text()), *golden.written("plain")]
    found = ran("-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    assert found.exit_code == 0, found.output
    assert len(list(yaml.safe_load_all(found.stdout))) == len(documents)
