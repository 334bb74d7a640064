"""Which pods are to be made anew, why, and by whom."""

import dataclasses

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from mesh import resolve
from mesh.problems import Ref
from meshloom.eviction import views
from meshloom.eviction.needs import Reason
from meshloom.injector import contract
from tests.meshloom.eviction import given
from tests.meshloom.eviction.given import injected, pod

RULES = views.Rules(frozenset({"meshloom-system", "kube-system"}))
KEEPING = given.MESH.rstrip() + "\n  podUpgradeEnabled: false\n"
UNREADY = given.MESH.replace("virtualDeployment: {ref: {name: pets-v1}}", "virtualDeployment: {ref: {name: gone}}")
DISABLED = {"app": "pets", contract.LABEL: "disabled"}
JOB = {"apiVersion": "batch/v1", "kind": "Job", "name": "import", "uid": "job", "controller": True}
MARKED = {contract.OUTDATED: "true"}


def view(*objects, mesh=given.MESH, terms=given.TERMS, rules=RULES):
    return views.view(given.there(*objects, mesh=mesh), terms, rules)


def due(*objects, **options):
    found = view(*objects, **options).due
    return [(str(maker), one.pod.name, one.need.reason) for maker, several in found.items() for one in several]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (pod(), Reason.NO_PROXY),
        (injected(), None),
        (injected(image="meshloom-proxy:1"), Reason.IMAGE),
        (injected(image=""), None),
        (injected(image="", deployment="ocid1.meshvirtualdeployment.oc1.iad.abc"), None),
        (injected(deployment="ocid1.meshvirtualdeployment.meshloom..other"), Reason.MOVED),
        (injected(deployment="other", image="meshloom-proxy:1"), Reason.MOVED),
        (pod(labels={"app": "dogs"}), None),
        (pod(labels=DISABLED), None),
        (pod(deletionTimestamp="2026-01-01T00:00:00Z"), None),
        (pod(namespace="elsewhere"), None),
        (pod(ownerReferences=[]), None),
        (pod(ownerReferences=[JOB]), None),
        (pod(ownerReferences=[{**given.SET, "controller": False}]), None),
        (pod(ownerReferences=[{**given.SET, "apiVersion": "apps.example.com/v1"}]), None),
        (pod(ownerReferences=[{"apiVersion": "v1", "kind": "Node", "name": "n", "controller": True}]), None),
        (injected(image="", labels=DISABLED), None),
    ],
)
def test_who_is_evicted_and_why(one, reason):
    expected = [] if reason is None else [("ReplicaSet shop/pets-5d4f", "pets-1", reason)]
    assert due(one) == expected


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_whatever_makes_pods_anew_loses_them(kind):
    assert [maker for maker, _, _ in due(pod(ownerReferences=[{**given.STATEFUL, "kind": kind}]))] == [
        f"{kind} shop/pets"
    ]


def test_pods_of_a_deployment_are_counted_with_those_of_its_other_sets():
    above = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "pets", "uid": "d", "controller": True}
    sets = [
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"namespace": "shop", "name": name, "uid": name, "ownerReferences": [above]},
        }
        for name in ("one", "two")
    ]
    pods = [pod(name, ownerReferences=[{**given.SET, "name": name, "uid": name}]) for name in ("one", "two")]
    found = view(*sets, *pods, injected("three", ownerReferences=[{**given.SET, "name": "one", "uid": "one"}]))
    maker = Ref("Deployment", "shop", "pets")
    assert [one.pod.name for one in found.due[maker]] == ["one", "two"]
    assert found.alive == {maker: 3}


def test_the_oldest_goes_first():
    pods = [pod(f"pets-{day}", creationTimestamp=f"2026-01-0{day}T00:00:00Z") for day in (3, 1, 2)]
    assert [name for _, name, _ in due(*pods)] == ["pets-1", "pets-2", "pets-3"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"mesh": UNREADY}, "its binding is not ready"),
        ({"mesh": KEEPING}, "its binding keeps its pods"),
        ({"rules": RULES._replace(is_on=False)}, "evictions are off"),
        ({"rules": RULES._replace(apart=frozenset({"shop"}))}, "its namespace is left alone"),
    ],
)
def test_nobody_is_evicted_where_it_may_not_be(options, what):
    assert due(pod(), injected("pets-2", image="meshloom-proxy:1"), **options) == [], what


def test_an_image_that_is_not_rolled_out_evicts_nobody_but_a_move_does():
    terms = dataclasses.replace(given.TERMS, is_rolled=False)
    found = view(injected(image="meshloom-proxy:1"), injected("pets-2", deployment="other"), terms=terms)
    assert [one.need.reason for several in found.due.values() for one in several] == [Reason.MOVED]
    assert found.marks == {Ref("Pod", "shop", "pets-1"): views.Mark("uid-pets-1", is_outdated=True)}


@pytest.mark.parametrize(
    ("one", "options", "mark"),
    [
        (injected(image="old"), {}, None),
        (injected(image=""), {}, True),
        (injected(image="old"), {"mesh": KEEPING}, True),
        (injected(image="old"), {"rules": RULES._replace(is_on=False)}, True),
        (injected(image="old", ownerReferences=[]), {}, True),
        (injected(image="old", ownerReferences=[JOB]), {}, True),
        (injected(image="old", labels=DISABLED), {}, True),
        (injected(image="old", labels={"app": "dogs"}), {}, True),
        (injected(image="old", annotations=MARKED, ownerReferences=[]), {}, None),
        (injected(image="old", annotations=MARKED), {}, False),
        (injected(annotations=MARKED, ownerReferences=[]), {}, False),
        (injected(), {}, None),
        (pod(), {"mesh": KEEPING}, None),
        (pod(ownerReferences=[]), {}, None),
    ],
)
def test_who_is_marked_as_outdated_and_who_is_no_more(one, options, mark):
    expected = {} if mark is None else {Ref("Pod", "shop", "pets-1"): views.Mark("uid-pets-1", mark)}
    assert view(one, **options).marks == expected


def test_pods_that_others_have_to_make_anew_are_counted():
    others = (injected("pets-2", image="old", ownerReferences=[JOB]), injected("pets-3", image=""), pod("pets-4"))
    found = view(pod(ownerReferences=[]), *others)
    assert found.kept == {Reason.NO_PROXY: 1, Reason.IMAGE: 1, Reason.ORIGINAL: 1}


def test_what_decides_is_named_in_words():
    [[one]] = view(injected(image="meshloom-proxy:1")).due.values()
    assert one.need.words == "has proxy image meshloom-proxy:1, and not meshloom-proxy:2"
    [[one]] = view(injected(deployment="other")).due.values()
    assert "VirtualDeployment shop/pets-v1, to which VirtualDeploymentBinding shop/pets-v1 binds it" in one.need.words


PODS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([pod, injected]),
        st.sampled_from([{}, {"labels": DISABLED}, {"labels": {"app": "dogs"}}, {"ownerReferences": [given.STATEFUL]}]),
    ),
    max_size=3,
)
SPACES = st.sampled_from(["enabled", "disabled", ""])
IMAGES = st.sampled_from(["meshloom-proxy:2", "meshloom-proxy:3"])


@settings(max_examples=40, deadline=None)
@drawn(st.lists(st.tuples(PODS, SPACES, IMAGES), min_size=2, max_size=4))
def test_a_view_after_another_equals_one_that_is_made_afresh(steps):
    before, last = given.there(), None
    for pods, said, image in steps:
        space = {"name": "shop", "labels": {contract.LABEL: said} if said else {}}
        written = [made(name, **metadata) for name, made, metadata in pods]
        arriving = given.items({"apiVersion": "v1", "kind": "Namespace", "metadata": space}, *written)
        gone = set(before.inventory.kinds.get("Pod", {})) - {item.ref for item in arriving}
        seen = before.inventory.with_changes(arriving, gone)
        before = resolve.resolve(seen, before, {item.ref for item in arriving} | gone)
        terms = dataclasses.replace(given.TERMS, image=image)
        last = views.view(before, terms, RULES, last)
        fresh = views.view(before, terms, RULES)
        assert (last.due, last.marks, last.alive, last.kept) == (fresh.due, fresh.marks, fresh.alive, fresh.kept)


def test_what_has_not_changed_is_not_looked_at_again():
    first = given.there(pod(), pod("pets-2"))
    before = views.view(first, given.TERMS, RULES)
    [other] = given.items(injected("pets-2"))
    after = resolve.resolve(first.inventory.with_changes([other]), first, {other.ref})
    found = views.view(after, given.TERMS, RULES, before)
    kept, new = Ref("Pod", "shop", "pets-1"), Ref("Pod", "shop", "pets-2")
    assert found.looked[kept] is before.looked[kept]
    assert found.looked[new] is not before.looked[new]
