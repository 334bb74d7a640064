"""The sample manifests of the original operator: they are taken as they are, and told only what they deserve.

They are not part of this repository: MESHLOOM_SAMPLES names the folder that holds them.
"""

import json
import os
import pathlib

import pytest
import typer.testing

from mesh import resources
from meshloom import cli, settings
from meshloom.commands import compile as compiling
from meshloom.commands import offline

FOLDER = os.environ.get("MESHLOOM_SAMPLES", "")
pytestmark = pytest.mark.skipif(
    not pathlib.Path(FOLDER or "nowhere").is_dir(),
    reason="MESHLOOM_SAMPLES names no folder with the original operator's samples",
)

GATEWAY, PODS = "IngressGateway", "IngressGatewayDeployment"
BINDING, TABLE = "VirtualDeploymentBinding", "VirtualServiceRouteTable"
LISTENERS = "spec.hosts[0].listeners"
SECRET_NAME = f"{LISTENERS}[1].tls.serverCertificate.kubeSecretTlsCertificate.secretName"
CERTIFICATE = f"{LISTENERS}[0].tls.serverCertificate.ociTlsCertificate.certificateId"
BUNDLE = f"{LISTENERS}[0].tls.clientValidation.trustedCaBundle.ociCaBundle.caBundleId"
DESERVED = {
    ("warning", GATEWAY, SECRET_NAME): "cannot be the name",
    ("error", GATEWAY, SECRET_NAME): "does not exist, so this listener is not served",
    ("error", GATEWAY, CERTIFICATE): "nobody has said which Secret",
    ("error", GATEWAY, BUNDLE): "nobody has said which Secret",
    ("warning", PODS, "spec.ports"): "port 9090 of IngressGateway",
    ("warning", PODS, "spec.secrets"): "is not among the secrets",
    ("warning", BINDING, "spec.target.service.ref"): "",
    ("warning", TABLE, "spec.routeRules[0].httpRoute.path"): "'/foo,' has a `,`, which stands for itself",
}
"""What does not fit together in the samples: severity, kind and field, and a part of the words."""
ELSEWHERE = ("is in another namespace", "does not exist")
"""The Service of the binding is in a namespace that the samples do not bring along."""


@pytest.fixture(scope="module")
def samples() -> offline.Offline:
    return offline.read([FOLDER], settings.Settings())


def test_all_nine_kinds_are_taken_as_they_are(samples: offline.Offline) -> None:
    assert sorted(item.kind for item in samples.reading.resources) == sorted(resources.KINDS)
    assert not [problem for problem in samples.reading.problems if problem.subject.kind == "File"]


def test_the_problems_are_those_that_the_samples_deserve(samples: offline.Offline) -> None:
    deserved = samples.problems
    found = {(problem.severity_name, problem.subject.kind, problem.field) for problem in deserved}
    assert found == set(DESERVED)
    for problem in deserved:
        assert DESERVED[problem.severity_name, problem.subject.kind, problem.field] in problem.fault
    about = [problem.fault for problem in deserved if problem.subject.kind == BINDING]
    assert [any(words in fault for fault in about) for words in ELSEWHERE] == [True, True]
    assert len(deserved) == len(DESERVED) + len(ELSEWHERE) - 1


def test_a_secret_that_cannot_exist_is_not_to_be_listed_but_renamed(samples: offline.Offline) -> None:
    (problem,) = (one for one in samples.problems if (one.subject.kind, one.field) == (PODS, "spec.secrets"))
    assert problem.remedy.startswith("correct the name")


def test_the_service_and_the_gateway_are_compiled(samples: offline.Offline) -> None:
    chosen, impossible = compiling.proxies_of(samples.resolution.graph)
    assert impossible == ()
    made = compiling.compiled(samples, chosen)
    assert [document["proxy"].split("/")[0] for document in made] == ["gateway", "sidecar"]
    assert made[1]["listeners"]


def test_the_commands_say_and_print_it(samples: offline.Offline) -> None:
    runner = typer.testing.CliRunner()
    checked = runner.invoke(cli.app, ["check", "-f", FOLDER, "-o", "json"])
    assert json.loads(checked.stdout)["resources"] == 9
    compiled = runner.invoke(cli.app, ["compile", "-f", FOLDER, "-o", "json"])
    assert len(json.loads(compiled.stdout)) == 2
    assert checked.exit_code == compiled.exit_code == (1 if samples.has_errors else 0)
