"""The definitions against the original's, field by field, and against the rules of the model."""

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from mesh import documents, resources, rules
from meshloom.crds import __main__ as command
from meshloom.crds import constraints, definition, descriptions
from tests import written
from tests.mesh import test_resources_fields as original
from tests.meshloom.crds import judged

DEFINITIONS = {each["spec"]["names"]["kind"]: each for each in definition.definitions()}
FOLDER = pathlib.Path(__file__).parents[3] / "deploy" / "crds"
HIGHEST = {"int64": 2**63 - 1}


def version(kind: str) -> dict[str, Any]:
    (only,) = DEFINITIONS[kind]["spec"]["versions"]
    return only


def schema(kind: str) -> dict[str, Any]:
    return version(kind)["schema"]["openAPIV3Schema"]


def nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Yield each schema inside a schema, itself included."""
    yield part
    for inner in part.get("properties", {}).values():
        yield from nodes(inner)
    for key in ("items", "additionalProperties"):
        if key in part:
            yield from nodes(part[key])


def bounded(part: Any) -> Any:
    """Return a schema whose numbers have the bounds that their format has."""
    if isinstance(part, list):
        return [bounded(each) for each in part]
    if not isinstance(part, dict):
        return part
    if "minimum" in part and part.get("format") in HIGHEST:
        return {"maximum": HIGHEST[part["format"]], **part}
    return {key: bounded(value) for key, value in part.items()}


# ---------------------------------------------------------------------------- the file and the form


def test_the_folder_holds_what_the_models_say() -> None:
    made = {definition.file_name(each): definition.file_text(each) for each in definition.definitions()}
    there = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert there == made, "make crds"


def test_writing_removes_what_is_no_kind_any_more(tmp_path: pathlib.Path) -> None:
    (tmp_path / "dogs.yaml").write_text("kind: Dog")
    command.write(tmp_path / "deeper")
    command.write(tmp_path)
    assert len(list(tmp_path.glob("*.yaml"))) == len(list((tmp_path / "deeper").iterdir())) == 9


def test_a_file_is_read_back_as_what_was_written() -> None:
    for each in definition.definitions():
        assert yaml.safe_load(definition.file_text(each)) == each
        assert "&id" not in definition.file_text(each)


@pytest.mark.parametrize("kind", resources.KINDS)
def test_a_kind_is_defined_as_in_the_original(kind: str) -> None:
    found = DEFINITIONS[kind]
    assert found["metadata"]["name"] == f"{resources.KINDS[kind].plural}.servicemesh.oci.oracle.com"
    assert found["spec"]["scope"] == "Namespaced"
    assert not {"shortNames", "categories"} & set(found["spec"]["names"])
    only = version(kind)
    assert (only["name"], only["served"], only["storage"], only["subresources"]) == (
        "v1beta1",
        True,
        True,
        {"status": {}},
    )
    assert "required" not in schema(kind)


@pytest.mark.parametrize("kind", resources.KINDS)
def test_a_kind_has_the_fields_of_the_original_and_their_limits(kind: str) -> None:
    assert original.described(bounded(schema(kind)["properties"]["spec"]), {}) == original.API[kind]


def test_numbers_have_the_formats_of_the_original() -> None:
    listener = schema("VirtualDeployment")["properties"]["spec"]["properties"]["listener"]["items"]["properties"]
    assert listener["port"]["format"] == "int32"
    assert listener["requestTimeoutInMs"]["format"] == "int64"
    pods = schema("IngressGatewayDeployment")["properties"]["spec"]["properties"]["deployment"]["properties"]
    assert pods["autoscaling"]["properties"]["minPods"] | {"description": ""} == {
        "description": "", "type": "integer", "format": "int32", "minimum": 1, "maximum": 2**31 - 1,
    }  # fmt: skip


def test_quantities_are_numbers_or_text_of_one_pattern() -> None:
    limits = schema("VirtualDeploymentBinding")["properties"]["spec"]["properties"]["resources"]["properties"]["limits"]
    assert limits["additionalProperties"]["x-kubernetes-int-or-string"] is True
    assert limits["additionalProperties"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]


def test_the_server_fills_in_what_the_original_s_did_and_pod_upgrades() -> None:
    def defaults(part: Any, at: str) -> Iterator[tuple[str, Any]]:
        for name, inner in part.get("properties", {}).items():
            if "default" in inner:
                yield f"{at}.{name}", inner["default"]
            yield from defaults(inner, f"{at}.{name}")
        yield from defaults(part["items"], at) if "items" in part else ()

    found = {kind: dict(defaults(schema(kind), "")) for kind in resources.KINDS}
    rule = ".spec.routeRules.httpRoute"
    assert {kind: each for kind, each in found.items() if each} == {
        "VirtualServiceRouteTable": {f"{rule}.isGrpc": False},
        "IngressGatewayRouteTable": {
            f"{rule}.isGrpc": False,
            f"{rule}.isHostRewriteEnabled": False,
            f"{rule}.isPathRewriteEnabled": False,
        },
        "VirtualDeploymentBinding": {".spec.podUpgradeEnabled": True},
        "IngressGatewayDeployment": {".spec.ports.protocol": "TCP"},
    }


# ---------------------------------------------------------------------------- columns and status

AGE = ("Age", ".metadata.creationTimestamp", 0)
CONDITION = ".status.conditions[{}].status"
OCIDS = {
    "Mesh": "meshId",
    "VirtualService": "virtualServiceId",
    "VirtualDeployment": "virtualDeploymentId",
    "VirtualServiceRouteTable": "virtualServiceRouteTableId",
    "AccessPolicy": "accessPolicyId",
    "IngressGateway": "ingressGatewayId",
    "IngressGatewayRouteTable": "ingressGatewayRouteTableId",
}


def shown(kind: str) -> list[tuple[str, str, int]]:
    return [
        (each["name"], each["jsonPath"], each.get("priority", 0)) for each in version(kind)["additionalPrinterColumns"]
    ]


@pytest.mark.parametrize("kind", OCIDS)
def test_kubectl_shows_of_a_kind_with_an_id_three_conditions_and_the_id(kind: str) -> None:
    assert shown(kind) == [
        ("Active", CONDITION.format(2), 0),
        ("Configured", CONDITION.format(1), 1),
        ("DependenciesActive", CONDITION.format(0), 1),
        ("Ocid", f".status.{OCIDS[kind]}", 1),
        AGE,
    ]


@pytest.mark.parametrize(
    ("kind", "named"),
    [("VirtualDeploymentBinding", "VirtualDeployment"), ("IngressGatewayDeployment", "IngressGateway")],
)
def test_kubectl_shows_of_what_deploys_another_two_conditions_and_the_other(kind: str, named: str) -> None:
    field = named[0].lower() + named[1:]
    assert shown(kind) == [
        ("Active", CONDITION.format(1), 0),
        ("DependenciesActive", CONDITION.format(0), 1),
        (f"{named}Ocid", f".status.{field}Id", 1),
        (f"{named}Name", f".status.{field}Name", 1),
        AGE,
    ]


STATUS = (
    "meshId virtualServiceId virtualServiceName virtualDeploymentId virtualDeploymentName virtualServiceRouteTableId "
    "accessPolicyId ingressGatewayId ingressGatewayName ingressGatewayRouteTableId refIdForRules virtualServiceIdForRules "
    "virtualDeploymentIdForRules meshMtls virtualServiceMtls ingressGatewayMtls lastUpdatedTime opcRetryToken conditions"
)


@pytest.mark.parametrize("kind", resources.KINDS)
def test_all_kinds_share_one_status(kind: str) -> None:
    status = schema(kind)["properties"]["status"]["properties"]
    assert list(status) == STATUS.split()
    condition = status["conditions"]["items"]
    assert condition["required"] == ["lastTransitionTime", "message", "reason", "status", "type"]
    assert condition["properties"]["reason"]["pattern"] == "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
    assert condition["properties"]["message"]["maxLength"] == 32768


# ---------------------------------------------------------------------------- words


@pytest.mark.parametrize("kind", resources.KINDS)
def test_no_field_is_without_words(kind: str) -> None:
    whole = {**schema(kind)["properties"]}
    whole.pop("metadata")  # of Kubernetes itself
    for part in nodes({"properties": whole}):
        for name, field in part.get("properties", {}).items():
            assert field["description"].endswith("."), name
            assert len(field["description"]) < 300, name


def test_nothing_is_described_that_there_is_not() -> None:
    for model, words in descriptions.DESCRIPTIONS.items():
        assert set(words) <= {info.alias or name for name, info in model.model_fields.items()}, model


# ---------------------------------------------------------------------------- what CEL says


def messages(kind: str) -> set[str]:
    return {each["message"] for part in nodes(schema(kind)) for each in part.get("x-kubernetes-validations", ())}


def problems_of(short: str) -> dict[str, str]:
    """Return by field why admission refuses a document."""
    found = documents.parsed(written.document(yaml.safe_load(short)))
    assert found.resource is not None
    return {problem.field: f"{problem.fault}; {problem.remedy}" for problem in rules.refusals(found.resource)}


@pytest.mark.parametrize("one", judged.WRONG, ids=lambda one: one.words)
def test_a_definition_refuses_in_the_words_of_the_rules(one: judged.Judged) -> None:
    assert problems_of(one.short)[one.field] == one.words
    assert one.words in messages(one.short.partition(":")[0])


@pytest.mark.parametrize("one", judged.SIMILAR, ids=lambda one: one.words)
def test_where_cel_cannot_say_the_numbers_the_remedy_is_that_of_the_rules(one: judged.Judged) -> None:
    remedy = one.words.partition("; ")[2]
    assert any(words.endswith(remedy) for words in problems_of(one.short).values())
    assert one.words in messages(one.short.partition(":")[0])


def test_what_is_fixed_at_creation_is_fixed_by_the_definition() -> None:
    fixed = {
        kind: [each["fieldPath"] for each in schema(kind)["properties"]["spec"].get("x-kubernetes-validations", ())
               if each["message"] == judged.FIXED]
        for kind in resources.KINDS
    }  # fmt: skip
    assert fixed == {
        "Mesh": [".certificateAuthorities"],
        "VirtualService": [".mesh", ".name"],
        "VirtualDeployment": [".virtualService", ".name"],
        "VirtualServiceRouteTable": [".virtualService", ".name"],
        "VirtualDeploymentBinding": [],
        "AccessPolicy": [".mesh", ".name"],
        "IngressGateway": [".mesh", ".name"],
        "IngressGatewayDeployment": [".ingressGateway"],
        "IngressGatewayRouteTable": [".ingressGateway", ".name"],
    }


def test_every_reference_is_held_to_exactly_one_of_two() -> None:
    for kind in resources.KINDS:
        for part in nodes(schema(kind)):
            if set(part.get("properties", ())) == {"ref", "id"}:
                assert len(part["x-kubernetes-validations"]) == 2


def test_a_constraint_that_says_nothing_of_a_place_has_none() -> None:
    assert constraints.of_object()[0].document().keys() == {"rule", "message"}
