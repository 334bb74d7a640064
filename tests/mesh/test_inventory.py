"""An inventory is a value: what changes makes a new one, what does not is shared."""

from mesh import inventory, resources, workloads
from mesh.problems import Ref
from mesh.resources import Mesh, Resource, VirtualService

SPEC = {"compartmentId": "c", "mesh": {"id": "m"}}


def service(name: str, namespace: str = "shop") -> VirtualService:
    return VirtualService.model_validate({"metadata": {"name": name, "namespace": namespace}, "spec": SPEC})


def mesh(name: str) -> Mesh:
    return Mesh.model_validate({"metadata": {"name": name, "namespace": "shop"}})


def test_an_object_is_found_by_its_address() -> None:
    pets = service("pets")
    seen = inventory.inventory_of([pets, mesh("main")])
    assert seen.get(Ref("VirtualService", "shop", "pets")) is pets
    assert seen.get(Ref("VirtualService", "shop", "cats")) is None
    assert seen.get(Ref("Nothing", "shop", "pets")) is None


def test_objects_of_one_kind_are_listed_by_address() -> None:
    seen = inventory.inventory_of([service("pets"), service("cats"), mesh("main")])
    assert {ref.name for ref in seen.of(VirtualService)} == {"pets", "cats"}
    assert dict(seen.of(resources.AccessPolicy)) == {}


def test_of_two_objects_at_one_address_the_last_counts() -> None:
    first, second = service("pets"), service("pets")
    assert inventory.inventory_of([first, second]).get(first.ref) is second


def test_a_change_makes_a_new_inventory_and_leaves_the_old_one_alone() -> None:
    before = inventory.inventory_of([service("pets")])
    after = before.with_changes([service("cats")], [service("pets").ref])
    assert {item.ref.name for item in before} == {"pets"}
    assert {item.ref.name for item in after} == {"cats"}


def test_kinds_in_which_nothing_changed_are_shared() -> None:
    before = inventory.inventory_of([service("pets"), mesh("main")])
    after = before.with_changes([service("cats")])
    assert after.kinds["Mesh"] is before.kinds["Mesh"]
    assert after.kinds["VirtualService"] is not before.kinds["VirtualService"]


def test_an_object_that_is_both_applied_and_deleted_stays() -> None:
    pets = service("pets")
    assert inventory.inventory_of([]).with_changes([pets], [pets.ref]).get(pets.ref) is pets


def test_deleting_what_is_not_there_changes_nothing() -> None:
    before = inventory.inventory_of([service("pets")])
    assert list(before.with_changes((), [Ref("Mesh", "shop", "main")])) == list(before)


def test_iteration_goes_by_kind() -> None:
    items: list[Resource] = [service("pets"), mesh("main"), service("cats")]
    assert [item.kind for item in inventory.inventory_of(items)] == ["Mesh", "VirtualService", "VirtualService"]


def test_the_content_of_a_secret_shows_nowhere() -> None:
    secret = workloads.Secret.model_validate({"metadata": {"name": "tls"}, "data": {"tls.key": "aHVzaA=="}})
    seen = inventory.inventory_of([secret])
    shown = (repr(seen), str(seen), repr(secret), str(secret), repr(secret.data), f"{secret.data}")
    assert all("aHVzaA" not in text for text in shown)
    assert repr(secret) == "Secret(default/tls, [redacted])"
