"""Objects as people would write them."""

import copy

import pytest

from mesh import documents, inventory, resolve
from mesh.problems import Severity
from meshloom.migration import cleaning, facts
from tests.meshloom.migration import left


def cleaned(*given: left.Document) -> list[left.Document]:
    return list(cleaning.cleaned(facts.facts(given)))


def test_what_only_a_cluster_knows_is_left_out_and_what_people_wrote_stays() -> None:
    given = left.mesh()[0]
    labelled = {**given, "metadata": {**given["metadata"], "labels": {"team": "x"}, "resourceVersion": "7"}}
    assert cleaned(labelled) == [
        {
            "apiVersion": left.GROUP,
            "kind": "Mesh",
            "metadata": {"name": "main", "namespace": "shop", "labels": {"team": "x"}},
            "spec": given["spec"],
        }
    ]


def test_references_by_ids_become_references_by_name() -> None:
    found = {document["metadata"]["name"]: document["spec"] for document in cleaned(*left.mesh())}
    assert found["pets"]["mesh"] == {"ref": {"name": "main", "namespace": "shop"}}
    rule = found["all"]["rules"][0]
    assert rule["source"]["ingressGateway"] == {"ref": {"name": "front", "namespace": "shop"}}
    assert rule["destination"]["virtualService"] == {"ref": {"name": "pets", "namespace": "shop"}}


def test_what_is_made_of_it_means_something_to_meshloom() -> None:
    found = [documents.parsed(document) for document in cleaned(*left.mesh())]
    resolution = resolve.resolve(inventory.inventory_of(one.resource for one in found if one.resource))
    assert not [one for one in resolution.problems if one.severity is Severity.ERROR]


@pytest.mark.parametrize(("finalizers", "kept"), [([left.COMMON], None), ([left.COMMON, "else"], ["else"])])
def test_only_finalizers_of_the_original_go(finalizers: list[str], kept: list[str] | None) -> None:
    given = copy.deepcopy(left.mesh()[0])
    given["metadata"]["finalizers"] = finalizers
    assert cleaned(given)[0]["metadata"].get("finalizers") == kept


def test_what_is_being_deleted_is_left_out() -> None:
    given = copy.deepcopy(left.mesh()[0])
    given["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z"
    assert cleaned(given) == []


def test_what_was_given_is_not_changed() -> None:
    given = left.mesh()
    before = copy.deepcopy(given)
    cleaned(*given)
    assert given == before
