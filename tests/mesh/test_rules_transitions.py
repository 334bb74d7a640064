"""What stays as it was created."""

from typing import Any

import pytest
import yaml

from mesh import rules
from mesh.documents import parsed
from mesh.resources import Resource

TABLE = "routeRules: [{tcpRoute: {destinations: [{TARGET: {id: a}, weight: 1}]}}]"
SPECS = {
    "Mesh": ("certificateAuthorities", "certificateAuthorities: [{id: ID}]"),
    "VirtualService": ("mesh", "mesh: {id: ID}"),
    "VirtualDeployment": ("virtualService", "virtualService: {id: ID}"),
    "VirtualServiceRouteTable": (
        "virtualService",
        f"virtualService: {{id: ID}}, {TABLE.replace('TARGET', 'virtualDeployment')}",
    ),
    "AccessPolicy": (
        "mesh",
        "mesh: {id: ID}, rules: [{action: ALLOW, source: {allVirtualServices: {}}, destination: {}}]",
    ),
    "IngressGateway": ("mesh", "mesh: {id: ID}, hosts: [{name: a, listeners: [{protocol: TCP, port: 5000}]}]"),
    "IngressGatewayRouteTable": (
        "ingressGateway",
        f"ingressGateway: {{id: ID}}, {TABLE.replace('TARGET', 'virtualService')}",
    ),
    "IngressGatewayDeployment": (
        "ingressGateway",
        "ingressGateway: {id: ID}, deployment: {autoscaling: {minPods: 1, maxPods: 1}}, ports: []",
    ),
    "VirtualDeploymentBinding": (
        "virtualDeployment",
        "virtualDeployment: {id: ID}, target: {service: {ref: {name: a}}}",
    ),
}
NAMED = sorted(set(SPECS) - {"Mesh", "IngressGatewayDeployment", "VirtualDeploymentBinding"})
PARENTED = sorted(set(SPECS) - {"Mesh", "VirtualDeploymentBinding"})
WORDS = "cannot be changed after creation; set it back, or create a new object under another name"


def version(kind: str, spec: str | None) -> Resource:
    document: dict[str, Any] = {
        "apiVersion": "servicemesh.oci.oracle.com/v1beta1",
        "kind": kind,
        "metadata": {"name": "pets", "namespace": "shop"},
    }
    if spec is not None:
        document["spec"] = yaml.safe_load(f"{{compartmentId: a, {spec}}}")
    found = parsed(document).resource
    assert found is not None
    return found


def told(kind: str, old: str | None, new: str | None) -> list[str]:
    problems = rules.transition_problems(version(kind, old), version(kind, new))
    return [f"{problem.severity_name}: {problem}" for problem in problems]


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_nothing_is_said_about_an_object_that_stays_as_it_was(kind: str) -> None:
    assert told(kind, SPECS[kind][1], SPECS[kind][1]) == []


@pytest.mark.parametrize("kind", PARENTED)
def test_2_3_4_the_parent_of_an_object_is_fixed(kind: str) -> None:
    field, spec = SPECS[kind]
    assert told(kind, spec, spec.replace("ID", "other")) == [f"error: {kind} shop/pets spec.{field}: {WORDS}"]


def test_2_3_4_a_reference_does_not_change_between_ref_and_id() -> None:
    assert told("VirtualService", "mesh: {id: a}", "mesh: {ref: {name: a}}") == [
        f"error: VirtualService shop/pets spec.mesh: {WORDS}"
    ]


def test_2_3_4_writing_out_the_own_namespace_is_no_change() -> None:
    assert told("VirtualService", "mesh: {ref: {name: a}}", "mesh: {ref: {name: a, namespace: shop}}") == []
    assert told("VirtualService", "mesh: {ref: {name: a}}", "mesh: {ref: {name: a, namespace: zoo}}") != []


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize(("old", "new"), [("", ", name: a"), (", name: a", ""), (", name: a", ", name: b")])
def test_2_3_5_the_name_of_an_object_is_fixed(kind: str, old: str, new: str) -> None:
    spec = SPECS[kind][1]
    assert told(kind, spec + old, spec + new) == [f"error: {kind} shop/pets spec.name: {WORDS}"]


def test_2_4_1_the_authority_of_a_mesh_is_fixed() -> None:
    field, spec = SPECS["Mesh"]
    assert told("Mesh", spec, spec.replace("ID", "other")) == [f"error: Mesh shop/pets spec.{field}: {WORDS}"]


def test_a_binding_may_move_to_another_deployment() -> None:
    spec = SPECS["VirtualDeploymentBinding"][1]
    assert told("VirtualDeploymentBinding", spec, spec.replace("ID", "other")) == []


def test_everything_else_may_change() -> None:
    assert told("Mesh", SPECS["Mesh"][1], f"{SPECS['Mesh'][1]}, displayName: b, mtls: {{minimum: STRICT}}") == []
    assert told("VirtualService", "mesh: {id: a}, hosts: [a]", "mesh: {id: a}, hosts: [], description: b") == []


def test_an_object_that_had_no_spec_may_be_given_one() -> None:
    assert told("VirtualService", None, "mesh: {id: a}, name: b") == []
    assert told("VirtualService", "mesh: {id: a}, name: b", None) == []


def test_nothing_is_asked_of_the_state_of_the_old_object() -> None:
    old = version("VirtualService", "mesh: {id: a}")
    condition = {"type": "ServiceMeshDependenciesActive", "status": "Unknown"}
    pending = old.model_copy(update={"status": {"conditions": [condition]}})
    assert rules.transition_problems(pending, version("VirtualService", "mesh: {id: a}, hosts: [a]")) == ()


def test_two_objects_of_different_kinds_are_not_compared() -> None:
    old, new = version("VirtualService", "mesh: {id: a}"), version("Mesh", SPECS["Mesh"][1])
    assert rules.transition_problems(old, new) == ()
