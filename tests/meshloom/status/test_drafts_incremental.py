"""Drafts that are brought up to date equal fresh ones, whatever was edited, and share what was not."""

import dataclasses
import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import inventory, resolve, resources
from mesh.problems import Ref
from meshloom.status import drafts
from tests import written
from tests.mesh import test_resolve_incremental as drawn
from tests.meshloom.status import shop

bindings = drawn.spec(
    "VirtualDeploymentBinding",
    {"virtualDeployment": drawn.refs, "target": drawn.refs.map(lambda ref: {"service": ref})},
)
gateway_deployments = drawn.spec(
    "IngressGatewayDeployment",
    {
        "ingressGateway": drawn.refs,
        "deployment": st.just({"autoscaling": {"minPods": 1, "maxPods": 1}}),
        "ports": st.just([{"port": 8080}]),
    },
)
more = st.one_of(bindings, gateway_deployments).map(written.resource)


def ending(item: resources.Resource | Ref) -> resources.Resource | Ref:
    if isinstance(item, Ref):
        return item
    when = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
    return item.model_copy(update={"metadata": item.metadata.model_copy(update={"deletion_timestamp": when})})


edits = st.one_of(drawn.edits, more, st.one_of(drawn.edits, more).map(ending))


@settings(max_examples=60, deadline=None)
@given(st.lists(edits, min_size=1, max_size=25), drawn.readings)
def test_after_any_edits_the_drafts_are_the_fresh_ones(
    made: list[resources.Resource | Ref], reading: resolve.Settings
) -> None:
    seen, last, told = inventory.Inventory(), None, drafts.NOTHING
    for edit in made:
        seen = drawn.edited(seen, edit)
        changed = {edit if isinstance(edit, Ref) else edit.ref}
        last = resolve.resolve(seen, last, changed, reading)
        before, told = told, drafts.drafts(last, last.problems, told)
        fresh = drafts.drafts(last, last.problems)
        assert dataclasses.replace(told, stages={}) == dataclasses.replace(fresh, stages={})
        differing = {one.ref for one in told if before.get(one.ref) != one} | {
            one.ref for one in before if told.get(one.ref) is None
        }
        assert differing <= drafts.changed(before, told)


def test_what_nothing_changed_about_stays_the_same_object() -> None:
    first = shop.resolved()
    before = shop.drafted(first)
    other = shop.item(shop.POLICY, generation=2)
    second = resolve.resolve(first.inventory.with_changes([other]), first, {shop.POLICY})
    after = drafts.drafts(second, second.problems, before)
    assert drafts.changed(before, after) == {shop.POLICY}
    assert all(after.get(ref) is before.get(ref) for ref in shop.OBJECTS if ref != shop.POLICY)


def test_a_changed_weight_costs_the_same_in_any_mesh() -> None:
    """Counted in drafts that are made, not in seconds."""
    costs = [_drafts_made(services) for services in (5, 50)]
    assert costs[0] == costs[1]


def _drafts_made(services: int) -> int:
    def table(number: int, weight: int) -> str:
        return f"""
VirtualServiceRouteTable: shop/s{number}
virtualService: {{ref: {{name: s{number}}}}}
routeRules: [{{httpRoute: {{destinations: [{{virtualDeployment: {{ref: {{name: s{number}}}}}, weight: {weight}}}]}}}}]
"""

    def members(number: int) -> str:
        return f"""
VirtualService: shop/s{number}
mesh: {{ref: {{name: main}}}}
hosts: [s{number}]
---
VirtualDeployment: shop/s{number}
virtualService: {{ref: {{name: s{number}}}}}
serviceDiscovery: {{type: DNS, hostname: s{number}.local}}
listener: [{{protocol: HTTP, port: 9080}}]
---{table(number, 1)}"""

    first = resolve.resolve(written.of("---".join([written.MESH, *map(members, range(services))])))
    before = drafts.drafts(first, first.problems)
    (other,) = written.objects(table(0, 2))
    second = resolve.resolve(first.inventory.with_changes([other]), first, {other.ref})
    made: list[object] = []
    after = _counted(made, second, before)
    assert after.kinds == drafts.drafts(second, second.problems).kinds
    return len(made)


def _counted(made: list[object], of: resolve.Resolution, before: drafts.Drafts) -> drafts.Drafts:
    original = drafts.draft.draft

    def counting(*given: object) -> object:
        made.append(given[0])
        return original(*given)

    drafts.draft.draft = counting
    try:
        return drafts.drafts(of, of.problems, before)
    finally:
        drafts.draft.draft = original
