"""What weights have no part in is made of the shape of a table, and left alone when weights change."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import documents, identity, inventory, resolve, resources, rules
from mesh.resolve import references, rivals, shapes, tables
from tests import written

weights = st.sampled_from([0, 10, 50, 100])
paths = st.one_of(st.none(), st.sampled_from(["/", "/a", "b", "/q?x"]))
links = st.sampled_from([{"ref": {"name": "a"}}, {"ref": {"name": "b", "namespace": "zoo"}}, {"id": "ocid1.x"}])
to_deployments = st.builds(
    lambda link, port: {"virtualDeployment": link, **port}, links, st.sampled_from([{}, {"port": 80}])
)
to_services = st.builds(lambda link: {"virtualService": link}, links)
metadata = st.fixed_dictionaries(
    {},
    optional={
        "uid": st.sampled_from(["u", "v"]),
        "creationTimestamp": st.sampled_from(["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]),
        "resourceVersion": st.sampled_from(["1", "2"]),
        "labels": st.sampled_from([{}, {"a": "b"}]),
    },
)


def rules_to(destinations: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[Any]:
    several = st.lists(destinations, min_size=1, max_size=most)
    http = st.builds(lambda to, path: {"httpRoute": {"destinations": to, "path": path}}, several, paths)
    return st.lists(st.one_of(http, several.map(lambda to: {"tcpRoute": {"destinations": to}})), min_size=1, max_size=2)


def documents_of(kind: str, owner: str, destinations: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda about, link, priority, rules: {
            "apiVersion": resources.API_VERSION,
            "kind": kind,
            "metadata": {"name": "a", "namespace": "shop", **about},
            "spec": {"compartmentId": "c", owner: link, "routeRules": rules, "priority": priority},
        },
        metadata,
        links,
        st.one_of(st.none(), st.integers(0, 3)),
        rules_to(destinations, most),
    )


some_tables = st.one_of(
    documents_of("VirtualServiceRouteTable", "virtualService", to_deployments, 3),
    documents_of("IngressGatewayRouteTable", "ingressGateway", to_services, 1),
)


def weighed(document: Any, given: list[int]) -> Any:
    """Return the table with these weights, in turn."""
    made = copy.deepcopy(document)
    places = [one for rule in made["spec"]["routeRules"] for route in rule.values() for one in route["destinations"]]
    for number, place in enumerate(places):
        place["weight"] = given[number % len(given)]
    found = documents.parsed(made)
    assert found.resource is not None, found.problems
    return found.resource


def unweighted_of(table: Any) -> tuple[object, ...]:
    """Return what the resolution makes of the table of a shape."""
    return (
        rules.unweighted_problems(table),
        references.links(table),
        identity.issued_id(table),
        table.ref,
        tables.precedence(table),
        rivals.named(table, None),
        rivals.ranked(table, None, segment=True),
    )


several_weights = st.lists(weights, min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(some_tables, some_tables, metadata, several_weights, several_weights)
def test_of_tables_of_one_shape_the_same_is_made(
    one: Any, other: Any, about: Any, first: list[int], second: list[int]
) -> None:
    newer = {**one, "metadata": {**one["metadata"], **about}}
    before = weighed(one, first)
    for table in (weighed(one, second), weighed(newer, second), weighed(other, second)):
        if shapes.shape(table) == shapes.shape(before):
            assert unweighted_of(table) == unweighted_of(before)


@settings(max_examples=200, deadline=None)
@given(some_tables, metadata, several_weights, several_weights)
def test_an_unweighted_table_means_what_each_of_its_shape_means_and_is_one(
    one: Any, about: Any, first: list[int], second: list[int]
) -> None:
    newer = {**one, "metadata": {**one["metadata"], **about}}
    made = [resolve.resolve(inventory.inventory_of([weighed(one, first)]))]
    made.append(resolve.resolve(inventory.inventory_of([weighed(newer, second)]), made[0]))
    for resolution, table in zip(made, (weighed(one, first), weighed(newer, second)), strict=True):
        (bare,) = resolution.stages[f"unweighted {table.kind}"].values.values()
        assert unweighted_of(bare) == unweighted_of(table)
    assert made[1] == resolve.resolve(made[1].inventory)


@settings(max_examples=200, deadline=None)
@given(some_tables, several_weights, several_weights)
def test_weights_versions_and_labels_are_no_part_of_a_shape(one: Any, first: list[int], second: list[int]) -> None:
    newer = {**one, "metadata": {**one["metadata"], "resourceVersion": "3", "labels": {"c": "d"}}}
    assert shapes.shape(weighed(one, first)) == shapes.shape(weighed(newer, second))


@settings(max_examples=200, deadline=None)
@given(some_tables, several_weights)
def test_what_is_wrong_with_weights_and_with_the_rest_is_all_that_is_wrong(one: Any, given: list[int]) -> None:
    table = weighed(one, given)
    apart = (*rules.unweighted_problems(table), *rules.weight_problems(table))
    assert sorted(apart) == sorted(rules.object_problems(table))


def test_the_kinds_with_rules_about_weights_are_those_that_have_shapes() -> None:
    assert {kind for kind, some in rules.RULES.items() if rules.WEIGHED & {*some}} == {*shapes.KINDS}


def test_a_table_without_a_spec_is_told_once() -> None:
    empty = resources.VirtualServiceRouteTable(
        kind="VirtualServiceRouteTable", metadata=resources.Metadata(name="a", namespace="shop")
    )
    assert rules.unweighted_problems(empty) == rules.object_problems(empty)
    assert rules.weight_problems(empty) == ()


TABLE = """
VirtualServiceRouteTable: shop/a
virtualService: {ref: {name: a}}
routeRules: [{httpRoute: {destinations: [{virtualDeployment: {ref: {name: a}}, weight: %s}]}}]
"""


def test_a_change_of_weights_leaves_alone_what_is_made_of_shapes() -> None:
    first = resolve.resolve(written.of(TABLE % 100))
    second = resolve.resolve(written.of(TABLE % 50), first)
    names = ("unweighted", "judged", "links", "ids", "refs", "bonds", "named", "ranked")
    again = [f"{name} VirtualServiceRouteTable" for name in names]
    assert [name for name in again if second.stages[name].values is not first.stages[name].values] == []
    assert [str(one) for one in second.problems if one not in first.problems] == [
        "VirtualServiceRouteTable shop/a spec.routeRules[0].httpRoute.destinations: have weights that add up to 50, "
        "so that they count as 100 %; make them add up to 100"
    ]
