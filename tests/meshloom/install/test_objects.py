"""The objects of an installation: what they are, in which order, and what their pods may."""

import json
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from meshloom import cli, settings
from meshloom.install import __main__ as command
from meshloom.install import chart, grants, objects, places, roles, values, workload
from tests.meshloom.install import chosen

CHART = pathlib.Path(__file__).parents[3] / "deploy" / "helm" / "meshloom"


def made(**said: Any) -> tuple[dict[str, Any], ...]:
    return objects.objects(values.values([said]), "mesh")


def one(kind: str, name: str = "meshloom", **said: Any) -> dict[str, Any]:
    (found,) = (each for each in made(**said) if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


# ---------------------------------------------------------------------------- order and place


def test_kinds_come_before_what_is_of_them_and_the_webhook_last() -> None:
    kinds = [each["kind"] for each in made()]
    assert kinds[:10] == ["Namespace", *["CustomResourceDefinition"] * 9]
    assert kinds[-3:] == ["Deployment", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]
    assert kinds.index("ServiceAccount") < kinds.index("ClusterRoleBinding") < kinds.index("Deployment")


@pytest.mark.parametrize("choice", chosen.CHOICES)
def test_each_object_has_one_place(choice: str) -> None:
    found = [places.place(each) for each in made(**chosen.CHOICES[choice])]
    assert len(set(found)) == len(found)
    assert all(place.path.startswith(("/api/v1/", "/apis/")) for place in found)


def test_everything_is_in_the_namespace_that_was_named() -> None:
    inside = {place.namespace for place in map(places.place, made())} - {""}
    assert inside == {"mesh"}
    accounts = [subject for each in made() for subject in each.get("subjects", ())]
    assert {each["namespace"] for each in accounts} == {"mesh"}


def test_a_stream_is_read_back_as_the_objects() -> None:
    assert tuple(yaml.safe_load_all(objects.stream(made()))) == made()


def test_everything_is_labelled_as_ours() -> None:
    assert all(each["metadata"]["labels"]["app.kubernetes.io/name"] == "meshloom" for each in made())


# ---------------------------------------------------------------------------- pods


def test_the_namespace_admits_restricted_pods_only() -> None:
    assert one("Namespace", "mesh")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_pod_writes_into_volumes_of_its_own_only() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {each["name"]: each for each in pod["volumes"]}
    for mount in container["volumeMounts"]:
        assert "emptyDir" in volumes[mount["name"]] or mount["readOnly"] is True


def test_pods_are_replaced_one_after_the_other_and_get_time_to_leave() -> None:
    spec = one("Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    stop = settings.Settings().stop_seconds
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > workload.LEAVING_SECONDS + stop


def test_pods_are_replaced_when_the_settings_change_and_only_then() -> None:
    def annotations(**said: Any) -> dict[str, str]:
        return one("Deployment", settings=said)["spec"]["template"]["metadata"]["annotations"]

    assert annotations() == annotations()
    assert annotations(stop_seconds=2.0) == annotations(stop_seconds=2)
    assert annotations(stop_seconds=2) != annotations(stop_seconds=3)


def test_the_settings_that_are_mounted_are_those_that_were_chosen(tmp_path: pathlib.Path) -> None:
    text = one("ConfigMap", "meshloom-settings", settings=chosen.CHOICES["settings"]["settings"])["data"][
        "settings.yaml"
    ]
    (tmp_path / "settings.yaml").write_text(text)
    assert settings.loaded(tmp_path / "settings.yaml").egress.internal_networks == ("10.0.0.0/8", "fd00::/8")


def test_the_service_leads_to_ports_that_the_pod_names() -> None:
    (container,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    named = {port["name"] for port in container["ports"]}
    service = one("Service")["spec"]
    assert {port["targetPort"] for port in service["ports"]} == named
    assert {(port["name"], port["port"]) for port in service["ports"]} == {
        ("ads", 15012), ("ads-mtls", 15013), ("webhook", 443), ("health", 15014),
    }  # fmt: skip
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (service["selector"], one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()


# ---------------------------------------------------------------------------- permissions


def rules() -> Iterator[tuple[str, dict[str, Any]]]:
    for each in made():
        for rule in each.get("rules", ()):
            yield f"{each['kind']} {each['metadata']['name']}", rule


def test_nothing_is_granted_by_a_wildcard_and_nothing_that_grants_more() -> None:
    for role, rule in rules():
        words = {*rule["verbs"], *rule.get("resources", ()), *rule.get("apiGroups", ())}
        assert not words & {"*", "escalate", "bind", "impersonate", "approve", "sign"}, role
        assert not set(rule.get("resources", ())) & {"pods/exec", "serviceaccounts/token", "nodes/proxy"}, role


def test_secrets_are_written_at_home_only() -> None:
    touching = [(role, set(rule["verbs"])) for role, rule in rules() if "secrets" in rule.get("resources", ())]
    assert touching == [
        ("ClusterRole meshloom-secrets", {"list", "watch"}),
        ("Role meshloom", {"get", "list", "watch", "create", "patch"}),
    ]


def test_secrets_are_read_where_the_values_say() -> None:
    def bound(**said: Any) -> set[tuple[str, str]]:
        found = map(places.place, made(**said))
        return {
            (place.kind, place.namespace) for place in found if place.name == roles.READER and "Binding" in place.kind
        }

    assert bound() == {("ClusterRoleBinding", "")}
    assert bound(secretNamespaces=["shop", "zoo"]) == {("RoleBinding", "shop"), ("RoleBinding", "zoo")}


def test_gateways_are_made_where_the_values_say() -> None:
    found = map(places.place, made(gatewayNamespaces=["shop"]))
    assert [str(place) for place in found if place.name == roles.MAKER] == [
        "ClusterRole meshloom-gateways",
        "RoleBinding shop/meshloom-gateways",
    ]
    touching = [
        role for role, rule in rules() if "deployments" in rule.get("resources", ()) and "patch" in rule["verbs"]
    ]
    assert touching == ["ClusterRole meshloom-gateways"]


def test_people_get_the_roles_that_a_cluster_has_for_them() -> None:
    labels = one("ClusterRole", "meshloom-view")["metadata"]["labels"]
    assert labels["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    labels = one("ClusterRole", "meshloom-edit", aggregateRoles=False)["metadata"]["labels"]
    assert labels["rbac.authorization.k8s.io/aggregate-to-admin"] == "false"


def test_each_permission_says_what_it_is_for() -> None:
    granted = (*grants.EVERYWHERE, *grants.SECRETS, *grants.GATEWAYS, *grants.AT_HOME, *grants.EDITING, *grants.VIEWING)
    assert all(each.why and each.verbs and each.resources for each in granted)


# ---------------------------------------------------------------------------- chart


def test_the_chart_is_what_the_objects_say() -> None:
    kept = {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file() and path.parent.name != "crds"}
    made_now = chart.files()
    assert kept == set(made_now), "make chart"
    assert {name: (CHART / name).read_text() for name in kept} == made_now, "make chart"


def test_the_chart_has_the_definitions(tmp_path: pathlib.Path) -> None:
    assert (CHART / "crds").resolve() == CHART.parents[1] / "crds"
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "old.yaml").write_text("{}")
    command.write(tmp_path)
    assert not (tmp_path / "templates" / "old.yaml").exists()


def test_no_placeholder_is_left_in_the_chart() -> None:
    assert not [name for name, text in chart.files().items() if "@{{" in text or "}}@" in text]


def test_each_value_is_documented_in_file_and_schema() -> None:
    written, schema = yaml.safe_load(chart.values_text()), chart.schema()
    assert set(written) == set(schema["properties"]) - {"global"}
    assert all(each["description"].endswith(".") for each in schema["properties"].values())
    assert written == values.values([]).document()
    assert json.dumps(schema).count("$defs/Settings") >= 1


# ---------------------------------------------------------------------------- the page about it

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "howto" / "install-on-kubernetes.md"


def rows(after: str) -> list[list[str]]:
    section = PAGE.read_text().partition(f"\n## {after}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return cells[2:]


def test_the_page_lists_every_permission_with_all_its_verbs() -> None:
    granted = (*grants.EVERYWHERE, *grants.SECRETS, *grants.GATEWAYS, *grants.AT_HOME)
    assert sorted(row[0] for row in rows("Permissions")) == sorted(each.why for each in granted)
    told = {row[0]: row[2] for row in rows("Permissions")}
    for each in granted:
        said = set(told[each.why].replace(",", " ").replace(" and ", " ").split())
        assert set(each.verbs) <= said, each.why
        assert not ({"get", "list", "watch", "create", "update", "patch", "delete"} - set(each.verbs)) & said, each.why


def test_the_page_lists_every_value() -> None:
    listed = {name.strip("` ") for row in rows("Values") for name in row[0].split(",")}
    ours = set(values.values([]).document()) - {"networkPolicy"}
    assert listed == {*ours, "networkPolicy.enabled", "networkPolicy.apiServerPorts"}


def test_what_the_page_tells_people_to_type_is_understood() -> None:
    lines = re.findall(r"^\$ meshloom (.+)$", PAGE.read_text().replace("\\\n", " "), re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        words = [word for word in shlex.split(line) if word not in ("--values", "production.yaml", "--wait")]
        done = CliRunner().invoke(cli.app, [*words, "--dry-run"])
        assert done.exit_code == 0, f"{line}: {done.output}{done.exception}"
