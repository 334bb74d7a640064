"""What is found of the original operator, what is said of it, and what is done about it."""

import copy
from typing import Any

import pytest

from mesh.problems import Ref
from meshloom import settings
from meshloom.install import workload
from meshloom.migration import facts, report
from meshloom.migration.findings import Finding, Weight
from tests.meshloom.migration import left


def found(*documents: Any, unread: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    return report.report(facts.facts(documents, unread))


def about(findings: tuple[Finding, ...], words: str) -> Finding:
    """Return the only finding whose line holds some words."""
    (only,) = [one for one in findings if words in str(one)]
    return only


def changed(kind: str, **fields: Any) -> list[left.Document]:
    """Return the mesh with other metadata in its objects of a kind."""
    documents = copy.deepcopy(left.mesh())
    for document in documents:
        if document["kind"] == kind:
            document["metadata"].update(fields)
    return documents


ENDING = {"deletionTimestamp": "2024-01-01T00:00:00Z"}


def test_where_nothing_is_left_it_says_so() -> None:
    assert list(report.lines(found())) == ["nothing of the original operator is left"]
    assert report.is_done(found())


# ---------------------------------------------------------------------------- the operator


def test_an_operator_that_runs_comes_before_everything_else() -> None:
    findings = found(*left.mesh(), left.operator(replicas=1))
    assert findings[0].weight is Weight.BLOCKING
    assert "scale deployment oci-service-operator-controller-manager --replicas=0" in findings[0].advice


def test_an_operator_that_would_be_started_again_is_removed_with_what_starts_it() -> None:
    kept = left.operator(replicas=1)
    kept["metadata"]["labels"] = {"olm.owner": "oci-service-operator.v1.1.9"}
    (only,) = found(kept)
    assert "delete clusterserviceversion oci-service-operator.v1.1.9" in only.advice
    assert "`operator-sdk cleanup` would delete with all objects" in only.advice
    assert "scale" not in only.advice


@pytest.mark.parametrize(
    "document", [left.operator(), left.operator(1, "iad.ocir.io/oracle/oci-service-operator:2.0.0-alpha")], ids=str
)
def test_an_operator_that_is_stopped_or_has_no_mesh_does_not_stand_in_the_way(document: left.Document) -> None:
    (only,) = found(document)
    assert only.weight is Weight.KNOWN


def test_a_deployment_of_somebody_else_is_none_of_our_business() -> None:
    other = left.operator(1, "registry.example/other:1")
    other["metadata"]["name"] = "other"
    assert not found(other)


@pytest.mark.parametrize(
    ("kind", "name"), [(left.VALIDATING, left.MESH_VALIDATOR), (left.MUTATING, left.INJECTOR)], ids=str
)
def test_a_webhook_that_nobody_answers_any_more_is_removed(kind: str, name: str) -> None:
    document = left.webhooks(kind, name)
    (only,) = found(document)
    assert [(step.ref, step.patch) for step in only.steps] == [(facts.ref(document), None)]


def test_webhooks_of_others_in_the_same_configuration_stay() -> None:
    (only,) = found(left.webhooks(left.VALIDATING, left.MESH_VALIDATOR, "db.oci.oracle.com"))
    (step,) = only.steps
    assert step.patch is not None
    assert [one["name"] for one in step.patch[-1]["value"]] == ["db.oci.oracle.com"]


def test_webhooks_of_others_and_our_own_are_left_alone() -> None:
    assert not found(left.webhooks(left.VALIDATING, "admission.meshloom.dev", "db.oci.oracle.com"))


def test_a_webhook_that_is_kept_by_others_is_left_to_who_removes_these() -> None:
    (only,) = found(left.webhooks(left.VALIDATING, left.MESH_VALIDATOR, **{"olm.owner": "osok.v1.1.9"}))
    assert (only.weight, only.steps) == (Weight.OPEN, ())


def definition(name: str, schema: Any, **metadata: str) -> left.Document:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}.servicemesh.oci.oracle.com", **metadata},
        "spec": {"group": "servicemesh.oci.oracle.com", "versions": [{"schema": schema}]},
    }


def test_definitions_of_the_original_are_replaced_and_those_of_meshloom_are_not_mentioned() -> None:
    assert "replaces them in place" in about(found(definition("meshes", {})), "CustomResourceDefinitions").advice
    assert not found(definition("meshes", {"x-kubernetes-validations": []}))


def test_a_definition_that_is_being_deleted_is_the_first_thing_to_be_said() -> None:
    assert found(*left.mesh(), definition("meshes", {}, **ENDING))[0].weight is Weight.BLOCKING


def test_settings_of_the_original_are_told_where_they_are_now() -> None:
    findings = found(left.config_map())
    assert len(findings) == 2
    assert "kubernetes.injection.image" in about(findings, "SIDECAR_IMAGE").advice


def test_what_could_not_be_looked_at_is_said() -> None:
    (only,) = found(unread=("pods",))
    assert (only.weight, only.subject) == (Weight.OPEN, "pods")


# ---------------------------------------------------------------------------- the nine kinds


def test_a_reference_by_an_id_of_the_original_becomes_one_by_name() -> None:
    finding = about(found(*left.mesh()), "VirtualService shop/pets spec.mesh")
    (step,) = finding.steps
    assert step.patch == (
        {"op": "test", "path": "/spec/mesh/id", "value": "ocid1.mesh.oc1.iad.main"},
        {"op": "replace", "path": "/spec/mesh", "value": {"ref": {"name": "main", "namespace": "shop"}}},
    )


def test_a_reference_deep_inside_a_list_is_found_at_its_place() -> None:
    finding = about(found(*left.mesh()), "spec.rules[0].source.ingressGateway")
    (step,) = finding.steps
    assert step.patch is not None
    assert step.patch[0]["path"] == "/spec/rules/0/source/ingressGateway/id"


def test_an_id_that_no_object_had_is_for_somebody_to_find_out() -> None:
    finding = about(found(*left.mesh()[1:]), "VirtualService shop/pets spec.mesh")
    assert (finding.weight, finding.steps) == (Weight.OPEN, ())
    assert "no object here was called so" in finding.fact


def test_where_our_definitions_forbid_to_change_what_an_object_belongs_to_it_has_to_be_made_anew() -> None:
    findings = found(*left.mesh(), definition("meshes", {"x-kubernetes-validations": []}))
    finding = about(findings, "VirtualService shop/pets spec.mesh")
    assert (finding.weight, finding.steps) == (Weight.OPEN, ())
    assert "delete it and create it with ref" in finding.advice
    assert about(findings, "spec.rules[0].source.ingressGateway").weight is Weight.DOABLE


def test_ids_that_meshloom_issued_are_left_as_they_are() -> None:
    documents = copy.deepcopy(left.mesh())
    documents[1]["spec"]["mesh"]["id"] = "ocid1.mesh.meshloom..1234"
    assert not [one for one in found(*documents) if "called ocid1.mesh.meshloom" in str(one)]


def test_statuses_of_the_original_are_emptied_after_the_references() -> None:
    findings = found(*left.mesh())
    finding = about(findings, "Statuses")
    assert {step.subresource for step in finding.steps} == {"status"}
    assert len(finding.steps) == len(left.mesh())
    subjects = [one.subject for one in findings if one.weight is Weight.DOABLE]
    assert subjects.index("Statuses") > subjects.index("VirtualService shop/pets spec.mesh")


def test_statuses_that_meshloom_wrote_stay() -> None:
    documents = copy.deepcopy(left.mesh()[:1])
    documents[0]["status"] = {"meshId": "ocid1.mesh.meshloom..1234"}
    assert not [one for one in found(*documents) if one.subject == "Statuses"]


def test_finalizers_of_the_original_stay_where_nothing_is_deleted() -> None:
    finding = about(found(*left.mesh()), "Finalizers")
    assert (finding.weight, finding.fact) == (Weight.KNOWN, "6 carry the finalizers of the original")


def test_what_is_being_deleted_and_has_nobody_who_refers_to_it_is_released() -> None:
    finding = about(found(*changed("AccessPolicy", **ENDING)), "only the original's finalizers keep it")
    (step,) = finding.steps
    assert step.ref == Ref("AccessPolicy", "shop", "all")
    assert step.patch is not None
    assert step.patch[-1] == {"op": "replace", "path": "/metadata/finalizers", "value": []}


def test_finalizers_of_others_are_not_taken_off() -> None:
    finding = about(found(*changed("AccessPolicy", **ENDING, finalizers=[left.COMMON, "else"])), "it is released")
    assert finding.steps[0].patch is not None
    assert finding.steps[0].patch[-1]["value"] == ["else"]


def test_who_refers_to_it_by_an_id_keeps_it_as_well() -> None:
    """The id becomes a name, and the Mesh would be gone that it names."""
    main, pets, *_ = changed("Mesh", **ENDING)
    assert "VirtualService shop/pets" in about(found(main, pets), "is being deleted, and waits").fact


def test_what_is_being_deleted_and_is_referred_to_goes_on_waiting() -> None:
    finding = about(found(*changed("Mesh", **ENDING)), "is being deleted, and waits")
    assert finding.weight is Weight.KNOWN
    assert "IngressGateway shop/front" in finding.fact


def test_certificates_that_only_the_cloud_had_are_named_with_what_stands_for_them() -> None:
    documents = copy.deepcopy(left.mesh())
    tls = {"mode": "TLS", "serverCertificate": {"ociTlsCertificate": {"certificateId": "ocid1.certificate.oc1.x"}}}
    documents[3]["spec"]["hosts"][0]["listeners"][0]["tls"] = tls
    findings = found(*documents)
    assert about(findings, "certificateId: names").weight is Weight.OPEN
    assert about(findings, "ocid1.certificate.oc1.x").weight is Weight.OPEN, "it is said twice"
    assert "certificates.authorities" in about(findings, "certificateAuthorities[0].id").advice


SETTINGS = """
certificates:
  authorities: {ocid1.ca.oc1.iad.a: shop/root}
  gateway_secrets: {ocid1.certificate.oc1.x: shop/edge}
"""


def test_certificates_that_the_settings_map_are_nobodys_work_any_more() -> None:
    documents = copy.deepcopy(left.mesh())
    tls = {"mode": "TLS", "serverCertificate": {"ociTlsCertificate": {"certificateId": "ocid1.certificate.oc1.x"}}}
    documents[3]["spec"]["hosts"][0]["listeners"][0]["tls"] = tls
    installed = workload.settings_map("mesh-home", SETTINGS)
    chosen = report.report(facts.facts(documents, chosen=settings.parsed(SETTINGS, "given")))
    for findings in (found(*documents, installed), chosen):
        assert about(findings, "ocid1.certificate.oc1.x").weight is Weight.KNOWN
        assert "Secret shop/root" in about(findings, "certificateAuthorities[0].id").advice


def test_settings_that_cannot_be_read_are_for_the_control_plane_to_complain_about() -> None:
    assert not found(workload.settings_map("mesh-home", "nonsense: ["))


def test_what_check_would_say_is_said_too() -> None:
    documents = copy.deepcopy(left.mesh())
    documents[4]["spec"]["mesh"]["ref"]["name"] = "other"
    assert about(found(*documents), "Mesh shop/other does not exist").weight is Weight.OPEN


def test_what_is_wrong_only_until_ids_are_names_is_not_said() -> None:
    """The policy that lets the gateway in says so by ids."""
    table = left.written(
        "IngressGatewayRouteTable",
        "front",
        {
            "compartmentId": "c",
            "ingressGateway": {"ref": {"name": "front"}},
            "routeRules": [{"httpRoute": {"destinations": [{"virtualService": {"ref": {"name": "pets"}}}]}}],
        },
    )
    assert not [one for one in found(*left.mesh(), table) if "no access policy" in one.fact]


def test_secrets_are_judged_only_where_there_are_some() -> None:
    documents = copy.deepcopy(left.mesh())
    tls = {"mode": "TLS", "serverCertificate": {"kubeSecretTlsCertificate": {"secretName": "edge"}}}
    documents[3]["spec"]["hosts"][0]["listeners"][0]["tls"] = tls
    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "shop"}}
    assert not [one for one in found(*documents) if one.subject.endswith("secretName")]
    assert [one for one in found(*documents, other) if one.subject.endswith("secretName")]


# ---------------------------------------------------------------------------- what runs


def test_pods_with_the_proxy_of_the_original_are_counted_by_who_made_them() -> None:
    findings = found(left.pod(), left.pod("pets-7d9f-x2"), left.pod("x", "loose", "other"))
    assert [str(one) for one in findings] == [
        "Deployment shop/pets: has 2 pods with the original's proxy; once meshloom runs: "
        "kubectl -n shop rollout restart deployment pets",
        "ReplicaSet shop/loose: has 1 pod with the original's proxy; once meshloom runs, let it be made anew",
    ]


def test_pods_with_the_proxy_of_meshloom_are_not_mentioned() -> None:
    assert not found(left.pod(MESHLOOM_ADS="meshloom.meshloom-system.svc:15012"))


def test_pods_of_gateways_are_replaced_by_their_deployment() -> None:
    gateway = left.pod("front-deployment-1-a", "front-deployment-1", "1")
    assert not [one for one in found(*left.mesh(), gateway) if "original's proxy" in one.fact]


def test_objects_of_gateways_are_taken_over_or_stand_in_the_way() -> None:
    owners = [{"kind": "IngressGatewayDeployment", "name": "front", "uid": "uid-front", "controller": True}]
    mine = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "front-deployment", "namespace": "shop", "ownerReferences": owners},
    }
    other = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front-service", "namespace": "shop"}}
    findings = found(*left.mesh(), mine, other)
    assert "takes them over in place" in about(findings, "Deployment shop/front-deployment").advice
    assert about(findings, "Service shop/front-service").weight is Weight.OPEN


def test_secrets_that_were_mounted_are_served_now() -> None:
    assert "not mounted any more" in about(found(*left.mesh()), "/etc/oci/secrets").advice


def test_namespaces_with_the_label_are_told() -> None:
    label = {"servicemesh.oci.oracle.com/sidecar-injection": "enabled"}
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("shop", "zoo")]
    spaces[0]["metadata"]["labels"] = label
    assert about(found(*spaces), "Namespaces").fact.endswith("is on shop")


# ---------------------------------------------------------------------------- in words


def test_the_report_is_ordered_by_what_has_to_be_done() -> None:
    text = "\n".join(report.lines(found(*left.mesh(), left.operator(1), left.pod())))
    places = [text.index(title) for title in ("First:", "--apply does this:", "You do this:", "Good to know:")]
    assert places == sorted(places)
    assert text.splitlines()[-1].endswith("known")


def test_the_report_as_json_says_the_same() -> None:
    findings = found(*left.mesh())
    said = report.as_json(findings)["findings"]
    assert [f"{one['subject']}: {one['fact']}; {one['advice']}" for one in said] == [str(one) for one in findings]


def test_nothing_that_can_be_written_stops_the_report() -> None:
    odd = [None, 7, {}, {"kind": "Mesh"}, {"apiVersion": left.GROUP, "kind": "Mesh", "metadata": {"name": "x"}}]
    documents = [*odd, {**left.mesh()[0], "spec": 7, "status": "x"}, {**left.pod(), "spec": None}]
    assert found(*documents)
