"""A pass that follows another equals a fresh one, whatever came, went or came back in between."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh import inventory, resolve, workloads
from mesh.problems import Ref
from meshloom import passes
from meshloom.identity import claim
from tests import written
from tests.meshloom import issued, shop
from translator import resources
from watchers import store
from xds import changes

PROXIES = (
    claim.sidecar("shop/front-v1", "127.0.9.1", "127.0.0.1", {}),
    claim.sidecar("shop/front-v1", "127.0.9.2", "127.0.0.1", {}),
    claim.sidecar("shop/pets-v1", "127.0.9.3", "127.0.0.1", {}),
    claim.sidecar("shop/nobody-v1", "127.0.9.4", "127.0.0.1", {}),
)
WEIGHTS = st.sampled_from([(90, 10), (50, 50), (0, 100), (0, 0)]).map(
    lambda shares: written.objects(shop.weights(*shares))
)
OTHERS = (claim.proxyless("shop/front-v1"), claim.proxyless("shop/nobody-v1"), claim.gateway("shop/edge", "127.0.9.5"))
WANTED = st.frozensets(st.sampled_from((*PROXIES, *OTHERS)))
BINDING = """
VirtualDeploymentBinding: shop/pets-v1
virtualDeployment: {ref: {name: pets-v1}}
target: {service: {ref: {name: pets}}}
"""
EDGE = """
IngressGateway: shop/edge
mesh: {ref: {name: main}}
hosts: [{name: x, hostnames: [x.example], listeners: [{protocol: HTTP, port: 8080, tls: {mode: DISABLED}}]}]
"""


def listing(*addresses: str) -> workloads.EndpointSlice:
    """The endpoints of the Service that `pets-v1` is bound to."""
    labels = {"kubernetes.io/service-name": "pets"}
    listed = tuple(workloads.Endpoint(addresses=(address,)) for address in addresses)
    return workloads.EndpointSlice(metadata={"namespace": "shop", "name": "pets-1", "labels": labels}, endpoints=listed)


ALL = inventory.inventory_of(
    [
        *written.objects("---".join((shop.MESH, shop.PETS, shop.weights(90, 10), BINDING, EDGE))),
        workloads.Service(metadata={"namespace": "shop", "name": "pets"}),
        listing("10.0.0.1"),
    ]
)
REFS = sorted(item.ref for item in ALL)

SERVICES = resolve.resolve(ALL).graph.services
MEMBERS = {**SERVICES, **resolve.resolve(ALL).graph.gateways}
CREDENTIALS = st.builds(
    lambda refs, serial: issued.credentials((MEMBERS[ref].identity for ref in refs), serial),
    st.frozensets(st.sampled_from(sorted(MEMBERS))),
    st.integers(1, 2),
)

LISTINGS = st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), max_size=2).map(lambda found: [listing(*found)])
edits = st.one_of(WEIGHTS, LISTINGS, st.sampled_from(REFS))
"""New weights or endpoints, or an object that goes if it is there and otherwise comes back."""


def edited(seen: inventory.Inventory, edit: object) -> inventory.Inventory:
    if not isinstance(edit, Ref):
        return seen.with_changes(edit)
    return seen.with_changes(deleted=[edit]) if seen.get(edit) else seen.with_changes([ALL.get(edit)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(edits, WANTED, CREDENTIALS, st.booleans()), min_size=1, max_size=8))
def test_a_pass_that_follows_another_equals_a_fresh_one(steps):
    seen, last, held = ALL, None, {}
    for edit, wanted, given_now, is_lost in steps:
        before, seen = seen, edited(seen, edit)
        previous = None if is_lost else last
        task = passes.Task(seen, store.differences(before, seen), wanted)
        last = passes.passed(task, previous, held, resolve.Settings(), given_now)
        fresh = passes.passed(passes.Task(seen, None, wanted), None, held, resolve.Settings(), given_now)
        assert last.snapshots == fresh.snapshots
        assert (last.problems, last.resolution.problems) == (fresh.problems, fresh.resolution.problems)
        everything = passes.Given(passes.members(fresh.resolution, wanted), given_now)
        assert last.made == passes.compiled(fresh.resolution, wanted, given=everything).made
        assert last.published == {proxy: new for proxy, new in last.snapshots.items() if new is not held.get(proxy)}
        assert all(held.get(proxy) != new for proxy, new in last.published.items())
        held = last.snapshots


def test_a_change_of_weights_leaves_all_other_snapshots_the_same_objects():
    wanted = frozenset(PROXIES)
    first = passes.passed(passes.Task(ALL, None, wanted), None, {}, resolve.Settings())
    (table,) = written.objects(shop.weights(50, 50))
    task = passes.Task(ALL.with_changes([table]), frozenset({table.ref}), wanted)
    second = passes.passed(task, first, first.snapshots, resolve.Settings())
    assert {*second.published} == {*PROXIES[:2]}
    assert second.snapshots[PROXIES[2]] is first.snapshots[PROXIES[2]]
    shared = [part for part in second.snapshots[PROXIES[0]].parts if part in second.snapshots[PROXIES[1]].parts]
    assert len(shared) > 1


def test_an_endpoint_that_comes_is_in_the_snapshots_of_callers_and_all_else_there_is_the_same():
    wanted = frozenset(PROXIES)
    first = passes.passed(passes.Task(ALL, None, wanted), None, {}, resolve.Settings())
    more = listing("10.0.0.1", "10.0.0.2")
    task = passes.Task(ALL.with_changes([more]), frozenset({more.ref}), wanted)
    second = passes.passed(task, first, first.snapshots, resolve.Settings())
    assert {*second.published} == {*PROXIES[:2]}
    for proxy, new in second.published.items():
        old = first.snapshots[proxy]
        assert [url for url in new.digests if new.digest(url) != old.digest(url)] == [resources.ENDPOINTS]
        changed = changes.changes(old, new)[resources.ENDPOINTS]
        assert [*changed] == ["outbound/shop/pets-v1/9080"]
        assert len({*old.parts} & {*new.parts}) == len(new.parts) - 1


def secrets_of(made, proxy):
    return {entry.name: entry for entry in made.snapshots[proxy].entries(resources.SECRET)}


def everybody():
    return issued.credentials([service.identity for service in SERVICES.values()])


def test_a_proxy_gets_the_secrets_of_its_own_identity_and_shares_them_with_its_replicas():
    wanted = frozenset(PROXIES)
    made = passes.passed(passes.Task(ALL, None, wanted), None, {}, resolve.Settings(), everybody())
    for proxy, service in zip(PROXIES[:3], ("front", "front", "pets"), strict=True):
        found = secrets_of(made, proxy)
        assert {*found} == {"identity", "authorities"}
        assert f"key 1 of spiffe://main.shop.mesh/ns/shop/vs/{service}".encode() in found["identity"].body
        assert b"key" not in found["authorities"].body
    first, second, other = (made.snapshots[proxy].parts for proxy in PROXIES[:3])
    assert first[-2:] == second[-2:]
    assert first[-1] is other[-1]


def test_without_a_certificate_a_proxy_keeps_what_it_has_and_the_others_are_served():
    wanted = frozenset(PROXIES[:3])
    first = passes.passed(passes.Task(ALL, None, wanted), None, {}, resolve.Settings(), everybody())
    front = SERVICES[Ref("VirtualService", "shop", "front")].identity
    changed = ALL.with_changes(written.objects(shop.weights(50, 50)))
    second = passes.passed(
        passes.Task(changed, None, wanted), None, {}, resolve.Settings(), issued.credentials([front])
    )
    assert {*second.snapshots} == {*PROXIES[:2]}
    third = passes.passed(
        passes.Task(changed, None, wanted), None, first.snapshots, resolve.Settings(), issued.credentials([front])
    )
    assert third.snapshots[PROXIES[2]] is first.snapshots[PROXIES[2]]
    (problem,) = third.problems
    assert problem.subject == Ref("VirtualDeployment", "shop", "pets-v1")
    assert "there is no certificate for sidecar/shop/pets-v1/127.0.9.3, which keeps its last" in problem.fault


def test_a_renewed_certificate_changes_one_secret_of_its_owner_and_nothing_else():
    wanted = frozenset(PROXIES[:3])
    given_now = everybody()
    first = passes.passed(passes.Task(ALL, None, wanted), None, {}, resolve.Settings(), given_now)
    pets = SERVICES[Ref("VirtualService", "shop", "pets")].identity
    renewed = issued.Issued({**given_now.leaves, pets: issued.leaf(pets, 2)}, given_now.roots)
    second = passes.passed(passes.Task(ALL, frozenset(), wanted), first, first.snapshots, resolve.Settings(), renewed)
    assert {*second.published} == {PROXIES[2]}
    before, after = secrets_of(first, PROXIES[2]), secrets_of(second, PROXIES[2])
    assert before["identity"].version != after["identity"].version
    assert before["authorities"].version == after["authorities"].version
    assert second.snapshots[PROXIES[2]].parts[:-2] == first.snapshots[PROXIES[2]].parts[:-2]
