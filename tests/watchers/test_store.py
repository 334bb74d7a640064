"""The store: equal objects are no news, and inventories once handed out stay as they are."""

from hypothesis import given
from hypothesis import strategies as st

from mesh import inventory, problems, workloads
from mesh.problems import Ref
from watchers import events, store


def service(name: str, v: str = "1") -> workloads.Service:
    return workloads.Service.model_validate({"kind": "Service", "metadata": {"name": name, "labels": {"v": v}}})


A, B = Ref("Service", "default", "a"), Ref("Service", "default", "b")
FAULT = problems.error(A, "spec", "is odd", "mend it")


def test_an_applied_object_is_in_the_inventory() -> None:
    held = store.Store()
    assert held.apply(events.Applied(service("a")))
    assert held.inventory().get(A) == service("a")


def test_a_deleted_object_is_gone() -> None:
    held = store.Store()
    held.apply(events.Applied(service("a")))
    assert held.apply(events.Deleted(A))
    assert held.inventory().get(A) is None


def test_deleting_what_is_not_there_changes_nothing() -> None:
    assert not store.Store().apply(events.Deleted(A))


def test_an_equal_object_is_no_change_and_keeps_its_identity() -> None:
    held, first = store.Store(), service("a")
    held.apply(events.Applied(first))
    before = held.inventory()
    assert not held.apply(events.Applied(service("a")))
    assert held.inventory() is before
    assert held.inventory().get(A) is first


def test_an_object_that_changes_and_changes_back_keeps_its_identity() -> None:
    held, first = store.Store(), service("a")
    held.apply(events.Applied(first))
    before = held.inventory()
    assert held.apply(events.Applied(service("a", "2")))
    assert held.apply(events.Applied(service("a")))
    assert held.inventory() is before


def test_an_object_deleted_and_put_back_keeps_its_identity() -> None:
    held, first = store.Store(), service("a")
    held.apply(events.Applied(first))
    before = held.inventory()
    assert held.apply(events.Deleted(A))
    assert not held.apply(events.Deleted(A))
    assert held.apply(events.Applied(service("a")))
    assert held.inventory() is before


def test_an_inventory_handed_out_never_changes() -> None:
    held = store.Store()
    held.apply(events.Applied(service("a")))
    before = held.inventory()
    held.apply(events.Applied(service("a", "2")))
    held.apply(events.Applied(service("b")))
    assert held.inventory().get(B) is not None
    assert before.get(A) == service("a")
    assert before.get(B) is None


def test_a_burst_of_events_builds_one_inventory(monkeypatch) -> None:
    built, with_changes = [], inventory.Inventory.with_changes
    monkeypatch.setattr(
        inventory.Inventory, "with_changes", lambda *args, **kw: built.append(1) or with_changes(*args, **kw)
    )
    held = store.Store()
    for number in range(1000):
        held.apply(events.Applied(service(f"s{number}")))
    assert len(tuple(held.inventory())) == 1000
    assert held.inventory() is held.inventory()
    assert len(built) == 1


def test_kinds_in_which_nothing_changed_are_shared() -> None:
    held = store.Store()
    held.apply(events.Applied(service("a")))
    before = held.inventory()
    held.apply(events.Applied(workloads.Pod(kind="Pod", metadata={"name": "p"})))
    assert held.inventory().kinds["Service"] is before.kinds["Service"]


def test_a_report_replaces_what_was_said_of_the_same_place() -> None:
    held = store.Store()
    other = problems.error(B, "", "is odd too", "mend it")
    assert held.apply(events.Reported("b.yaml", (other,)))
    assert held.apply(events.Reported("a.yaml", (FAULT, other)))
    assert held.problems() == (FAULT, other, other)
    assert held.apply(events.Reported("a.yaml", (FAULT,)))
    assert held.problems() == (FAULT, other)


def test_the_same_report_again_is_no_change() -> None:
    held = store.Store()
    held.apply(events.Reported("a.yaml", (FAULT,)))
    assert not held.apply(events.Reported("a.yaml", (FAULT,)))


def test_an_empty_report_clears_a_place_once() -> None:
    held = store.Store()
    held.apply(events.Reported("a.yaml", (FAULT,)))
    assert held.apply(events.Reported("a.yaml", ()))
    assert not held.apply(events.Reported("a.yaml", ()))
    assert held.problems() == ()


def test_all_named_sources_must_be_synced() -> None:
    held = store.Store()
    assert held.synced([])
    assert held.apply(events.Synced("x"))
    assert not held.apply(events.Synced("x"))
    assert held.synced(["x"])
    assert not held.synced(["x", "y"])


changes = st.lists(
    st.one_of(
        st.builds(lambda name, v: events.Applied(service(name, v)), st.sampled_from("abc"), st.sampled_from("12")),
        st.builds(lambda name: events.Deleted(Ref("Service", "default", name)), st.sampled_from("abc")),
        st.just(None),
    )
)


@given(changes)
def test_the_store_holds_what_a_dictionary_would_hold(told: list[events.Event | None]) -> None:
    held, plain = store.Store(), {}
    for event in told:
        before = dict(plain)
        match event:
            case events.Applied(resource):
                plain[resource.ref] = resource
            case events.Deleted(ref):
                plain.pop(ref, None)
            case _:
                held.inventory()
                continue
        assert held.apply(event) == (before != plain)
    assert {item.ref: item for item in held.inventory()} == plain


@given(changes, changes)
def test_differences_are_the_addresses_whose_objects_are_unequal(first, second) -> None:
    held = store.Store()
    for event in filter(None, first):
        held.apply(event)
    before = held.inventory()
    for event in filter(None, second):
        held.apply(event)
    after = held.inventory()
    refs = [Ref("Service", "default", name) for name in "abc"]
    assert store.differences(before, after) == {ref for ref in refs if before.get(ref) != after.get(ref)}
