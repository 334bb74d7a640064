"""Whose proxies an object concerns, and how they are counted."""

import pytest

from mesh.problems import Ref
from meshloom.status import progress
from meshloom.status.concerns import Group
from tests import written
from tests.meshloom.status import shop

FRONT = Ref("VirtualService", "shop", "front")
FRONT_V1 = Ref("VirtualDeployment", "shop", "front-v1")
OTHERS = written.objects("""
VirtualService: shop/front
mesh: {ref: {name: main}}
hosts: [front]
---
VirtualDeployment: shop/front-v1
virtualService: {ref: {name: front}}
listener: [{protocol: HTTP, port: 9080}]
serviceDiscovery: {type: DNS, hostname: f.local}
""")

EVERYTHING = (Group(shop.MESH, True),)
EXPECTED = {
    shop.MESH: (Group(shop.MESH),),
    shop.PETS: (Group(shop.DOOR), Group(shop.PETS)),
    shop.PETS_V1: (Group(shop.DOOR), Group(shop.PETS_V1)),
    shop.TABLE: (Group(shop.DOOR), Group(shop.PETS)),
    shop.POLICY: (Group(shop.DOOR), Group(shop.MESH, True)),
    shop.DOOR: (Group(shop.DOOR),),
    shop.DOOR_TABLE: (Group(shop.DOOR),),
    shop.BINDING: (Group(shop.PETS_V1),),
    shop.DOOR_PODS: (Group(shop.DOOR_PODS),),
}


@pytest.mark.parametrize("ref", EXPECTED, ids=str)
def test_an_object_concerns_its_own_proxies_and_those_that_reach_it(ref: Ref) -> None:
    draft = shop.drafted(shop.resolved(*OTHERS)).get(ref)
    assert draft is not None
    assert sorted(draft.concern) == sorted(EXPECTED[ref])


def test_where_all_services_may_call_the_proxies_of_the_whole_mesh_are_concerned() -> None:
    everybody = shop.item(
        shop.POLICY,
        """mesh: {ref: {name: main}}
rules: [{action: ALLOW, source: {allVirtualServices: {}}, destination: {virtualService: {ref: {name: pets}}}}]""",
    )
    told = shop.drafted(shop.resolved(*OTHERS, everybody))
    for ref in (shop.PETS, shop.PETS_V1, shop.TABLE):
        draft = told.get(ref)
        assert draft is not None
        assert draft.concern == EVERYTHING
    one = progress.proxy(1)
    groups = progress.by_group({shop.PETS_V1: one, FRONT_V1: one, shop.DOOR: one}, told.members)
    assert progress.concerned(EVERYTHING, groups).connected == 2
    assert progress.concerned((Group(shop.MESH),), groups).connected == 3


def test_a_gateways_pods_are_counted_for_their_deployment_and_for_the_gateway() -> None:
    one = progress.proxy(1)
    groups = progress.by_group({shop.DOOR: one, shop.DOOR_PODS: one}, shop.drafted(shop.resolved()).members)
    counted = {
        ref: progress.concerned((Group(ref),), groups).connected for ref in (shop.DOOR, shop.DOOR_PODS, shop.MESH)
    }
    assert counted == {shop.DOOR: 2, shop.DOOR_PODS: 1, shop.MESH: 2}


def test_proxies_of_nobody_are_not_counted() -> None:
    told = shop.drafted(shop.resolved())
    assert progress.by_group({FRONT_V1: progress.proxy(1)}, told.members) == {}


def test_only_rejections_and_the_first_proxies_stir_what_had_been_accepted() -> None:
    group = Group(shop.PETS_V1)
    one, two = {group: progress.proxy(1)}, {group: progress.together([progress.proxy(1), progress.proxy(2)])}
    assert progress.stirred(one, two) == frozenset()
    assert progress.stirred({}, one) == {group}
    assert progress.stirred(two, {group: progress.proxy(2, "a: no")}) == {group}
