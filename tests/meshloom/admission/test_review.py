"""What the API server is answered: which changes are let in, with which warnings, and in which words others are not."""

import copy
import json

import pytest

from mesh import resolve
from meshloom.admission import answers, asked, review
from tests import written
from tests.meshloom.admission import reviews

LONG = "a" * 191


def test_each_sound_object_is_let_in_alone_and_without_a_word_beside_the_others() -> None:
    for part in reviews.PARTS:
        assert reviews.created(part, reviews.there(""))["allowed"]
        assert reviews.created(part) == {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True}


REFUSED = {
    "2.3.1 a name is too long": (
        f"Mesh: shop/{LONG}",
        "metadata.name: ",
    ),
    "2.3.2 a reference says both": (
        "VirtualService: shop/odd\nmesh: {ref: {name: main}, id: some}",
        "VirtualService shop/odd spec.mesh: has ref and id at once; keep the one that names the Mesh",
    ),
    "2.3.3 a reference says nothing": (
        "VirtualService: shop/odd\nmesh: {}",
        "VirtualService shop/odd spec.mesh: has neither ref nor id; ",
    ),
    "2.5.1 a mode is below the minimum": (
        "VirtualService: shop/odd\nmesh: {ref: {name: main}}\nmtls: {mode: DISABLED}",
        "VirtualService shop/odd spec.mtls.mode: DISABLED is below PERMISSIVE, the minimum of Mesh shop/main; raise it",
    ),
    "2.6.1 discovery by DNS has no hostname": (
        "VirtualDeployment: shop/odd\nvirtualService: {ref: {name: pets}}\nserviceDiscovery: {type: DNS}",
        "VirtualDeployment shop/odd spec.serviceDiscovery.hostname: is missing, and discovery by DNS needs it",
    ),
    "2.6.2 discovery is disabled with a hostname": (
        "VirtualDeployment: shop/odd\nvirtualService: {ref: {name: pets}}\n"
        "serviceDiscovery: {type: DISABLED, hostname: v.local}",
        "VirtualDeployment shop/odd spec.serviceDiscovery.hostname: ",
    ),
    "2.6.3 a hostname without a listener": (
        "VirtualDeployment: shop/odd\nvirtualService: {ref: {name: pets}}\n"
        "serviceDiscovery: {type: DNS, hostname: v.local}",
        "VirtualDeployment shop/odd spec.listener: ",
    ),
    "2.7.1 a rule has no route": (
        "VirtualServiceRouteTable: shop/odd\nvirtualService: {ref: {name: pets}}\nrouteRules: [{}]",
        "VirtualServiceRouteTable shop/odd spec.routeRules[0]: ",
    ),
    "2.7.2 a rule leads to several ports": (
        "VirtualServiceRouteTable: shop/odd\nvirtualService: {ref: {name: pets}}\n"
        "routeRules: [{tcpRoute: {destinations: [{virtualDeployment: {ref: {name: pets-v1}}, weight: 50, port: 1},"
        " {virtualDeployment: {ref: {name: pets-v1}}, weight: 50}]}}]",
        "VirtualServiceRouteTable shop/odd spec.routeRules[0]",
    ),
    "2.8.1 a rule has no source": (
        "AccessPolicy: shop/odd\nmesh: {ref: {name: main}}\n"
        "rules: [{action: ALLOW, source: {}, destination: {allVirtualServices: {}}}]",
        "AccessPolicy shop/odd spec.rules[0].source: ",
    ),
    "2.8.2 the source is outside": (
        "AccessPolicy: shop/odd\nmesh: {ref: {name: main}}\n"
        "rules: [{action: ALLOW, source: {externalService: {tcpExternalService: {ipAddresses: [10.0.0.0/8]}}},"
        " destination: {allVirtualServices: {}}}]",
        "AccessPolicy shop/odd spec.rules[0].source",
    ),
    "2.8.3 the destination is a gateway": (
        "AccessPolicy: shop/odd\nmesh: {ref: {name: main}}\n"
        "rules: [{action: ALLOW, source: {allVirtualServices: {}}, destination: {ingressGateway: {ref: {name: door}}}}]",
        "AccessPolicy shop/odd spec.rules[0].destination",
    ),
    "2.9.1 a host of HTTP has no name": (
        "IngressGateway: shop/odd\nmesh: {ref: {name: main}}\n"
        "hosts: [{name: site, listeners: [{protocol: HTTP, port: 8080}]}]",
        "IngressGateway shop/odd spec.hosts[0].hostnames: ",
    ),
    "2.9.2 a port is too low": (
        "IngressGateway: shop/odd\nmesh: {ref: {name: main}}\n"
        "hosts: [{name: site, hostnames: [a.com], listeners: [{protocol: HTTP, port: 80}]}]",
        "IngressGateway shop/odd spec.hosts[0].listeners[0].port: ",
    ),
    "2.9.3 TLS has no certificate": (
        "IngressGateway: shop/odd\nmesh: {ref: {name: main}}\n"
        "hosts: [{name: site, hostnames: [a.com], listeners: [{protocol: HTTP, port: 8080, tls: {mode: TLS}}]}]",
        "IngressGateway shop/odd spec.hosts[0].listeners[0].tls.serverCertificate",
    ),
    "2.11.1 fewer pods at most than at least": (
        "IngressGatewayDeployment: shop/odd\ningressGateway: {ref: {name: door}}\n"
        "deployment: {autoscaling: {minPods: 3, maxPods: 2}}\nports: []",
        "IngressGatewayDeployment shop/odd spec.deployment.autoscaling",
    ),
    "2.11.2 ports of a Service that is not wanted": (
        "IngressGatewayDeployment: shop/odd\ningressGateway: {ref: {name: door}}\n"
        "deployment: {autoscaling: {minPods: 1, maxPods: 2}}\nports: [{protocol: TCP, port: 8080, serviceport: 80}]",
        "IngressGatewayDeployment shop/odd spec.ports[0].serviceport: ",
    ),
    "2.12.1 the Service of a binding does not exist": (
        "VirtualDeploymentBinding: shop/odd\nvirtualDeployment: {ref: {name: pets-v1}}\n"
        "target: {service: {ref: {name: pets}}}",
        "VirtualDeploymentBinding shop/odd spec.target.service.ref: Service shop/pets does not exist; create it first",
    ),
    "V7 a name is too long for what is made of it": (
        f"IngressGatewayDeployment: shop/{'a' * 60}\ningressGateway: {{ref: {{name: door}}}}\n"
        "deployment: {autoscaling: {minPods: 1, maxPods: 2}}\nports: [{protocol: TCP, port: 8080, serviceport: 80}]\n"
        "service: {type: ClusterIP}",
        "metadata.name: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_never_work_is_refused_with_the_words_of_check(name: str) -> None:
    text, words = REFUSED[name]
    response = reviews.created(text)
    assert words in reviews.said(response)
    assert (response["status"]["code"], response["status"]["reason"]) == (403, "Forbidden")
    assert response["status"]["details"]["kind"] == text.partition(":")[0]


IMMUTABLE = {
    "2.3.4 the parent": ("VirtualService: shop/pets\nmesh: {ref: {name: other}}\nhosts: [pets]", "spec.mesh: "),
    "2.3.5 the name": ("VirtualService: shop/pets\nmesh: {ref: {name: main}}\nname: n\nhosts: [pets]", "spec.name: "),
    "2.4.1 the authorities": (
        "Mesh: shop/main\ncertificateAuthorities: [{id: other}]\nmtls: {minimum: PERMISSIVE}",
        "spec.certificateAuthorities: ",
    ),
}


@pytest.mark.parametrize("name", IMMUTABLE)
def test_what_stays_as_it_is_cannot_be_changed(name: str) -> None:
    text, words = IMMUTABLE[name]
    assert words in reviews.said(reviews.updated(text))


def test_v1_only_its_own_deployments_keep_a_service_from_losing_its_hosts() -> None:
    other = reviews.SHOP + "VirtualService: shop/lone\nmesh: {ref: {name: main}}\nhosts: [lone]\n---\n"
    emptied = "{}: shop/{}\nmesh: {{ref: {{name: main}}}}\nmtls: {{mode: PERMISSIVE}}"
    assert reviews.updated(emptied.format("VirtualService", "lone"), before=other)["allowed"]
    refused = reviews.updated(emptied.format("VirtualService", "pets"), before=other)
    assert "VirtualDeployment shop/pets-v1 can only be called by a host" in reviews.said(refused)


def test_v2_the_minimum_of_a_mesh_minds_services_of_all_namespaces() -> None:
    abroad = "VirtualService: far/away\nmesh: {ref: {name: main, namespace: shop}}\nmtls: {mode: PERMISSIVE}\n---\n"
    mesh = "Mesh: shop/main\nmtls: {minimum: PERMISSIVE}\n---\n"
    refused = reviews.updated("Mesh: shop/main\nmtls: {minimum: STRICT}", before=mesh + abroad)
    assert "STRICT is above the mode of VirtualService far/away" in reviews.said(refused)


def test_v3_objects_without_a_status_can_be_edited() -> None:
    assert reviews.updated("Mesh: shop/main\nmtls: {minimum: DISABLED}")["allowed"]


def test_v4_a_refusal_says_what_was_to_be_changed_and_not_that_something_was_to_be_created() -> None:
    refused = reviews.updated("VirtualService: shop/pets\nmesh: {ref: {name: main}}\nhosts: [pets]\nname: other")
    assert reviews.said(refused).startswith("VirtualService shop/pets spec.name: ")


def test_v5_what_has_not_been_seen_yet_can_be_edited_and_deleted() -> None:
    nothing = reviews.there("")
    for part in reviews.PARTS:
        old, new = reviews.document(part), reviews.document(part)
        new["spec"]["description"] = "another"
        assert reviews.answered(reviews.asking("UPDATE", new, old), nothing)["allowed"]
        assert reviews.answered(reviews.asking("DELETE", None, old), nothing)["allowed"]


def test_v6_a_gateway_that_is_being_deleted_is_no_source_of_a_new_policy() -> None:
    (door,) = [one for one in written.objects(reviews.SHOP) if one.kind == "IngressGateway"]
    ending = door.metadata.model_copy(update={"deletion_timestamp": "2030-01-31T12:00:00Z"})
    now = reviews.there().inventory.with_changes([door.model_copy(update={"metadata": ending})])
    text = (
        "AccessPolicy: shop/new\nmesh: {ref: {name: main}}\n"
        "rules: [{action: ALLOW, source: {ingressGateway: {ref: {name: door}}}, destination: {allVirtualServices: {}}}]"
    )
    assert "IngressGateway shop/door is being deleted" in reviews.said(reviews.created(text, resolve.resolve(now)))


WARNED = {
    "weights": (
        "VirtualServiceRouteTable: shop/odd\nvirtualService: {ref: {name: pets}}\n"
        "routeRules: [{httpRoute: {destinations: [{virtualDeployment: {ref: {name: pets-v1}}, weight: 0}]}}]",
        "weight",
    ),
    "a parent that is not there": ("VirtualService: shop/odd\nmesh: {ref: {name: nowhere}}", "Mesh shop/nowhere"),
    "a host twice": ("VirtualService: shop/zoo\nmesh: {ref: {name: main}}\nhosts: [pets]", "pets"),
    "a field that nobody knows": ("VirtualService: shop/odd\nmesh: {ref: {name: main}}\nhots: [odd]", "hots"),
    "a network": (
        "AccessPolicy: shop/odd\nmesh: {ref: {name: main}}\n"
        "rules: [{action: ALLOW, source: {allVirtualServices: {}}, "
        "destination: {externalService: {tcpExternalService: {ipAddresses: [10.0.0.1/8]}}}}]",
        "10.0.0.1/8",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_2_13_what_may_not_be_meant_is_let_in_with_a_warning(name: str) -> None:
    text, words = WARNED[name]
    response = reviews.created(text)
    assert response["allowed"]
    assert any(words in warning for warning in response["warnings"]), response


def test_warnings_are_few_short_and_printable() -> None:
    hosts = "".join(f"'bad host {number} \\x1b[31m', " for number in range(40))
    text = f"VirtualService: shop/odd\nmesh: {{ref: {{name: main}}}}\nhosts: [{hosts.replace(chr(39), chr(34))}]"
    warnings = reviews.created(text)["warnings"]
    assert len(warnings) == answers.MOST_WARNINGS + 1
    assert "more" in warnings[-1]
    assert all(len(one) <= answers.LONGEST_WARNING and one.isprintable() for one in warnings)


def test_who_still_refers_to_a_removed_object_is_said_and_the_removal_let_in() -> None:
    response = reviews.answered(reviews.asking("DELETE", None, reviews.document(reviews.PARTS[0])), reviews.there())
    assert response["allowed"]
    assert "is still referred to by" in response["warnings"][0]


def test_2_2_1_what_leaves_the_spec_as_it_is_is_let_in_even_if_nothing_is_known_yet() -> None:
    old = {"apiVersion": "servicemesh.oci.oracle.com/v1beta1", "kind": "Mesh", "metadata": {}, "spec": {"odd": 1}}
    new = {**old, "metadata": {"finalizers": []}}
    assert reviews.answered(reviews.asking("UPDATE", new, old), None)["allowed"]


def test_before_the_cluster_is_read_changes_are_put_off_and_removals_are_not() -> None:
    document = reviews.document(reviews.PARTS[0])
    put_off = reviews.answered(reviews.asking("CREATE", document), None)
    assert (put_off["status"]["code"], put_off["status"]["reason"]) == (503, "ServiceUnavailable")
    assert put_off["status"]["details"] == {"retryAfterSeconds": 1}
    assert reviews.answered(reviews.asking("DELETE", None, document), None)["allowed"]


def test_an_object_that_has_not_the_form_of_its_kind_is_refused_in_words() -> None:
    document = reviews.document(reviews.PARTS[1])
    document["spec"]["hosts"] = "pets"
    response = reviews.answered(reviews.asking("CREATE", document), reviews.there())
    assert (response["status"]["code"], response["status"]["reason"]) == (400, "BadRequest")
    assert reviews.said(response).startswith("VirtualService shop/pets spec.hosts: ")


def test_an_edit_that_mends_what_could_not_be_read_is_let_in() -> None:
    broken, mended = (reviews.document(reviews.PARTS[1]) for _ in range(2))
    broken["spec"]["hosts"] = "pets"
    assert reviews.answered(reviews.asking("UPDATE", mended, broken), reviews.there())["allowed"]
    assert reviews.answered(reviews.asking("DELETE", None, broken), reviews.there())["allowed"]


def test_the_same_question_has_the_same_answer_and_changes_nothing() -> None:
    now, question = (
        reviews.there(),
        reviews.asking("CREATE", reviews.document(REFUSED["2.8.1 a rule has no source"][0])),
    )
    asked_before = copy.deepcopy(question)
    first = reviews.answered(question, now)
    assert reviews.answered({**question, "request": {**question["request"], "dryRun": True}}, now) == first
    assert question == asked_before


def test_changes_of_the_status_and_other_parts_are_let_in() -> None:
    question = reviews.asking("UPDATE", {"kind": "Mesh"}, {"kind": "Mesh", "spec": {}}, subResource="status")
    assert reviews.answered(question, None)["allowed"]


@pytest.mark.parametrize(
    "kind",
    [
        {"group": "apps", "version": "v1", "kind": "Deployment"},
        {"group": "servicemesh.oci.oracle.com", "version": "v1beta1", "kind": "Toaster"},
        {"group": "servicemesh.oci.oracle.com", "version": "v2", "kind": "Mesh"},
        {},
    ],
)
def test_what_is_not_of_the_nine_kinds_is_no_business_of_ours(kind: dict[str, str]) -> None:
    response = reviews.answered(reviews.asking("CREATE", {"kind": "any"}, kind=kind), reviews.there())
    assert response["status"]["code"] == 400
    assert "nothing that meshloom judges" in reviews.said(response)


@pytest.mark.parametrize("operation", ["CONNECT", "CREATE", "UPDATE", "x" * 1000])
def test_an_operation_without_its_objects_is_refused(operation: str) -> None:
    said = reviews.said(reviews.answered(reviews.asking(operation), reviews.there()))
    assert "without its objects" in said
    assert len(said) < 200


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"kind": "AdmissionReview"},
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1", "request": {}},
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"},
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"uid": 3}},
        {
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {"uid": "a", "operation": "CREATE"},
        },
    ],
)
def test_what_is_no_review_is_said_to_be_none(document: object) -> None:
    with pytest.raises(asked.UnreadableError):
        review.review(document, reviews.there())


def test_an_answer_is_json() -> None:
    for text, _ in REFUSED.values():
        assert json.loads(json.dumps(reviews.created(text))) == reviews.created(text)
