"""The endpoints of deployments that are bound: whose they are, which count, and what a change of one costs."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import documents, graph, inventory, resolve, resources
from mesh.problems import Ref
from mesh.resolve import endpoints as stages
from tests import written

V1, V2 = (Ref("VirtualDeployment", "shop", f"pets-{version}") for version in ("v1", "v2"))
MESH = """
Mesh: shop/main
---
VirtualService: shop/pets
mesh: {ref: {name: main}}
hosts: [pets]
---
VirtualDeployment: shop/pets-v1
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: pets.shop}
listener: [{protocol: HTTP, port: 8080}]
---
VirtualDeployment: shop/pets-v2
virtualService: {ref: {name: pets}}
serviceDiscovery: {type: DNS, hostname: pets.shop}
listener: [{protocol: HTTP, port: 8080}]
---
"""


def k8s(api: str, kind: str, key: str, labels: dict[str, str], **more: Any) -> resources.Resource:
    namespace, _, name = key.partition("/")
    metadata = {"namespace": namespace, "name": name, "labels": labels}
    found = documents.parsed({"apiVersion": api, "kind": kind, "metadata": metadata, **more})
    assert found.resource is not None
    return found.resource


def service(key: str = "shop/pets", *families: str) -> resources.Resource:
    return k8s("v1", "Service", key, {}, spec={"selector": {"app": "pets"}, "ipFamilies": [*families]})


def pod(key: str, **labels: str) -> resources.Resource:
    return k8s("v1", "Pod", key, labels)


def one(address: str, of: str = "", zone: str = "", **conditions: bool) -> dict[str, Any]:
    behind = {"targetRef": {"kind": "Pod", "name": of}} if of else {}
    return {"addresses": [address], "conditions": conditions, "zone": zone, **behind}


def listing(
    *items: dict[str, Any], of: str = "pets", key: str = "shop/pets-1", family: str = "IPv4"
) -> resources.Resource:
    labels = {"kubernetes.io/service-name": of}
    return k8s("discovery.k8s.io/v1", "EndpointSlice", key, labels, addressType=family, endpoints=[*items])


def binding(name: str, target: str = "pets-v1", of: str = "{name: pets}", labels: str = "{}") -> str:
    return (
        f"---\nVirtualDeploymentBinding: shop/{name}\nvirtualDeployment: {{ref: {{name: {target}}}}}\n"
        f"target: {{service: {{ref: {of}, matchLabels: {labels}}}}}\n"
    )


def meant(text: str, *others: resources.Resource) -> graph.Graph:
    return resolve.resolve(written.of(text).with_changes(others)).graph


def addresses(of: graph.Graph, ref: Ref = V1) -> list[str]:
    return [one.address for one in of.endpoints[ref]]


def bound(*others: resources.Resource) -> graph.Graph:
    return meant(MESH + binding("a"), service(), *others)


GOING = {"ready": False, "serving": True, "terminating": True}


def test_a_deployment_that_is_bound_has_the_endpoints_of_its_service():
    found = bound(listing(one("10.0.0.2"), one("10.0.0.1", zone="north")))
    assert found.deployments[V1].discovery == graph.Bound("pets.shop")
    assert found.endpoints == {V1: (graph.Endpoint("", "10.0.0.2"), graph.Endpoint("north", "10.0.0.1"))}
    assert found.deployments[V2].discovery == graph.Dns("pets.shop")


def test_a_service_without_endpoints_means_none_and_not_dns():
    assert bound(listing()).endpoints == {V1: ()}
    assert bound(listing(one("10.0.0.1", ready=False))).endpoints == {V1: ()}


def test_a_service_of_which_nothing_is_listed_leaves_it_to_dns():
    """As in a folder of YAML, in which nobody keeps slices."""
    for found in (bound(), bound(listing(of="other"))):
        assert (found.deployments[V1].discovery, found.endpoints) == (graph.Dns("pets.shop"), {})


@pytest.mark.parametrize(
    "text",
    [
        binding("a", "nobody"),
        binding("a", of="{name: other}"),
        binding("a", of="{name: pets, namespace: elsewhere}"),
    ],
)
def test_a_binding_that_leads_nowhere_leaves_it_to_dns(text: str):
    found = meant(MESH + text, service(), listing(one("10.0.0.1")))
    assert (found.deployments[V1].discovery, found.endpoints) == (graph.Dns("pets.shop"), {})


def test_a_deployment_that_is_not_to_be_found_has_no_endpoints():
    hidden = MESH.replace("serviceDiscovery: {type: DNS, hostname: pets.shop}", "serviceDiscovery: {type: DISABLED}")
    found = meant(hidden + binding("a"), service(), listing(one("10.0.0.1")))
    assert (found.deployments[V1].discovery, found.endpoints) == (graph.Undiscovered(), {})


def test_a_deployment_that_is_bound_needs_no_hostname():
    found = meant(MESH.replace(", hostname: pets.shop", "") + binding("a"), service(), listing(one("10.0.0.1")))
    assert addresses(found) == ["10.0.0.1"]


def test_a_service_of_another_namespace_has_its_own_slices():
    text = MESH + binding("a", of="{name: pets, namespace: zoo}")
    slices = listing(one("10.0.0.1"), key="zoo/pets-1"), listing(one("10.0.0.2"))
    assert addresses(meant(text, service("zoo/pets"), service(), *slices)) == ["10.0.0.1"]


def test_a_reference_that_the_settings_refuse_binds_nothing():
    text = MESH + binding("a", of="{name: pets, namespace: zoo}")
    seen = written.of(text).with_changes([service("zoo/pets")])
    same = resolve.Settings(crossings=resolve.Crossings(resolve.CrossNamespace.SAME))
    assert resolve.resolve(seen, settings=same).graph.deployments[V1].discovery == graph.Dns("pets.shop")


def test_labels_tell_pods_apart():
    slices = listing(one("10.0.0.1", "a"), one("10.0.0.2", "b"), one("10.0.0.3", "gone"), one("10.0.0.4"))
    labels = [binding(version, f"pets-{version}", labels=f"{{version: {version}}}") for version in ("v1", "v2")]
    found = meant(
        MESH + "".join(labels), service(), slices, pod("shop/a", version="v1", app="pets"), pod("shop/b", version="v2")
    )
    assert (addresses(found), addresses(found, V2)) == (["10.0.0.1"], ["10.0.0.2"])


def test_without_labels_endpoints_count_as_they_are():
    assert addresses(bound(listing(one("10.0.0.1", "unknown"), one("10.0.0.2")))) == ["10.0.0.1", "10.0.0.2"]


def test_what_is_not_ready_does_not_count():
    slices = listing(one("10.0.0.1", ready=False), one("10.0.0.2", ready=True), one("10.0.0.3"))
    assert addresses(bound(slices)) == ["10.0.0.2", "10.0.0.3"]


def test_what_is_about_to_go_counts_only_where_nothing_is_ready():
    going, gone = one("10.0.0.1", **GOING), one("10.0.0.2", ready=False, serving=False, terminating=True)
    assert addresses(bound(listing(going, gone, one("10.0.0.3")))) == ["10.0.0.3"]
    assert addresses(bound(listing(going, gone))) == ["10.0.0.1"]


def test_the_endpoints_of_several_bindings_join():
    text = MESH + binding("a") + binding("b", of="{name: more}")
    slices = listing(one("10.0.0.1"), one("10.0.0.2", **GOING)), listing(one("10.0.0.3"), of="more", key="shop/more-1")
    assert addresses(meant(text, service(), service("shop/more"), *slices)) == ["10.0.0.1", "10.0.0.3"]


def test_a_pod_in_two_slices_is_one_endpoint_as_ready_as_one_of_them_says():
    slices = listing(one("10.0.0.1", "a", **GOING)), listing(one("10.0.0.1", "a"), key="shop/pets-2")
    assert addresses(bound(*slices, listing(one("10.0.0.2", "b", **GOING), key="shop/pets-3"))) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("families", "expected"), [((), "10.0.0.1"), (("IPv4", "IPv6"), "10.0.0.1"), (("IPv6", "IPv4"), "fd00::1")]
)
def test_a_pod_with_two_addresses_is_one_endpoint_at_that_which_its_service_prefers(families, expected):
    slices = listing(one("10.0.0.1", "a")), listing(one("FD00:0::1", "a"), key="shop/pets-2", family="IPv6")
    assert addresses(meant(MESH + binding("a"), service("shop/pets", *families), *slices)) == [expected]


def test_names_are_no_endpoints():
    slices = listing(one("a.example"), family="FQDN"), listing(one("a.example"), one("10.0.0.1"), key="shop/pets-2")
    assert addresses(bound(*slices)) == ["10.0.0.1"]


def test_a_gateway_can_still_rewrite_to_the_hostname_of_a_deployment_that_is_bound():
    assert bound(listing()).deployments[V1].hostname == "pets.shop"


# ---------------------------------------------------------------------------- what changes, and what that costs

LABELS = st.sampled_from(["{}", "{version: v1}", "{version: v2}"])
BINDINGS = st.builds(
    lambda name, target, of, labels: binding(name, target, f"{{name: {of}}}", labels),
    st.sampled_from("ab"),
    st.sampled_from(["pets-v1", "pets-v2"]),
    st.sampled_from(["pets", "more"]),
    LABELS,
).map(lambda text: written.objects(text)[0])
CONDITIONS = st.sampled_from([{}, {"ready": True}, {"ready": False}, GOING])
ENDPOINTS = st.builds(
    lambda last, of, zone, how: one(last, of, zone, **how),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["", "north"]),
    CONDITIONS,
)
SLICES = st.builds(
    lambda items, of, name, family: listing(*items, of=of, key=f"shop/{name}", family=family),
    st.lists(ENDPOINTS, max_size=3),
    st.sampled_from(["pets", "more"]),
    st.sampled_from("xyz"),
    st.sampled_from(["IPv4", "IPv6"]),
)
PODS = st.builds(
    lambda name, version: pod(f"shop/{name}", version=version), st.sampled_from("ab"), st.sampled_from(["v1", "v2"])
)
SERVICES = st.builds(
    lambda name, families: service(f"shop/{name}", *families),
    st.sampled_from(["pets", "more"]),
    st.sampled_from([[], ["IPv6"]]),
)
GONE = st.one_of(
    st.builds(Ref, st.just("Pod"), st.just("shop"), st.sampled_from("ab")),
    st.builds(Ref, st.just("EndpointSlice"), st.just("shop"), st.sampled_from("xyz")),
    st.builds(Ref, st.just("VirtualDeploymentBinding"), st.just("shop"), st.sampled_from("ab")),
    st.builds(Ref, st.just("Service"), st.just("shop"), st.sampled_from(["pets", "more"])),
)
EDITS = st.one_of(SLICES, SLICES, PODS, BINDINGS, SERVICES, GONE)
WHOLE = written.of(MESH + binding("a", labels="{version: v1}")).with_changes([service(), service("shop/more")])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(EDITS, min_size=1, max_size=2), min_size=1, max_size=12))
def test_after_any_edits_the_endpoints_are_those_of_a_fresh_run(steps: list[list[resources.Resource | Ref]]) -> None:
    seen, last = WHOLE, resolve.resolve(WHOLE)
    for step in steps:
        for edit in step:
            seen = edited(seen, edit)
        before, last = last, resolve.resolve(seen, last)
        fresh = resolve.resolve(seen)
        assert repr((last.graph, last.problems)) == repr((fresh.graph, fresh.problems))
        assert last.graph == before.graph or last.graph is not before.graph


def edited(before: inventory.Inventory, edit: resources.Resource | Ref) -> inventory.Inventory:
    return before.with_changes(deleted=[edit]) if isinstance(edit, Ref) else before.with_changes([edit])


def many(services: int) -> inventory.Inventory:
    """A mesh of so many services, each with one deployment, bound, and one pod."""
    text = "".join(
        f"---\nVirtualService: shop/s{number}\nmesh: {{ref: {{name: main}}}}\nhosts: [s{number}]\n"
        f"---\nVirtualDeployment: shop/s{number}\nvirtualService: {{ref: {{name: s{number}}}}}\n"
        "serviceDiscovery: {type: DNS, hostname: a.b}\nlistener: [{protocol: HTTP, port: 80}]\n"
        + binding(f"s{number}", f"s{number}", f"{{name: s{number}}}", "{version: v1}")
        for number in range(services)
    )
    others: Iterable[resources.Resource] = (
        item
        for number in range(services)
        for item in (service(f"shop/s{number}"), changed(number, 1), pod(f"shop/p{number}", version="v1"))
    )
    return written.of(written.MESH + text).with_changes(others)


def changed(number: int, last: int) -> resources.Resource:
    return listing(one(f"10.0.0.{last}", f"p{number}"), of=f"s{number}", key=f"shop/s{number}")


@pytest.mark.parametrize(
    ("edit", "address"),
    [
        (changed(3, 2), ("10.0.0.2",)),
        (pod("shop/p3", version="v2"), ()),
        (Ref("Pod", "shop", "p3"), ()),
    ],
)
def test_an_endpoint_that_changes_costs_the_deployment_that_has_it(monkeypatch, edit, address):
    """Whether pods change, come or go: one Service and one deployment are looked at, of however many."""
    seen = many(12)
    before = resolve.resolve(seen)
    looked_at: list[str] = []
    for name in ("_listed", "_candidates", "_endpoints"):
        real = getattr(stages, name)
        monkeypatch.setattr(stages, name, lambda *given, real=real, name=name: looked_at.append(name) or real(*given))
    after = resolve.resolve(edited(seen, edit), before)
    ref = Ref("VirtualDeployment", "shop", "s3")
    assert tuple(addresses(after.graph, ref)) == address
    assert looked_at == (["_listed", "_candidates"] if edit == changed(3, 2) else []) + ["_endpoints"]
    assert [ref for ref, found in after.graph.endpoints.items() if found is not before.graph.endpoints[ref]] == [ref]
    assert after.graph.services is before.graph.services
    assert after.graph.deployments is before.graph.deployments
    assert after.problems is before.problems
