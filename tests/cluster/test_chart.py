"""The Helm chart, by Helm itself: it makes what `meshloom install` makes, object by object, and installs for real."""

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from meshloom.install import objects, places, values
from tests.cluster import servers
from tests.meshloom.install import chosen

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "meshloom"
HELM = os.environ.get("MESHLOOM_HELM", "") or shutil.which("helm", path=ROOT / "build") or ""
HOME = "helm-home"

pytestmark = pytest.mark.skipif(
    not HELM, reason="MESHLOOM_HELM names no helm, and there is none in build; `make helm` makes one, where there is Go"
)


def helm(*arguments: str, said: dict[str, Any] | None = None) -> str:
    given = ["--values", "-"] if said is not None else []
    done = subprocess.run(
        [HELM, *arguments, *given], input=json.dumps(said), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(said: dict[str, Any]) -> list[dict[str, Any]]:
    options = ["--namespace", HOME, "--include-crds", "--kube-version", "1.33.0"]
    text = helm("template", "any", str(CHART), *options, said=said)
    return [document for document in yaml.safe_load_all(text) if document]


@pytest.mark.parametrize("choice", chosen.CHOICES)
def test_the_chart_makes_what_the_command_makes(choice: str) -> None:
    said = chosen.CHOICES[choice]
    _, *ours = objects.objects(values.values([said]), HOME)  # the namespace is Helm's to make
    theirs = rendered(said)
    assert len(theirs) == len(ours)
    assert {places.place(each): each for each in theirs} == {places.place(each): each for each in ours}


def test_helm_finds_nothing_to_complain_of() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"replica": 2}, "replica"),
        ({"replicas": 0}, "replicas"),
        ({"imagePullPolicy": "Sometimes"}, "imagePullPolicy"),
        ({"settings": {"limit": {}}}, "limit"),
        ({"settings": {"limits": {"names": 0}}}, "names"),
    ],
)
def test_the_schema_refuses_what_the_command_refuses(said: dict[str, Any], words: str) -> None:
    command = [HELM, "template", "any", str(CHART), "--kube-version", "1.33.0", "--values", "-"]
    done = subprocess.run(command, input=json.dumps(said), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Cluster]:
    """Yield a cluster for this module alone: a webhook that nobody answers is in it."""
    if reason := servers.missing():
        pytest.skip(reason)
    with servers.running(tmp_path_factory.mktemp("helm")) as running:
        yield running


def test_helm_installs_upgrades_and_removes_it(own: servers.Cluster) -> None:
    there = ["--kubeconfig", str(own.kubeconfig), "--namespace", HOME]
    said = helm("install", "meshloom", str(CHART), *there, "--create-namespace")
    assert f"is in {HOME}" in said
    own.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str((CHART / "crds").resolve()))
    helm("upgrade", "meshloom", str(CHART), *there, "--set", "replicas=3", "--set", "networkPolicy.enabled=false")
    replicas = own.kubectl("get", "deployment", "meshloom", "-n", HOME, "-o", "jsonpath={.spec.replicas}")
    assert replicas == "3"
    assert own.kubectl("get", "networkpolicy", "-n", HOME, "-o", "name") == ""
    helm("uninstall", "meshloom", *there)
    assert (
        own.kubectl("get", "deployment,clusterrole", "-n", HOME, "-l", "app.kubernetes.io/name=meshloom", "-o", "name")
        == ""
    )
    assert own.kubectl("get", "crd", "-o", "name").count("servicemesh.oci.oracle.com") == 9
