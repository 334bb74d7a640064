"""Rules that hold for several kinds: names, references, a missing spec."""

from typing import Any

import pytest
import yaml

from mesh import resources, rules
from mesh.documents import parsed

VERSION = "servicemesh.oci.oracle.com/v1beta1"
SPECS = {
    "Mesh": "{compartmentId: a, certificateAuthorities: [{id: ca}]}",
    "VirtualService": "{compartmentId: a, mesh: REF}",
    "VirtualDeployment": "{compartmentId: a, virtualService: REF}",
    "VirtualServiceRouteTable": "{compartmentId: a, virtualService: REF, routeRules: [{tcpRoute: "
    "{destinations: [{virtualDeployment: {id: a}, weight: 100}]}}]}",
    "AccessPolicy": "{compartmentId: a, mesh: REF, rules: [{action: ALLOW, source: {allVirtualServices: {}}, "
    "destination: {allVirtualServices: {}}}]}",
    "IngressGateway": "{compartmentId: a, mesh: REF, hosts: [{name: a, listeners: [{protocol: TCP, port: 5000}]}]}",
    "IngressGatewayRouteTable": "{compartmentId: a, ingressGateway: REF, routeRules: [{tcpRoute: "
    "{destinations: [{virtualService: {id: a}}]}}]}",
    "VirtualDeploymentBinding": "{virtualDeployment: REF, target: {service: {ref: {name: a}}}}",
    "IngressGatewayDeployment": "{ingressGateway: REF, deployment: {autoscaling: {minPods: 1, maxPods: 1}}, "
    "ports: [{port: 5000}]}",
}


def told(kind: str, reference: str = "{id: a}", name: str = "thing") -> list[str]:
    spec = yaml.safe_load(SPECS[kind].replace("REF", reference))
    return told_of({"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})


def told_of(document: Any) -> list[str]:
    resource = parsed(document).resource
    assert resource is not None
    return [f"{problem.severity_name}: {problem}" for problem in rules.object_problems(resource)]


def test_the_rules_cover_the_nine_kinds() -> None:
    assert set(rules.RULES) == set(resources.KINDS) == set(SPECS)


def test_other_kinds_have_no_rules() -> None:
    assert told_of({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a" * 250}, "spec": {}}) == []


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_2_3_1_a_name_has_at_most_190_characters(kind: str) -> None:
    line = "metadata.name: has 191 characters, more than the 190 allowed; shorten it"
    assert f"error: {kind} default/{'a' * 191} {line}" in told(kind, name="a" * 191)
    assert not any("190 allowed" in line for line in told(kind, name="a" * 190))


@pytest.mark.parametrize(
    ("kind", "field", "target"),
    [
        ("VirtualService", "mesh", "Mesh"),
        ("VirtualDeployment", "virtualService", "VirtualService"),
        ("VirtualServiceRouteTable", "virtualService", "VirtualService"),
        ("AccessPolicy", "mesh", "Mesh"),
        ("IngressGateway", "mesh", "Mesh"),
        ("IngressGatewayRouteTable", "ingressGateway", "IngressGateway"),
        ("VirtualDeploymentBinding", "virtualDeployment", "VirtualDeployment"),
        ("IngressGatewayDeployment", "ingressGateway", "IngressGateway"),
    ],
)
def test_2_3_2_a_reference_has_exactly_one_of_ref_and_id(kind: str, field: str, target: str) -> None:
    assert told(kind, "{ref: {name: a, namespace: default}}") == []
    assert told(kind, "{}") == [
        f"error: {kind} default/thing spec.{field}: has neither ref nor id; add ref with the name of the {target}"
    ]
    assert told(kind, "{ref: {name: a}, id: a}") == [
        f"error: {kind} default/thing spec.{field}: has ref and id at once; keep the one that names the {target}"
    ]


def test_2_3_2_references_inside_of_rules_are_judged_too() -> None:
    written = {
        "apiVersion": VERSION,
        "kind": "AccessPolicy",
        "metadata": {"name": "thing"},
        "spec": yaml.safe_load(
            "{compartmentId: a, mesh: {id: a}, rules: [{action: ALLOW, source: {ingressGateway: {}}, "
            "destination: {virtualService: {id: a, ref: {name: a}}}}]}"
        ),
    }
    assert told_of(written) == [
        "error: AccessPolicy default/thing spec.rules[0].source.ingressGateway: has neither ref nor id; "
        "add ref with the name of the IngressGateway",
        "error: AccessPolicy default/thing spec.rules[0].destination.virtualService: has ref and id at once; "
        "keep the one that names the VirtualService",
    ]


@pytest.mark.parametrize("kind", sorted(SPECS))
def test_2_3_3_an_object_has_a_spec(kind: str) -> None:
    assert told_of({"apiVersion": VERSION, "kind": kind, "metadata": {"name": "thing"}}) == [
        f"error: {kind} default/thing spec: is missing; add it; without it the object does nothing"
    ]
