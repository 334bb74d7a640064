"""Whose proxies run in which pods: what bindings select, what gateways have made, and what changes of both do."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import documents, inventory, resolve, resources
from mesh.problems import Ref
from meshloom.cluster import ownership, pods
from meshloom.identity import proofs
from tests import written

V1, V2, DOOR = Ref("VirtualDeployment", "shop", "v1"), Ref("VirtualDeployment", "shop", "v2"), "IngressGateway"
MESH = """
Mesh: shop/main
---
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
---
VirtualDeployment: shop/v1
virtualService: {ref: {name: pets}}
---
VirtualDeployment: shop/v2
virtualService: {ref: {name: pets}}
---
IngressGateway: shop/door
mesh: {ref: {name: main}}
hosts: [{name: site, hostnames: [a.com], listeners: [{protocol: HTTP, port: 8080}]}]
"""
POD = proofs.Pod("shop", "a", "uid-a")


def k8s(api: str, kind: str, name: str, owner: str = "", spec: Any = None, **labels: str) -> resources.Resource:
    """An object, whose uid is `uid-<name>`; `owner` is as `ReplicaSet/name`."""
    made_by, _, of = owner.partition("/")
    version = resources.API_VERSION if made_by.startswith("Ingress") else "apps/v1"
    reference = {"apiVersion": version, "kind": made_by, "name": of, "uid": f"uid-{of}", "controller": True}
    metadata = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "labels": labels}
    owners = {"ownerReferences": [reference]} if owner else {}
    document = {"apiVersion": api, "kind": kind, "metadata": {**metadata, **owners}, "spec": spec or {}}
    found = documents.parsed(document)
    assert found.resource is not None
    return found.resource


def pod(name: str = "a", owner: str = "", **labels: str) -> resources.Resource:
    return k8s("v1", "Pod", name, owner, **labels)


def service(name: str = "pets", **selector: str) -> resources.Resource:
    return k8s("v1", "Service", name, spec={"selector": selector})


def binding(name: str, target: str = "v1", of: str = "pets", labels: str = "{}", created: str = "") -> str:
    made = f"created: {created}\n" if created else ""
    return (
        f"---\nVirtualDeploymentBinding: shop/{name}\nvirtualDeployment: {{ref: {{name: {target}}}}}\n{made}"
        f"target: {{service: {{ref: {{name: {of}}}, matchLabels: {labels}}}}}\n"
    )


def owners(text: str, *others: resources.Resource, of: proofs.Pod = POD) -> set[Ref]:
    asked = pods.Pods()
    asked.passed(resolve.resolve(written.of(MESH + text).with_changes(others)), ())
    return {*asked.owners(of)}


APP = service(app="pets")


def test_a_pod_that_the_service_of_a_binding_selects_is_of_its_deployment():
    assert owners(binding("b"), APP, pod(app="pets", more="yes")) == {V1}
    assert owners(binding("b"), APP, pod(app="cats")) == set()
    assert owners(binding("b"), APP) == set()
    assert owners("", APP, pod(app="pets")) == set()


def test_labels_of_a_binding_narrow_it():
    two = binding("b", labels="{version: v1}") + binding("c", "v2", labels="{version: v2}")
    assert owners(two, APP, pod(app="pets", version="v1")) == {V1}
    assert owners(two, APP, pod(app="pets", version="v2")) == {V2}
    assert owners(two, APP, pod(app="pets")) == set()


def test_a_service_without_selector_makes_nobody_a_member():
    assert owners(binding("b"), service(), pod(app="pets")) == set()
    assert owners(binding("b", labels="{app: pets}"), service(), pod(app="pets")) == set()
    assert owners(binding("b"), pod(app="pets")) == set()


def test_pods_of_other_namespaces_are_not_selected():
    elsewhere = resources.Metadata(namespace="zoo", name="a", uid="uid-a", labels={"app": "pets"})
    there = pod().model_copy(update={"metadata": elsewhere})
    assert owners(binding("b"), APP, there, of=proofs.Pod("zoo", "a", "uid-a")) == set()


def test_of_several_bindings_the_oldest_counts_even_if_it_leads_nowhere():
    old, new = "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"
    assert owners(binding("b", created=new) + binding("c", "v2", created=old), APP, pod(app="pets")) == {V2}
    assert owners(binding("b", created=old) + binding("c", "v2", created=new), APP, pod(app="pets")) == {V1}
    assert owners(binding("b", "gone", created=old) + binding("c", "v2", created=new), APP, pod(app="pets")) == set()


def test_another_pod_of_the_same_name_is_another_pod():
    assert owners(binding("b"), APP, pod(app="pets"), of=proofs.Pod("shop", "a", "uid-of-the-one-before")) == set()


GATE = (
    "---\nIngressGatewayDeployment: shop/gate\ningressGateway: {ref: {name: door}}\n"
    "deployment: {autoscaling: {minPods: 1, maxPods: 1}}\nports: [{port: 8080}]\n"
)


def gate(of: str = "uid-gate") -> resources.Resource:
    (item,) = written.objects(GATE)
    return item.model_copy(update={"metadata": item.metadata.model_copy(update={"uid": of})})


def twin() -> resources.Resource:
    """Another deployment of the same gateway."""
    (item,) = written.objects(GATE.replace("shop/gate", "shop/twin"))
    return item.model_copy(update={"metadata": item.metadata.model_copy(update={"uid": "uid-twin"})})


def deployment(*others: resources.Resource, of: proofs.Pod = POD) -> Ref | None:
    asked = pods.Pods()
    asked.passed(resolve.resolve(written.of(MESH).with_changes(others)), ())
    return asked.deployment(of)


CHAIN = (
    k8s("apps/v1", "Deployment", "gate-pods", "IngressGatewayDeployment/gate"),
    k8s("apps/v1", "ReplicaSet", "gate-pods-1", "Deployment/gate-pods"),
    pod(owner="ReplicaSet/gate-pods-1"),
)


def test_a_pod_that_was_made_for_a_gateway_is_of_that_gateway():
    assert owners("", gate(), *CHAIN) == {Ref(DOOR, "shop", "door")}
    assert deployment(gate(), *CHAIN) == Ref("IngressGatewayDeployment", "shop", "gate")
    assert deployment(gate("another"), *CHAIN) is None
    assert deployment(gate(), *CHAIN, of=proofs.Pod("shop", "a", "uid-of-the-one-before")) is None


def test_a_pod_that_another_deployment_takes_over_is_not_what_it_was():
    asked, told = pods.Pods(), []
    asked.when_lost(lambda: told.append(asked.deployment(POD)))
    first = resolve.resolve(written.of(MESH).with_changes([gate(), twin(), *CHAIN]))
    asked.passed(first, ())
    taken = k8s("apps/v1", "Deployment", "gate-pods", "IngressGatewayDeployment/twin")
    second = resolve.resolve(first.inventory.with_changes([taken]), first)
    asked.passed(second, ())
    assert told == [twin().ref]
    assert {*asked.owners(POD)} == {Ref(DOOR, "shop", "door")}


@pytest.mark.parametrize("missing", range(3))
def test_every_link_to_the_gateway_counts(missing):
    rest = [one for place, one in enumerate(CHAIN) if place != missing]
    assert owners("", gate(), *rest) == set()


def test_a_pod_of_another_namespace_is_of_no_gateway_whatever_owner_it_names():
    *made, mine = CHAIN
    theirs = mine.model_copy(update={"metadata": mine.metadata.model_copy(update={"namespace": "zoo"})})
    assert owners("", gate(), *made, theirs, of=proofs.Pod("zoo", "a", "uid-a")) == set()


def test_a_name_alone_makes_nobody_an_owner():
    assert owners("", gate("another"), *CHAIN) == set()
    assert owners("", gate(""), *CHAIN) == set()
    imitated = k8s("apps/v1", "Deployment", "gate-pods", "ReplicaSet/gate")
    assert owners("", gate(), imitated, *CHAIN[1:]) == set()


def test_who_is_bound_to_another_deployment_is_told_of_at_once():
    asked, told = pods.Pods(), []
    asked.when_lost(lambda: told.append(asked.owners(POD)))
    first = resolve.resolve(written.of(MESH + binding("b")).with_changes([APP, pod(app="pets")]))
    asked.passed(first, ())
    assert told == []
    moved = resolve.resolve(first.inventory.with_changes(written.objects(binding("b", "v2"))), first)
    asked.passed(moved, ())
    assert told == [{V2}]
    more = resolve.resolve(moved.inventory.with_changes([pod("other", app="pets")]), moved)
    asked.passed(more, ())
    assert told == [{V2}]
    asked.passed(resolve.resolve(more.inventory.with_changes(deleted=[Ref("Pod", "shop", "a")]), more), ())
    assert told == [{V2}, frozenset()]


EDITS = st.one_of(
    st.builds(lambda name, **labels: pod(name, **labels), st.sampled_from("ab"), app=st.sampled_from(["pets", "cats"])),
    st.builds(
        lambda name, app: service(name, app=app), st.sampled_from(["pets", "cats"]), st.sampled_from(["pets", "cats"])
    ),
    st.builds(binding, st.sampled_from("bc"), st.sampled_from(["v1", "v2"]), st.sampled_from(["pets", "cats"])).map(
        lambda text: written.objects(text)[0]
    ),
    st.sampled_from([*CHAIN, gate(), gate("another"), twin()]),
    st.just(k8s("apps/v1", "Deployment", "gate-pods", "IngressGatewayDeployment/twin")),
    st.sampled_from([*(one.ref for one in CHAIN), gate().ref, Ref("VirtualDeploymentBinding", "shop", "b"), APP.ref]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(EDITS, min_size=1, max_size=15))
def test_after_any_edits_the_index_is_that_of_a_fresh_look(edits: list[resources.Resource | Ref]) -> None:
    seen: inventory.Inventory = written.of(MESH)
    last, found = resolve.resolve(seen), ownership.Index()
    for edit in edits:
        seen = seen.with_changes(deleted=[edit]) if isinstance(edit, Ref) else seen.with_changes([edit])
        last = resolve.resolve(seen, last)
        found = ownership.index(last, found)
        assert {**found.pods} == {**ownership.index(resolve.resolve(seen), ownership.Index()).pods}


def test_a_pod_that_comes_costs_a_look_at_that_pod(monkeypatch):
    there = [pod(f"p{number}", app="pets") for number in range(50)]
    first = resolve.resolve(written.of(MESH + binding("b")).with_changes([APP, *there]))
    before, looked_at = ownership.index(first, ownership.Index()), []
    real = ownership._bound
    monkeypatch.setattr(ownership, "_bound", lambda of, claims: looked_at.append(of.name) or real(of, claims))
    ownership.index(resolve.resolve(first.inventory.with_changes([pod("new", app="pets")]), first), before)
    assert looked_at == ["new"]
