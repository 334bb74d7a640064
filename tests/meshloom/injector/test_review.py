"""What the API server is answered about pods."""

import base64
import json

import pytest

from mesh import documents, inventory, resolve
from meshloom.admission import asked
from meshloom.injector import facts, review, terms
from tests.meshloom.injector import golden, json_patches

TERMS = terms.Terms("meshloom-proxy:test", "meshloom.meshloom-system.svc:15012")
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "pets-", "labels": {"app": "pets"}}}
SPEC = {"containers": [{"name": "app", "image": "app"}]}


@pytest.fixture(scope="module")
def known() -> facts.Facts:
    written = golden.yaml.safe_load_all((golden.HERE / "mesh.yaml").read_text())
    found = [item for one in written if (item := documents.parsed(one).resource)]
    return facts.facts(resolve.resolve(inventory.inventory_of(found)))


def question(spec=SPEC, labels=None, namespace="shop", **request):
    """Return a review of a pod, as the API server asks it: the object does not say its namespace yet."""
    pod = {**POD, "metadata": {**POD["metadata"], "labels": {"app": "pets", **(labels or {})}}, "spec": spec}
    told = {
        "uid": "7",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": namespace,
        "object": pod,
        **request,
    }
    return asked.asked({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": told})


def answer(known, *args, **kwargs):
    """Return the response, and its patch read."""
    found = review.reviewed(question(*args, **kwargs), known, TERMS)
    response = found.document["response"]
    patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else None
    return response, patch, found.outcome


def test_a_pod_is_let_in_with_a_patch_that_gives_it_its_proxy(known):
    response, patch, outcome = answer(known)
    assert (response["uid"], response["allowed"], response["patchType"]) == ("7", True, "JSONPatch")
    made = json_patches.applied(question().new, patch)
    assert [one["name"] for one in made["spec"]["initContainers"]] == ["init", "oci-sm-proxy"]
    assert outcome.reason.value == "Injected"


def test_what_is_wrong_is_refused_in_words(known):
    spec = {**SPEC, "securityContext": {"runAsUser": 1337}}
    response, patch, outcome = answer(known, spec)
    assert not response["allowed"]
    assert patch is None
    assert outcome.is_refused
    assert response["status"]["message"] == (
        "Pod shop/pets- spec.containers[0].securityContext.runAsUser: container app runs as user 1337, which is the "
        "proxy's alone; let it run as another user, or label the pod disabled"
    )


def test_what_has_not_the_form_of_a_pod_is_a_bad_request(known):
    response, _, _ = answer(known, {"containers": ["app"]})
    assert response["status"]["code"] == 400


def test_a_pod_that_goes_without_the_proxy_it_asks_for_is_let_in_with_a_warning(known):
    response, patch, outcome = answer(known, {**SPEC, "hostNetwork": True})
    assert response["allowed"]
    assert patch is None
    assert outcome.is_missed
    assert "spec.hostNetwork" in response["warnings"][0]


@pytest.mark.parametrize("value", ["disabled", "no"])
def test_a_pod_that_wants_none_is_let_in_whatever_is_known(known, value):
    for each in (None, known):
        response, patch, _ = answer(each, labels={"servicemesh.oci.oracle.com/sidecar-injection": value})
        assert response == {"uid": "7", "allowed": True}
        assert patch is None


@pytest.mark.parametrize("namespace", ["shop", "new"])
def test_a_pod_that_comes_too_early_is_to_be_tried_again(known, namespace):
    response, _, outcome = answer(None if namespace == "shop" else known, namespace=namespace)
    assert not response["allowed"]
    assert outcome is None
    assert response["status"]["code"] == 503
    assert response["status"]["details"]["retryAfterSeconds"] == 1
    assert f"does not know namespace {namespace} yet" in response["status"]["message"]


@pytest.mark.parametrize(
    "request_",
    [{"operation": "UPDATE"}, {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}, {"object": None}],
)
def test_what_is_no_creation_of_a_pod_is_not_answered(known, request_):
    response, _, _ = answer(known, **request_)
    assert response["status"]["code"] == 400
    assert "nothing that meshloom injects" in response["status"]["message"]


def test_a_part_of_a_pod_is_let_in(known):
    response, patch, _ = answer(known, subResource="ephemeralcontainers")
    assert response["allowed"]
    assert patch is None


def test_facts_are_made_anew_only_where_what_they_are_made_of_is_new():
    written = golden.yaml.safe_load_all((golden.HERE / "mesh.yaml").read_text())
    first = resolve.resolve(inventory.inventory_of(item for one in written if (item := documents.parsed(one).resource)))
    pod = documents.parsed(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "pets-1", "namespace": "shop", "labels": {"app": "pets"}},
        }
    ).resource
    second = resolve.resolve(first.inventory.with_changes([pod]), first)
    pairs = zip(facts.basis(first), facts.basis(second), strict=True)
    assert all(one is other for one, other in pairs)
