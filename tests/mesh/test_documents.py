"""A document becomes a resource, or words that say why not."""

from typing import Any

import pytest
import yaml

from mesh import documents, resources, rules, workloads
from mesh.documents import parsed
from mesh.problems import Ref, Severity

VERSION = "servicemesh.oci.oracle.com/v1beta1"
NINE = (
    "Mesh, VirtualService, VirtualDeployment, VirtualServiceRouteTable, VirtualDeploymentBinding, AccessPolicy, "
    "IngressGateway, IngressGatewayDeployment, IngressGatewayRouteTable"
)


def document(kind: str, spec: str, name: str = "thing", version: str = VERSION) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": yaml.safe_load(spec)}


def told(written: Any, source: Ref | None = None) -> list[str]:
    return [f"{problem.severity_name}: {problem}" for problem in parsed(written, source).problems]


MESH = "{compartmentId: any, certificateAuthorities: [{id: ca}]}"
SERVICE = "compartmentId: any, mesh: {ref: {name: main}}"


# ---------------------------------------------------------------------------- what is read


def test_a_correct_document_is_a_resource_without_problems() -> None:
    found = parsed(document("Mesh", MESH))
    assert isinstance(found.resource, resources.Mesh)
    assert found.resource.ref == Ref("Mesh", "default", "thing")
    assert found.problems == ()


def test_an_object_without_spec_is_read_as_the_api_server_would() -> None:
    found = parsed({"apiVersion": VERSION, "kind": "Mesh", "metadata": {"name": "main", "namespace": "shop"}})
    assert found.resource is not None
    assert found.resource.ref == Ref("Mesh", "shop", "main")
    assert found.problems == ()


@pytest.mark.parametrize("namespace", [None, ""])
def test_an_empty_namespace_is_the_default_one(namespace: str | None) -> None:
    written = {"apiVersion": VERSION, "kind": "Mesh", "metadata": {"name": "main", "namespace": namespace}}
    found = parsed(written)
    assert found.resource is not None
    assert found.resource.ref == Ref("Mesh", "default", "main")


def test_a_namespace_has_no_namespace() -> None:
    found = parsed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    assert found.resource is not None
    assert found.resource.ref == Ref("Namespace", "", "shop")


def test_an_absent_uid_is_empty() -> None:
    found = parsed(document("Mesh", MESH))
    assert found.resource is not None
    assert found.resource.metadata.uid == ""


def test_fields_that_are_null_are_absent() -> None:
    found = parsed(document("VirtualService", f"{{{SERVICE}, hosts: null, mtls: null}}"))
    assert isinstance(found.resource, resources.VirtualService)
    assert found.problems == ()


def test_an_endpoint_slice_as_go_writes_it_is_read() -> None:
    written = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "pets-x", "creationTimestamp": None, "managedFields": [{"manager": "m"}]},
        "addressType": "IPv4",
        "endpoints": None,
        "ports": None,
    }
    found = parsed(written)
    assert isinstance(found.resource, workloads.EndpointSlice)
    assert found.problems == ()


def test_workloads_may_have_fields_that_have_no_meaning_here() -> None:
    spec = "{containers: [{name: app, image: app}], clusterIP: 10.0.0.1, selector: {app: pets}}"
    for kind in ("Service", "Pod"):
        assert told(document(kind, spec, version="v1")) == []


def test_metadata_that_kubernetes_adds_is_passed_over() -> None:
    written = document("Mesh", MESH)
    added = {"managedFields": [], "generateName": "x", "selfLink": "", "deletionGracePeriodSeconds": 0}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u", "blockOwnerDeletion": True}
    written["metadata"] = {**written["metadata"], **added, "ownerReferences": [owner]}
    assert told(written) == []


def test_the_copy_that_kubectl_keeps_of_an_object_is_dropped() -> None:
    written = document("Mesh", MESH)
    written["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "note": "kept",
    }
    found = parsed(written)
    assert found.resource is not None
    assert found.resource.metadata.annotations == {"note": "kept"}


def test_a_document_is_not_changed_by_reading_it() -> None:
    written = document("VirtualService", f"{{{SERVICE}, defaultRoutingPolicy: {{type: ROUND ROBIN}}, hosts: null}}")
    before = yaml.safe_dump(written)
    parsed(written)
    assert yaml.safe_dump(written) == before


def test_snake_case_is_not_a_second_spelling() -> None:
    found = told(document("Mesh", "{compartment_id: any, certificateAuthorities: [{id: ca}]}"))
    assert found == [
        "error: Mesh default/thing spec.compartmentId: is missing; add it; meshloom asks for it as the original API "
        "does but does not use it, so any text will do",
        "warning: Mesh default/thing spec.compartment_id: is not a field of this API and is ignored; "
        "did you mean compartmentId?",
    ]


@pytest.mark.parametrize("written", ["ROUND_ROBIN", "ROUND ROBIN"])
def test_round_robin_is_read_as_uniform(written: str) -> None:
    found = parsed(document("VirtualService", f"{{{SERVICE}, defaultRoutingPolicy: {{type: {written}}}}}"))
    assert isinstance(found.resource, resources.VirtualService)
    assert found.resource.spec is not None
    assert found.resource.spec.default_routing_policy is not None
    assert found.resource.spec.default_routing_policy.type is resources.RoutingPolicyType.UNIFORM
    assert [f"{problem}" for problem in found.problems] == [
        f"VirtualService default/thing spec.defaultRoutingPolicy.type: '{written}' is read as UNIFORM; "
        "write UNIFORM: a cluster accepts nothing else"
    ]
    assert found.problems[0].severity is Severity.WARNING
    assert not documents.has_errors(found)
    assert documents.has_errors(parsed({}))


def test_a_list_of_objects_is_taken_apart() -> None:
    mesh = document("Mesh", MESH)
    assert documents.members({"apiVersion": "v1", "kind": "List", "items": [mesh, 1]}) == (mesh, 1)
    assert documents.members({"kind": "MeshList", "items": [mesh]}) == (mesh,)
    assert documents.members(mesh) == (mesh,)
    assert documents.members(None) == (None,)


# ---------------------------------------------------------------------------- which kind


def test_a_kind_of_another_program_is_passed_over_with_a_warning() -> None:
    written = document("ConfigMap", "{}", version="v1")
    assert parsed(written).resource is None
    assert told(written) == [
        "warning: ConfigMap default/thing kind: 'ConfigMap' of 'v1' is not a kind that meshloom reads; "
        "leave it to the program that reads it"
    ]


def test_a_kind_of_the_same_name_in_another_group_is_passed_over_with_a_warning() -> None:
    assert told(document("VirtualService", "{}", version="networking.istio.io/v1")) == [
        "warning: VirtualService default/thing kind: 'VirtualService' of 'networking.istio.io/v1' is not a kind that "
        "meshloom reads; write servicemesh.oci.oracle.com/v1beta1 if the kind that meshloom reads is meant"
    ]
    assert told(document("EndpointSlice", "{}", version="discovery.k8s.io/v1beta1")) == [
        "warning: EndpointSlice default/thing kind: 'EndpointSlice' of 'discovery.k8s.io/v1beta1' is not a kind that "
        "meshloom reads; write discovery.k8s.io/v1 if the kind that meshloom reads is meant"
    ]


def test_an_unknown_kind_of_the_group_is_an_error_that_lists_the_nine() -> None:
    assert told(document("VirtualServices", MESH)) == [
        "error: VirtualServices default/thing kind: 'VirtualServices' is not a kind of servicemesh.oci.oracle.com; "
        f"did you mean VirtualService? write one of {NINE}"
    ]
    assert told(document("Banana", MESH)) == [
        f"error: Banana default/thing kind: 'Banana' is not a kind of servicemesh.oci.oracle.com; write one of {NINE}"
    ]


def test_another_version_of_the_group_is_an_error() -> None:
    assert told(document("Mesh", MESH, version="servicemesh.oci.oracle.com/v1")) == [
        "error: Mesh default/thing apiVersion: 'servicemesh.oci.oracle.com/v1' is not a version of "
        "servicemesh.oci.oracle.com; write servicemesh.oci.oracle.com/v1beta1"
    ]


@pytest.mark.parametrize("version", ["servicemesh.oci.oracle.cmo/v1beta1", "v1beta1"])
def test_a_misspelt_group_is_an_error(version: str) -> None:
    assert told(document("Mesh", MESH, version=version)) == [
        f"error: Mesh default/thing apiVersion: '{version}' has no kind Mesh; write servicemesh.oci.oracle.com/v1beta1"
    ]


# ---------------------------------------------------------------------------- which object


def test_what_is_missing_of_the_address_is_told_of_the_source() -> None:
    source = Ref("File", "", "shop/mesh.yaml:12")
    assert told({}, source) == [
        "error: File shop/mesh.yaml:12 apiVersion: is missing; write servicemesh.oci.oracle.com/v1beta1",
        "error: File shop/mesh.yaml:12 kind: is missing; write a kind such as Mesh or VirtualService",
        "error: File shop/mesh.yaml:12 metadata.name: is missing; give the object a name",
    ]


def test_without_a_source_the_subject_is_what_can_be_guessed() -> None:
    assert told({"kind": "Mesh", "metadata": {"name": "main", "namespace": "shop"}}) == [
        "error: Mesh shop/main apiVersion: is missing; write servicemesh.oci.oracle.com/v1beta1"
    ]
    assert told({"apiVersion": VERSION, "kind": "Mesh"}) == [
        "error: Mesh default/(unnamed) metadata.name: is missing; give the object a name"
    ]


@pytest.mark.parametrize(
    ("written", "what"),
    [(None, "empty"), ("text", "text"), ([], "a list"), (5, "a whole number"), (True, "true or false")],
)
def test_what_is_no_object_is_told_so(written: Any, what: str) -> None:
    assert told(written, Ref("File", "", "mesh.yaml:1")) == [
        f"error: File mesh.yaml:1: is {what}, not a Kubernetes object; write apiVersion, kind, metadata and spec"
    ]


def test_the_address_is_text() -> None:
    assert told({"apiVersion": 1, "kind": ["Mesh"], "metadata": {"name": 5}}) == [
        "error: Object default/(unnamed) apiVersion: is a whole number, not text; "
        "write servicemesh.oci.oracle.com/v1beta1",
        "error: Object default/(unnamed) kind: is a list, not text; write a kind such as Mesh or VirtualService",
        "error: Object default/(unnamed) metadata.name: is a whole number, not text; give the object a name",
    ]
    assert told({"apiVersion": VERSION, "kind": "Mesh", "metadata": "main"}) == [
        "error: Mesh default/(unnamed) metadata: is text, not a set of fields; write `name: value` lines under it"
    ]


@pytest.mark.parametrize("name", ["Pets", "pets_1", "-pets", "pets.", "a" * 254, "pets\n"])
def test_a_name_that_the_api_server_would_refuse_is_refused(name: str) -> None:
    found = parsed(document("Mesh", MESH, name))
    assert found.resource is None
    assert [problem.field for problem in found.problems] == ["metadata.name"]


def test_the_words_about_a_bad_name_and_namespace() -> None:
    written = {**document("Mesh", MESH), "metadata": {"name": "Pets", "namespace": "my.shop"}}
    assert told(written) == [
        "error: Mesh my.shop/Pets metadata.name: 'Pets' cannot be the name of an object; use lower-case letters, "
        "digits, `-` and `.`, beginning and ending with a letter or digit, at most 253",
        "error: Mesh my.shop/Pets metadata.namespace: 'my.shop' cannot be the name of a namespace; use lower-case "
        "letters, digits and `-`, beginning and ending with a letter or digit, at most 63",
    ]


def test_a_monstrous_name_is_shortened_in_the_words_about_it() -> None:
    assert all(len(line) < 400 for line in told(document("Mesh", MESH, "x\n" * 100_000)))


def test_a_subject_prints_in_one_line() -> None:
    assert all("\n" not in line for line in told(document("Mesh", MESH, "a\nb")))


# ---------------------------------------------------------------------------- the form of fields


@pytest.mark.parametrize(
    ("kind", "spec", "line"),
    [
        ("Mesh", "5", "spec: is a whole number, not a set of fields; write `name: value` lines under it"),
        (
            "Mesh",
            "{compartmentId: any}",
            "spec.certificateAuthorities: is missing; add a list of one item, as `- id: my-ca`; "
            "meshloom maps the id to an authority",
        ),
        (
            "Mesh",
            "{compartmentId: any, certificateAuthorities: []}",
            "spec.certificateAuthorities: has 0 items; list at least 1",
        ),
        (
            "Mesh",
            "{compartmentId: any, certificateAuthorities: [{id: a}, {id: b}]}",
            "spec.certificateAuthorities: has 2 items; list at most 1",
        ),
        (
            "Mesh",
            "{compartmentId: any, certificateAuthorities: ca}",
            "spec.certificateAuthorities: is text, not a list; write each item on a line of its own after `- `",
        ),
        (
            "Mesh",
            "{compartmentId: 5, certificateAuthorities: [{id: ca}]}",
            "spec.compartmentId: is a whole number, not text; put it in quotes",
        ),
        (
            "Mesh",
            "{compartmentId: [a], certificateAuthorities: [{id: ca}]}",
            "spec.compartmentId: is a list, not text; write text",
        ),
        (
            "Mesh",
            '{compartmentId: "", certificateAuthorities: [{id: ca}]}',
            "spec.compartmentId: is empty; write at least one character",
        ),
        (
            "Mesh",
            f"{{compartmentId: any, description: {'x' * 401}, certificateAuthorities: [{{id: ca}}]}}",
            "spec.description: has 401 characters; shorten it to 400 or fewer",
        ),
        (
            "Mesh",
            "{compartmentId: any, certificateAuthorities: [{id: ca}], mtls: {minimum: strict}}",
            "spec.mtls.minimum: is 'strict', which has no meaning here; "
            "did you mean STRICT? write one of DISABLED, PERMISSIVE, STRICT",
        ),
        (
            "Mesh",
            "{compartmentId: any, certificateAuthorities: [{id: ca}], mtls: {}}",
            "spec.mtls.minimum: is missing; add it",
        ),
        (
            "VirtualDeployment",
            "{compartmentId: a, virtualService: {id: a}, listener: [{protocol: HTTP, port: '80'}]}",
            "spec.listener[0].port: is text, not a whole number; remove the quotes",
        ),
        (
            "VirtualDeployment",
            "{compartmentId: a, virtualService: {id: a}, listener: [{protocol: HTTP, port: true}]}",
            "spec.listener[0].port: is true or false, not a whole number; write a whole number",
        ),
        (
            "VirtualDeployment",
            "{compartmentId: a, virtualService: {id: a}, listener: [{protocol: HTTP, port: 70000}]}",
            "spec.listener[0].port: is 70000, above the maximum 65535; lower it",
        ),
        (
            "VirtualDeployment",
            "{compartmentId: a, virtualService: {id: a}, listener: [{protocol: HTTP, port: 80, idleTimeoutInMs: -1}]}",
            "spec.listener[0].idleTimeoutInMs: is -1, below the minimum 0; raise it",
        ),
        (
            "VirtualDeployment",
            "{compartmentId: a, virtualService: {id: a}, accessLogging: {isEnabled: 'yes'}}",
            "spec.accessLogging.isEnabled: is text, not true or false; write true or false, without quotes",
        ),
        (
            "VirtualServiceRouteTable",
            "{compartmentId: a, virtualService: {id: a}, routeRules: [{httpRoute: {destinations: "
            "[{virtualDeployment: {id: a}, weight: 1}, {virtualDeployment: {id: b}}]}}]}",
            "spec.routeRules[0].httpRoute.destinations[1].weight: is missing; "
            "add a whole number from 0 to 100, the share of the traffic",
        ),
        (
            "AccessPolicy",
            "{compartmentId: a, mesh: {id: a}, rules: [{action: DENY, source: {}, destination: {}}]}",
            "spec.rules[0].action: is 'DENY', which has no meaning here; write ALLOW",
        ),
        (
            "VirtualDeploymentBinding",
            "{virtualDeployment: {id: a}, target: {service: {ref: {name: a}}}, resources: {limits: {cpu: lots}}}",
            "spec.resources.limits.cpu: is 'lots', not a quantity; write an amount such as 100m, 0.5 or 128Mi",
        ),
    ],
)
def test_a_fault_of_form_is_told_in_plain_words(kind: str, spec: str, line: str) -> None:
    assert parsed(document(kind, spec)).resource is None
    assert told(document(kind, spec)) == [f"error: {kind} default/thing {line}"]


def test_a_date_that_is_none_is_told_so() -> None:
    written = document("Mesh", MESH)
    written["metadata"]["creationTimestamp"] = "yesterday"
    assert told(written) == [
        "error: Mesh default/thing metadata.creationTimestamp: is not a point in time; "
        "write it as 2030-01-31T12:00:00Z, or leave it out"
    ]


def test_broken_unicode_is_told_so_in_printable_words() -> None:
    written = {**document("Mesh", MESH), "spec": {"compartmentId": "\ud800", "certificateAuthorities": [{"id": "a"}]}}
    (line,) = told(written)
    assert line.encode() == (
        b"error: Mesh default/thing spec.compartmentId: contains a character that is not valid Unicode; "
        b"write it anew in UTF-8"
    )


def test_a_label_key_that_is_no_text_is_told_of_its_place() -> None:
    written = document("Mesh", "{compartmentId: a, certificateAuthorities: [{id: a}], freeformTags: {1: a}}")
    assert told(written) == [
        "error: Mesh default/thing spec.freeformTags[1]: is a whole number, not text; put it in quotes"
    ]


def test_several_faults_are_told_at_once_and_each_place_once() -> None:
    written = document("VirtualDeployment", "{virtualService: 1, listener: [{port: 0}], name: ''}")
    fields = [problem.field for problem in parsed(written).problems]
    expected = {"compartmentId", "virtualService", "listener[0].port", "listener[0].protocol", "name"}
    assert sorted(fields) == sorted(f"spec.{field}" for field in expected)


@pytest.mark.parametrize("amount", ["100m", "128Mi", "1e3", "0.5", ".5", "2", 1, 0.5, "1E", "100k", "-1"])
def test_amounts_that_kubernetes_reads_are_read(amount: object) -> None:
    assert resources.ResourceRequirements.model_validate({"limits": {"cpu": amount}}).limits == {"cpu": amount}


# ---------------------------------------------------------------------------- fields that the API does not have


@pytest.mark.parametrize(
    ("kind", "spec", "line"),
    [
        ("Mesh", f"{MESH[:-1]}, name: x}}", "spec.name: {}; rename it to displayName: a Mesh has no spec.name"),
        (
            "Mesh",
            f"{MESH[:-1]}, mtls: {{minimum: STRICT, mode: STRICT}}}}",
            "spec.mtls.mode: {}; rename it to minimum: a Mesh sets the lowest mode, a VirtualService its mode",
        ),
        (
            "VirtualService",
            f"{{{SERVICE}, mtls: {{mode: STRICT, minimum: STRICT}}}}",
            "spec.mtls.minimum: {}; rename it to mode: a VirtualService sets its mode, a Mesh the lowest mode",
        ),
        (
            "VirtualDeployment",
            "{compartmentId: a, virtualService: {id: a}, listeners: [{protocol: HTTP, port: 80}]}",
            "spec.listeners: {}; rename it to listener: this list has a singular name",
        ),
        (
            "VirtualDeployment",
            "{compartmentId: a, virtualService: {id: a}, hostname: pets}",
            "spec.hostname: {}; move it under serviceDiscovery, beside `type: DNS`",
        ),
        (
            "AccessPolicy",
            "{compartmentId: a, mesh: {id: a}, rules: [{action: ALLOW, source: {allVirtualServices: {}}, "
            "destination: {type: {allVirtualServices: {}}}}]}",
            "spec.rules[0].destination.type: {}; "
            "remove this level: write allVirtualServices: {{}} or virtualService in its place",
        ),
        (
            "VirtualServiceRouteTable",
            "{compartmentId: a, virtualService: {id: a}, routeRules: [{httpRoute: {destinations: "
            "[{virtualDeployment: {ref: {nmae: b, name: a}}, weight: 100}]}}]}",
            "spec.routeRules[0].httpRoute.destinations[0].virtualDeployment.ref.nmae: {}; did you mean name?",
        ),
        (
            "VirtualDeploymentBinding",
            "{virtualDeployment: {id: a}, target: {service: {ref: {name: a}}}, colour: red}",
            "spec.colour: {}; remove it, or use one of virtualDeployment, target, resources, "
            "mountCertificateChainFromHost, podUpgradeEnabled",
        ),
        (
            "AccessPolicy",
            "{compartmentId: a, mesh: {id: a}, rules: [{action: ALLOW, source: {allVirtualServices: {x: 1}}, "
            "destination: {allVirtualServices: {}}}]}",
            "spec.rules[0].source.allVirtualServices.x: {}; remove it: this object has no fields",
        ),
    ],
)
def test_a_field_that_the_api_drops_is_told_with_a_remedy(kind: str, spec: str, line: str) -> None:
    found = parsed(document(kind, spec))
    assert found.resource is not None
    words = line.format("is not a field of this API and is ignored")
    assert told(document(kind, spec)) == [f"warning: {kind} default/thing {words}"]


DEPLOYMENT = "ingressGateway: {id: a}, deployment: {autoscaling: {minPods: 1, maxPods: 1}}"


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (
            "ports: [{port: 80, servicePort: 80}]",
            "spec.ports[0].servicePort: {}; rename it to serviceport, all in lower case",
        ),
        ("ports: [], port: []", "spec.port: {}; rename it to ports"),
        ("ports: [], secrect: []", "spec.secrect: {}; rename it to secrets"),
        (
            "ports: [], secrets: [{secretName: a, secrectName: a}]",
            "spec.secrets[0].secrectName: {}; rename it to secretName",
        ),
        (
            "ports: [], service: {type: NodePort, annotation: {}}",
            "spec.service.annotation: {}; rename it to annotations",
        ),
    ],
)
def test_what_the_original_documents_misspell_is_told_with_the_right_name(spec: str, line: str) -> None:
    words = line.format("is not a field of this API and is ignored")
    written = document("IngressGatewayDeployment", f"{{{DEPLOYMENT}, {spec}}}")
    assert told(written) == [f"warning: IngressGatewayDeployment default/thing {words}"]


def test_a_field_beside_spec_is_told_to_move_under_it() -> None:
    assert told({**document("VirtualService", f"{{{SERVICE}}}"), "hosts": ["pets"]}) == [
        "warning: VirtualService default/thing hosts: is not a field of this API and is ignored; move it under spec"
    ]


def test_misspelt_metadata_is_told() -> None:
    written = document("Mesh", MESH)
    written["metadata"]["lables"] = {}
    assert told(written) == [
        "warning: Mesh default/thing metadata.lables: is not a field of this API and is ignored; did you mean labels?"
    ]


def test_free_maps_may_hold_anything() -> None:
    written = document("VirtualDeploymentBinding", "{virtualDeployment: {id: a}, target: {service: {ref: {name: a}}}}")
    written["spec"]["resources"] = {"limits": {"example.com/gpu": 1}}
    written["spec"]["target"]["service"]["matchLabels"] = {"any.thing/x": "y"}
    written["metadata"] = {**written["metadata"], "labels": {"spce": "x"}, "annotations": {"hosts": "x"}}
    written["status"] = {"conditions": [{"any": "thing"}]}
    assert told(written) == []


def test_pod_upgrades_may_be_turned_off() -> None:
    spec = "{virtualDeployment: {id: a}, target: {service: {ref: {name: a}}}, podUpgradeEnabled: false}"
    found = parsed(document("VirtualDeploymentBinding", spec))
    assert isinstance(found.resource, resources.VirtualDeploymentBinding)
    assert found.resource.spec is not None
    assert found.resource.spec.pod_upgrade_enabled is False
    assert found.problems == ()


def test_a_key_with_unusual_letters_is_quoted_in_the_path() -> None:
    written = document("Mesh", MESH)
    written["spec"]["a b\n"] = 1
    (line,) = told(written)
    assert line.startswith("warning: Mesh default/thing spec['a b\\n']: is not a field")


# ---------------------------------------------------------------------------- Secrets


def secret(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, **more}


def test_text_of_string_data_is_kept_as_base64_over_data() -> None:
    written = secret(data={"tls.crt": "b2xk", "ca.crt": "Y2E="}, stringData={"tls.crt": "new", "tls.key": "key"})
    found = parsed(written).resource
    assert isinstance(found, workloads.Secret)
    values = {key: value.get_secret_value() for key, value in found.data.items()}
    assert values == {"tls.crt": "bmV3", "ca.crt": "Y2E=", "tls.key": "a2V5"}


def test_string_data_alone_is_enough() -> None:
    found = parsed(secret(data=None, stringData={"a": "é"})).resource
    assert isinstance(found, workloads.Secret)
    assert found.data["a"].get_secret_value() == "w6k="


def test_base64_may_be_broken_into_lines() -> None:
    assert told(secret(data={"a": "YWJj\nZGVm\n"})) == []


def test_values_of_a_secret_that_cannot_be_read_are_told_without_showing_them() -> None:
    written = secret(data={"tls.key": "hush!", "number": 4711}, stringData={"port": 4711})
    assert parsed(written).resource is None
    assert told(written) == [
        "error: Secret default/tls data.number: is a whole number, not text; put it in quotes",
        "error: Secret default/tls stringData.port: is not text; put it in quotes",
        "error: Secret default/tls data['tls.key']: is not base64; encode it, or move it to stringData as plain text",
    ]
    assert told(secret(stringData="hush")) == [
        "error: Secret default/tls stringData: is text, not a set of fields; write `name: value` lines under it"
    ]


@pytest.mark.parametrize(
    "written",
    [
        secret(data={"a": "HUSHhush"}),
        secret(data={"a": "HUSHhush!"}),
        secret(data={"a": ["HUSHhush"]}),
        secret(data="HUSHhush"),
        secret(data=["HUSHhush"]),
        secret(stringData={"a": "HUSHhush"}),
        secret(stringData={"a": {"HUSHhush": "HUSHhush"}}),
        secret(stringData=["HUSHhush"]),
        secret(type="HUSHhush", data={"a": "HUSHhush"}),
        {**secret(), "metadata": {"name": "tls", "annotations": {documents._LAST_APPLIED: "HUSHhush"}}},
    ],
)
def test_the_content_of_a_secret_shows_neither_in_the_resource_nor_in_the_problems(written: Any) -> None:
    found = parsed(written)
    shown = (repr(found), str(found), repr(found.resource), str(found.resource), *map(str, found.problems))
    assert all("HUSH" not in text for text in shown)
    metadata = found.resource.metadata if found.resource else None
    assert "HUSH" not in f"{metadata} {metadata!r}"


# ---------------------------------------------------------------------------- very many faults


def test_of_very_many_problems_of_one_sort_the_first_are_told_and_the_rest_is_counted() -> None:
    spec = {"compartmentId": "a", "mesh": {"id": "a"}, **{f"f{number}": 1 for number in range(250)}}
    head = {"apiVersion": "servicemesh.oci.oracle.com/v1beta1", "kind": "VirtualService", "metadata": {"name": "a"}}
    told = parsed({**head, "spec": spec}).problems
    assert [problem.field for problem in told[:100]] == [f"spec.f{number}" for number in range(100)]
    assert [(problem.severity_name, str(problem)) for problem in told[100:]] == [
        (
            "warning",
            "VirtualService default/a: has 150 more problems of the same sort as 100 that are listed; mend those first",
        )
    ]
    wrong = parsed({**head, "spec": {**spec, "hosts": [1] * 250}}).problems
    (counted,) = (problem for problem in wrong if "150 more" in problem.fault and problem.severity_name == "error")
    assert counted.subject.name == "a"


def test_an_error_among_the_problems_that_are_only_counted_makes_them_an_error() -> None:
    hosts = [*(f"H{number}" for number in range(100)), "a b"]
    head = {"apiVersion": "servicemesh.oci.oracle.com/v1beta1", "kind": "VirtualService", "metadata": {"name": "a"}}
    resource = parsed({**head, "spec": {"compartmentId": "a", "mesh": {"id": "a"}, "hosts": hosts}}).resource
    assert resource is not None
    assert [problem.severity_name for problem in rules.object_problems(resource)] == [*["warning"] * 100, "error"]
